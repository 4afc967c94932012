//! The command line. What can be checked without looking further is checked here; the rest is checked where it is used.

mod values;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use kcl_core::model::InitialPosition;
use kcl_core::stream::FanOutConsumer;

use crate::operations::http_address;
pub(crate) use values::endpoint_url;
use values::{fan_out_consumer, initial_position, region, table_name, whole_number, worker_id};

/// Every record of the demo is kept in memory until its verdict, at some 700 bytes and its content each.
pub const DEMO_RECORDS_MAX: u64 = 1_000_000;

/// More than a person can watch; each is polled five times a second.
const DEMO_SHARDS_MAX: u32 = 256;

/// More than a person can watch.
const DEMO_WORKERS_MAX: u32 = 64;

/// Above it the demo's producer, one task, cannot keep the pace.
const DEMO_RECORDS_PER_SECOND_MAX: u32 = 100_000;

/// The longest that the library takes for any time.
const MILLIS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// The library's least: below it a healthy worker's renewals cannot keep up with ordinary latencies of the table.
const FAILOVER_TIMES_MS: RangeInclusive<u64> = 1_000..=MILLIS_MAX;

/// Each interval costs a request or more; a hundred times a second is more than any use.
const INTERVALS_MS: RangeInclusive<u64> = 10..=MILLIS_MAX;

/// The service allows five reads a second on a shard.
const IDLE_TIMES_MS: RangeInclusive<u64> = 200..=MILLIS_MAX;

/// A shard that has just moved may need five seconds.
const FALL_BACKS_MS: RangeInclusive<u64> = 6_000..=MILLIS_MAX;

/// With less, a single shard could not hold a few of the largest records.
const FETCH_BYTES: RangeInclusive<usize> = 4 * 1024 * 1024..=usize::MAX;

/// Zero waits for nothing.
const GRACES_MS: RangeInclusive<u64> = 0..=MILLIS_MAX;

const EXIT_STATUSES: &str = "\
Exit status:
  0    demo: every promise was kept; run: stopped as asked, everything printed is committed
  1    it did not work, or a promise was broken
  2    the command line, a setting or the input is not acceptable
  130  interrupted: demo before it was done, run by a second signal";

const RUN_LONG_HELP: &str = "\
A record is one line of standard output, a JSON object of these fields:
  stream                       the stream's name
  shardId                      the shard's id
  sequenceNumber               the record's sequence number, as text
  subSequenceNumber            its place within an aggregated record; 0 elsewhere
  partitionKey                 the record's partition key
  approximateArrivalTimestamp  such as 2026-01-31T12:00:00.000Z
  data                         the content, if it is UTF-8; or else
  dataBase64                   the content in base64

Exit status:
  0    stopped as asked, and everything printed is committed
  1    it did not work
  2    the command line or a setting is not acceptable
  130  ended by a second signal";

/// Consume an Amazon Kinesis data stream with a fleet of workers that share its shards.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_long_help = EXIT_STATUSES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a fleet in this process, without AWS, and judge what it delivers.
    ///
    /// Starts workers on an in-memory stream and lease table, feeds them, and prints a verdict worked out from what
    /// their processors saw. The exit status is 0 only if every record was delivered, and in order within its
    /// partition key.
    Demo(DemoArgs),
    /// Consume a Kinesis stream, and print each record as a JSON line on standard output.
    ///
    /// Credentials and region come from where AWS programs look for them: the environment, the shared files, the
    /// container's or the instance's role; `AWS_ENDPOINT_URL` works. Run it several times with the same application,
    /// and the processes share the shards. Ctrl-C or SIGTERM stops it: it finishes what is in hand, commits, and
    /// gives its shards back. Logs go to standard error; `RUST_LOG` chooses them.
    #[command(after_long_help = RUN_LONG_HELP)]
    Run(Box<RunArgs>),
}

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

