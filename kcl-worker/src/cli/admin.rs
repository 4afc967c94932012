use clap::{Args, Subcommand};
use kcl_core::model::InitialPosition;

use super::setting_args::{StreamArgs, TargetArgs};
use super::whole_number::whole_number;
use super::{PinArgs, UnpinArgs};
use crate::config::forms::initial_position;

/// Within half a failover time of the default every healthy owner writes at least once; this is more than twice that.
const WATCH_DEFAULT_MS: u64 = 12_000;

/// A person waits for it.
const WATCHES_MS: std::ops::RangeInclusive<u64> = 1_000..=600_000;

/// What a worker that is asked for a lease may take to finish its batch, by default.
const HAND_OVER_DEFAULT_MS: u64 = 60_000;

/// What to do with leases.
#[derive(Debug, Subcommand)]
pub enum LeasesCommand {
    /// Show every row of the lease table.
    List(ListArgs),
    /// Say why a shard moves or does not: its parents, its owner, whether the owner is alive, and what waits in the stream.
    ///
    /// Watches the row for a while, and reads a few records behind its checkpoint. Writes nothing.
    Explain(ExplainArgs),
    /// Have the owner of a shard give it back, so that any worker takes it.
    ///
    /// The owner finishes its batch, commits and lets go: nothing is delivered twice. Without `--apply` it only shows
    /// what it would do.
    Release(ReleaseArgs),
    /// Pin a shard to a worker, which asks for it and keeps it as long as it is there.
    ///
    /// The owner hands it over: nothing is delivered twice. While that worker is not there, or cannot have it, the shard is
    /// everybody's. Without `--apply` it only shows what it would do.
    Pin(PinArgs),
    /// Remove the pin of a shard, which stays where it is until the fleet balances it.
    ///
    /// Without `--apply` it only shows what it would do.
    Unpin(UnpinArgs),
}

impl LeasesCommand {
    /// The leases that it is about.
    pub(crate) fn target(&self) -> &TargetArgs {
        match self {
            Self::List(args) => &args.target,
            Self::Explain(args) => &args.target,
            Self::Release(args) => &args.target,
            Self::Pin(args) => &args.target,
            Self::Unpin(args) => &args.target,
        }
    }
}

/// What to list, and how.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    /// A JSON object for each row, one on a line.
    #[arg(long)]
    pub json: bool,
}

/// What to explain, and how.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The shard, such as shardId-000000000007.
    pub shard: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    /// How long to watch the row: longer than half the fleet's failover time, for an owner writes as often. From 1,000
    /// to 600,000.
    #[arg(long, value_name = "MS", default_value_t = WATCH_DEFAULT_MS, value_parser = whole_number(WATCHES_MS))]
    pub watch_ms: u64,
    /// A JSON object instead of sentences.
    #[arg(long)]
    pub json: bool,
}

/// What to release, and how.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// The shard, such as shardId-000000000007.
    pub shard: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub act: ActArgs,
}

/// Whether to act, and how.
#[derive(Debug, Clone, Copy, Args)]
pub struct ActArgs {
    /// Do it. Without this, the plan is shown and nothing is written.
    #[arg(long)]
    pub apply: bool,
    /// How long an owner may take to finish its batch and let go. From 1,000 to 600,000.
    #[arg(long, value_name = "MS", default_value_t = HAND_OVER_DEFAULT_MS, value_parser = whole_number(WATCHES_MS))]
    pub hand_over_timeout_ms: u64,
    /// Take the lease from an owner that does not hand it over: a Java worker, or one that did not answer in time. It and
    /// the next owner may both process the shard until the first one notices.
    #[arg(long)]
    pub take: bool,
}

/// What to do with checkpoints.
#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Move the position of a shard, or of all, so that records are delivered again, or are not delivered.
    ///
    /// Each owner is asked for its lease first. Without `--apply` it only shows what it would do.
    Rewind(RewindArgs),
}

/// What to rewind, and how.
#[derive(Debug, Clone, Args)]
pub struct RewindArgs {
    /// The shard, such as shardId-000000000007.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub shard: Option<String>,
    /// All shards that the stream lists.
    #[arg(long)]
    pub all: bool,
    /// Where to: `trim-horizon`, `latest`, a time such as 2026-01-31T12:00:00Z, or a sequence number, which is the last
    /// record not to be delivered again; with `/` and a number, the last user record in it.
    #[arg(long, value_name = "POSITION")]
    pub to: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub act: ActArgs,
}

/// What to do with the lease table.
#[derive(Debug, Subcommand)]
pub enum TableCommand {
    /// Create the lease table if there is none, and check it.
    Create(TargetArgs),
    /// Check that the lease table is there, has the right shape, and that every row can be read.
    Check(TargetArgs),
    /// Print the IAM policy that a worker needs.
    Policy(PolicyArgs),
}

/// For whom the policy is.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    /// The account. Default: that of the stream, if it is given by its ARN; or any.
    #[arg(long)]
    pub account: Option<String>,
    /// For enhanced fan-out, too. Default: if the settings have it.
    #[arg(long)]
    pub fan_out: bool,
    /// Not for creating the table: it is there.
    #[arg(long)]
    pub existing_table: bool,
}

/// What to do with records.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Print the records of a stream as JSON lines, as they come, without leases and without a trace in any table.
    ///
    /// The lines are those of `run`. Each shard is polled once a second, which counts against the five reads a second that
    /// the service allows. Ctrl-C ends it.
    Tail(TailArgs),
    /// Put the lines of standard input as records, each after the one before it.
    Put(PutArgs),
}

/// What to print, and from where.
#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub stream: StreamArgs,
    /// Where to begin: `trim-horizon`, `latest`, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "POSITION", default_value = "latest", value_parser = initial_position)]
    pub from: InitialPosition,
}

/// What to put, and how.
#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub stream: StreamArgs,
    /// The partition key of all records. Default: the first word of each line.
    #[arg(long, value_name = "KEY")]
    pub partition_key: Option<String>,
    /// Put lines of one key that follow each other as one Kinesis record, in the format of the Kinesis Producer Library.
    #[arg(long)]
    pub aggregate: bool,
}
