use std::path::PathBuf;

use clap::Args;

use super::whole_number::whole_number;

/// Every record of the demo is kept in memory until its verdict, at some 700 bytes and its content each.
pub const DEMO_RECORDS_MAX: u64 = 1_000_000;

/// More than a person can watch; each is polled five times a second.
const DEMO_SHARDS_MAX: u32 = 256;

/// More than a person can watch.
const DEMO_WORKERS_MAX: u32 = 64;

/// Above it the demo's producer, one task, cannot keep the pace.
const DEMO_RECORDS_PER_SECOND_MAX: u32 = 100_000;

/// What to show in the demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Feed the lines of this file, `-` for standard input, instead of generated events.
    ///
    /// A line is a record, its first word the partition key (the first 256 characters of it; `-` if the line is blank).
    #[arg(long, value_name = "FILE", conflicts_with = "records")]
    pub input: Option<PathBuf>,
    /// The shards that the stream starts with, 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true)]
    #[arg(value_parser = whole_number(1..=DEMO_SHARDS_MAX))]
    pub shards: u32,
    /// The workers of the fleet, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    #[arg(value_parser = whole_number(1..=DEMO_WORKERS_MAX))]
    pub workers: u32,
    /// Split a shard on the way, and merge two later.
    #[arg(long)]
    pub reshard: bool,
    /// Kill a worker on the way, without goodbye, after it has processed a batch and before it commits.
    #[arg(long)]
    pub kill: bool,
    /// How many events to generate, 0 to 1,000,000.
    #[arg(long, value_name = "N", default_value_t = 6_000, allow_negative_numbers = true)]
    #[arg(value_parser = whole_number(0..=DEMO_RECORDS_MAX))]
    pub records: u64,
    /// How fast to feed, 1 to 100,000. Default: 1,000 for generated events; as fast as possible for `--input`, but 1,000
    /// until `--reshard` and `--kill` have happened.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = whole_number(1..=DEMO_RECORDS_PER_SECOND_MAX))]
    pub records_per_second: Option<u32>,
    /// Plain lines, also on a terminal, with each batch and each checkpoint.
    #[arg(long)]
    pub verbose: bool,
}