/// What to consume, and how.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The stream's name.
    #[arg(long)]
    pub stream: String,
    /// The application: 3 to 255 letters, digits, `_`, `.` or `-`. Workers of one application share the shards; each
    /// application reads the whole stream. One application serves one stream: its lease table, which is created on
    /// first use, holds the leases of that stream and of no other.
    #[arg(long, value_parser = table_name)]
    pub application: String,
    /// The DynamoDB table of the leases, created if there is none. Default: the application's name.
    #[arg(long, value_parser = table_name)]
    pub table: Option<String>,
    /// Send requests to this URL, http or https, instead of AWS's own, for example to LocalStack.
    #[arg(long, value_name = "URL", value_parser = endpoint_url)]
    pub endpoint_url: Option<String>,
    /// The AWS region, such as eu-west-1. Default: from the environment or the profile.
    #[arg(long, value_parser = region)]
    pub region: Option<String>,
    /// Where to start in shards that this application has not read: `trim-horizon` (the oldest record kept), `latest`,
    /// or a time that has been, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "POSITION", default_value = "trim-horizon", value_parser = initial_position)]
    pub initial_position: InitialPosition,
    /// This process's name in the lease table, which no other may have: 1 to 256 printable characters. Default: the
    /// host's name (of the variable `HOSTNAME`, or else of `/etc/hostname`, or else `worker`) and a random part.
    #[arg(long, value_parser = worker_id)]
    pub worker_id: Option<String>,
    /// How long a lease lives without renewal: what a crash costs. The same for all workers. From 1,000 to
    /// 86,400,000; default 10,000.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(FAILOVER_TIMES_MS))]
    pub failover_time_ms: Option<u64>,
    /// The shortest time between two looks at the lease table. From 10 to 86,400,000; default 500.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(INTERVALS_MS))]
    pub lease_scan_interval_ms: Option<u64>,
    /// What looks at the lease table may cost, in DynamoDB read units a second: a large table is looked at less often, but
    /// at least once in a failover time. At least 1; default 5.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole_number(1..=u32::MAX))]
    pub lease_read_units_per_second: Option<u32>,
    /// How long another worker may take to hand over a lease that it was asked for; then the lease is taken from it. From 0
    /// to 86,400,000; default 30,000.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(GRACES_MS))]
    pub hand_over_timeout_ms: Option<u64>,
    /// The time between two looks at the stream's shards. From 10 to 86,400,000; default 60,000.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(INTERVALS_MS))]
    pub shard_sync_interval_ms: Option<u64>,
    /// The time between two reads of a shard that has nothing new. From 200 to 86,400,000; default 1,000.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(IDLE_TIMES_MS))]
    pub idle_time_between_reads_ms: Option<u64>,
    /// How many applications poll the stream, this one included: they share what the service allows for a shard. From 1 to
    /// 50; default 1.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole_number(1..=50_u32))]
    pub polling_applications: Option<u32>,
    /// Read by enhanced fan-out instead of polling, as the registered consumer of this name, which is registered if there is
    /// none, or of this ARN, which must be. All workers of an application use the same, and no other application does.
    #[arg(long, value_name = "NAME-OR-ARN", value_parser = fan_out_consumer)]
    pub fan_out: Option<FanOutConsumer>,
    /// With `--fan-out`: poll a shard that could not be subscribed to for this long, until it can. From 6,000 to 86,400,000;
    /// default: it waits.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(FALL_BACKS_MS))]
    #[arg(requires = "fan_out")]
    pub fall_back_to_polling_after_ms: Option<u64>,
    /// What becomes of user records whose hash key is outside the range of the shard that their aggregate was read from.
    #[arg(long, value_enum, default_value_t)]
    pub outside_range: OutsideRangeArg,
    /// Commit what is printed at most this often, instead of after each batch: fewer writes to the lease table, and a crash
    /// prints again what was printed in so long. Above half the failover time it saves next to nothing. From 10 to
    /// 86,400,000.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(INTERVALS_MS))]
    pub checkpoint_interval_ms: Option<u64>,
    /// How many bytes of records this worker may hold that have been read and not processed. At least 4,194,304; default
    /// 268,435,456.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole_number(FETCH_BYTES))]
    pub fetch_bytes_max: Option<usize>,
    /// The most leases that this worker holds; at least 1. Default: no limit.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole_number(1..=usize::MAX))]
    pub max_leases: Option<usize>,
    /// How long a shutdown waits for the batches in hand. From 0 to 86,400,000; default 30,000.
    #[arg(long, value_name = "MS", allow_negative_numbers = true, value_parser = whole_number(GRACES_MS))]
    pub shutdown_grace_ms: Option<u64>,
    /// Serve `/livez`, `/readyz`, `/status` and `/metrics` over HTTP here: a port (of 127.0.0.1), or an address such as
    /// 0.0.0.0:8080. Default: nothing is served.
    #[arg(long, value_name = "ADDRESS", value_parser = http_address)]
    pub http_address: Option<SocketAddr>,
    /// Whether metrics tell shards apart; `false` for a worker of thousands of shards.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub metrics_shard_labels: bool,
    /// The form of the log on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// What becomes of user records outside of their shard's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutsideRangeArg {
    /// They are delivered: no other shard has them.
    #[default]
    Deliver,
    /// They are left out and counted.
    Filter,
    /// The first has its whole aggregate left out, as in the Java KCL, and counted.
    FilterWhole,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Lines for a person.
    #[default]
    Text,
    /// A JSON object per line, for a machine.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let words = std::iter::once("kcl-worker").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_acceptable_is_named() {
        for (line, named) in [
            ("demo --shards 0", "'0'"),
            ("demo --shards 257", "257"),
            ("demo --workers x", "'x'"),
            ("demo --records 1000001", "1000001"),
            ("demo --input f --records 5", "--records"),
            ("demo --nonsense", "--nonsense"),
            ("run --stream s", "--application"),
            ("demo --shards -1", "1 to 256"),
            ("demo --records-per-second -1", "1 to 100000"),
            ("run --stream s --application app --initial-position soon", "trim-horizon, latest"),
            ("run --stream s --application app --shutdown-grace-ms 86400001", "0 to 86400000"),
            ("run --stream s --application app --max-leases -1", "--max-leases"),
            ("run --stream s --application app --fan-out a/b", "'a/b'"),
            ("run --stream s --application app --fan-out arn:aws:sqs:x", "ARN of a consumer"),
            ("run --stream s --application app --fall-back-to-polling-after-ms 7000", "--fan-out"),
            ("run --stream s --application app --fetch-bytes-max 1000", "4194304"),
            ("run --stream s --application app --checkpoint-interval-ms 0", "10 to 86400000"),
            ("run --stream s --application app --polling-applications 51", "1 to 50"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
