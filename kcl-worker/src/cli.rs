//! The command line. What clap can check, it checks; the rest is checked where it is used.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use kcl_core::model::{InitialPosition, Timestamp};

/// Every record of the demo is kept in memory until its verdict, at some 700 bytes and its content each.
pub const DEMO_RECORDS_MAX: u64 = 1_000_000;

/// More than a person can watch; each is polled five times a second.
const DEMO_SHARDS_MAX: i64 = 256;

/// More than a person can watch.
const DEMO_WORKERS_MAX: i64 = 64;

/// Above it the demo's producer, one task, cannot keep the pace.
const DEMO_RECORDS_PER_SECOND_MAX: i64 = 100_000;

/// Consume an Amazon Kinesis data stream with a fleet of workers that share its shards.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
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
    /// The shards that the stream starts with.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=DEMO_SHARDS_MAX))]
    pub shards: u32,
    /// The workers of the fleet.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=DEMO_WORKERS_MAX))]
    pub workers: u32,
    /// Split a shard on the way, and merge two later.
    #[arg(long)]
    pub reshard: bool,
    /// Kill a worker on the way, without goodbye, after it has processed a batch and before it commits.
    #[arg(long)]
    pub kill: bool,
    /// How many events to generate.
    #[arg(long, default_value_t = 6_000, value_parser = value_parser!(u64).range(..=DEMO_RECORDS_MAX))]
    pub records: u64,
    /// How fast to feed. Default: 1,000 for generated events; as fast as possible for `--input`, but 1,000 until
    /// `--reshard` and `--kill` have happened.
    #[arg(long, value_parser = value_parser!(u32).range(1..=DEMO_RECORDS_PER_SECOND_MAX))]
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
    /// The application. Workers of one application share the shards; each application reads the whole stream.
    #[arg(long)]
    pub application: String,
    /// The DynamoDB table of the leases, created if there is none. Default: the application's name.
    #[arg(long)]
    pub table: Option<String>,
    /// Send requests to this URL instead of AWS's own, for example to LocalStack.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The AWS region. Default: from the environment or the profile.
    #[arg(long)]
    pub region: Option<String>,
    /// Where to start in shards that this application has not read: `trim-horizon` (the oldest record kept), `latest`,
    /// or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "POSITION", default_value = "trim-horizon", value_parser = initial_position)]
    pub initial_position: InitialPosition,
    /// This process's name in the lease table, which no other may have. Default: the host's name and a random part.
    #[arg(long)]
    pub worker_id: Option<String>,
    /// How long a lease lives without renewal: what a crash costs. The same for all workers. Default 10,000.
    #[arg(long, value_name = "MS")]
    pub failover_time_ms: Option<u64>,
    /// The time between two looks at the lease table. Default 1,000.
    #[arg(long, value_name = "MS")]
    pub lease_scan_interval_ms: Option<u64>,
    /// The time between two looks at the stream's shards. Default 60,000.
    #[arg(long, value_name = "MS")]
    pub shard_sync_interval_ms: Option<u64>,
    /// The time between two reads of a shard that has nothing new; at least 200. Default 1,000.
    #[arg(long, value_name = "MS")]
    pub idle_time_between_reads_ms: Option<u64>,
    /// The most leases that this worker holds. Default: no limit.
    #[arg(long, value_name = "N")]
    pub max_leases: Option<usize>,
    /// How long a shutdown waits for the batches in hand. Default 30,000.
    #[arg(long, value_name = "MS")]
    pub shutdown_grace_ms: Option<u64>,
    /// The form of the log on standard error.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
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

fn initial_position(text: &str) -> Result<InitialPosition, String> {
    match text {
        "trim-horizon" => Ok(InitialPosition::TrimHorizon),
        "latest" => Ok(InitialPosition::Latest),
        time => match time.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(InitialPosition::AtTimestamp(Timestamp::from_millis(time.as_millisecond()))),
            Err(_) => Err(
                "use trim-horizon, latest, or a time with its offset from UTC, such as 2026-01-31T12:00:00Z"
                    .to_owned(),
            ),
        },
    }
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
    fn an_initial_position_is_a_word_or_a_time() {
        let millis = |millis| Ok(InitialPosition::AtTimestamp(Timestamp::from_millis(millis)));
        assert_eq!(initial_position("trim-horizon"), Ok(InitialPosition::TrimHorizon));
        assert_eq!(initial_position("latest"), Ok(InitialPosition::Latest));
        assert_eq!(initial_position("1970-01-01T00:00:01.5Z"), millis(1_500));
        assert_eq!(initial_position("1970-01-01T01:00:00+01:00"), millis(0));
        for text in ["", "LATER", "1700000000", "2026-01-31", "2026-01-31T12:00:00"] {
            assert!(initial_position(text).is_err(), "{text}");
        }
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
            ("run --stream s --application a --initial-position soon", "trim-horizon, latest"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
