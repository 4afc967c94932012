//! The command line. Its settings are made from the [configuration](crate::config)'s schema, and checked there.

mod admin;
mod demo_args;
mod pin_args;
mod redrive_args;
mod setting_args;
mod whole_number;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Subcommand};

use crate::config::{Schema, Sources, arguments, file_arguments};

pub use admin::{
    ActArgs, CheckpointCommand, ExplainArgs, LeasesCommand, ListArgs, PolicyArgs, PutArgs, RecordsCommand,
    ReleaseArgs, RewindArgs, TableCommand, TailArgs,
};
pub use demo_args::{DEMO_RECORDS_MAX, DemoArgs};
pub use pin_args::{PinArgs, UnpinArgs};
pub use redrive_args::RedriveArgs;
pub use setting_args::{StreamArgs, TargetArgs};

const EXIT_STATUSES: &str = "\
Exit status:
  0    demo: every promise was kept; run: stopped as asked, everything processed is committed; config: good;
       records redrive: every record is processed
  1    it did not work, or a promise was broken
  2    the command line, a setting or the input is not acceptable
  130  interrupted: run by a second signal, everything else before it was done";

const DEMO_ABOUT: &str = "Run a fleet in this process, without AWS, and judge what it delivers";

const DEMO_LONG_ABOUT: &str = "\
Run a fleet in this process, without AWS, and judge what it delivers.

Starts workers on an in-memory stream and lease table, feeds them, and prints a verdict worked out from what their \
processors saw. The exit status is 0 only if every record was delivered, and in order within its partition key.";

const RUN_ABOUT: &str = "Consume a Kinesis stream";

const RUN_LONG_ABOUT: &str = "\
Consume a Kinesis stream.

Credentials and region come from where AWS programs look for them: the environment, the shared files, the container's or \
the instance's role; `AWS_ENDPOINT_URL` works. Run it several times with the same application, and the processes share \
the shards. Ctrl-C or SIGTERM stops it: it finishes what is in hand, commits, and gives its shards back. Logs go to \
standard error; `RUST_LOG` chooses them.

Each setting can be given as a flag, `--failover-time-ms`; as a variable of the environment, `KCL_FAILOVER_TIME_MS`; and \
in a TOML file, `failover_time_ms`. Flags beat the environment, which beats the file.";

const PRINT_HELP: &str = "\
By default each record is printed as one line of standard output, a JSON object of these fields:
  stream                       the stream's name
  shardId                      the shard's id
  sequenceNumber               the record's sequence number, as text
  subSequenceNumber            its place within an aggregated record; 0 elsewhere
  partitionKey                 the record's partition key
  approximateArrivalTimestamp  such as 2026-01-31T12:00:00.000Z
  data                         the content, if it is UTF-8; or else
  dataBase64                   the content in base64

";

const RUN_STATUSES: &str = "\
Exit status:
  0    stopped as asked, and everything processed is committed
  1    it did not work
  2    the command line or a setting is not acceptable
  130  ended by a second signal";

/// A program whose command line this is.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    about: &'static str,
    pub(crate) schema: Schema,
    is_worker: bool,
}

/// What the command line says.
#[derive(Debug)]
pub struct Cli {
    /// What to do.
    pub command: Command,
}

/// The commands.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Show a fleet.
    Demo(DemoArgs),
    /// Consume a stream.
    Run(RunArgs),
    /// Look at a configuration.
    Config(ConfigArgs),
    /// Look at the leases of an application, and move them.
    Leases(LeasesCommand),
    /// Move the positions of an application.
    Checkpoint(CheckpointCommand),
    /// The lease table of an application.
    Table(TableCommand),
    /// The records of a stream.
    Records(RecordsCommand),
    /// What was given up goes through the processor again.
    Redrive(RedriveArgs),
}

/// What to consume, and how.
#[derive(Debug)]
pub struct RunArgs {
    pub(crate) sources: Sources,
}

/// What to look at.
#[derive(Debug)]
pub struct ConfigArgs {
    pub(crate) command: ConfigCommand,
}

#[derive(Debug)]
pub(crate) enum ConfigCommand {
    /// Is this file good?
    Check(PathBuf),
    /// What would hold?
    Show { sources: Box<Sources>, is_json: bool },
    /// The reference of all settings.
    Docs,
}

impl Program {
    /// `kcl-worker` itself.
    pub(crate) fn worker() -> Self {
        Self {
            name: "kcl-worker".to_owned(),
            about: "Consume an Amazon Kinesis data stream with a fleet of workers that share its shards",
            schema: Schema::worker(),
            is_worker: true,
        }
    }

    /// A program with a processor of its own.
    pub(crate) fn own_processor(name: String) -> Self {
        Self { name, about: RUN_ABOUT, schema: Schema::own_processor(), is_worker: false }
    }

    /// The whole command line.
    pub(crate) fn command(&self) -> clap::Command {
        let command = clap::Command::new(self.name.clone())
            .about(self.about)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .max_term_width(110)
            .after_long_help(if self.is_worker { EXIT_STATUSES } else { RUN_STATUSES })
            .subcommand(self.run())
            .subcommand(self.config());
        if self.is_worker {
            let command = command.version(env!("CARGO_PKG_VERSION"));
            command.subcommand(demo()).subcommands(admin_commands()).subcommand(self.records())
        } else {
            command.subcommand(self.records())
        }
    }

    /// Reads the words of a command line, the program's name first.
    pub(crate) fn parse(
        &self,
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Cli, clap::Error> {
        let mut matches = self.command().try_get_matches_from(words)?;
        let (name, matches) = matches.remove_subcommand().unwrap_or_default();
        let command = match name.as_str() {
            "demo" => Command::Demo(DemoArgs::from_arg_matches(&matches)?),
            "config" => Command::Config(ConfigArgs { command: config(matches) }),
            "leases" => Command::Leases(LeasesCommand::from_arg_matches(&matches)?),
            "checkpoint" => Command::Checkpoint(CheckpointCommand::from_arg_matches(&matches)?),
            "table" => Command::Table(TableCommand::from_arg_matches(&matches)?),
            "records" => records(matches)?,
            _ => Command::Run(RunArgs { sources: Sources::new(matches) }),
        };
        Ok(Cli { command })
    }

    fn run(&self) -> clap::Command {
        let print = if self.is_worker { PRINT_HELP } else { "" };
        clap::Command::new("run")
            .about(RUN_ABOUT)
            .long_about(RUN_LONG_ABOUT)
            .after_long_help(format!("{print}{RUN_STATUSES}"))
            .args(file_arguments())
            .args(arguments(&self.schema))
    }

    /// Whoever brings a processor can redrive into it; the rest is about streams.
    fn records(&self) -> clap::Command {
        let records = clap::Command::new("records");
        let (records, about) = if self.is_worker {
            let about = "Look at what is in a stream, put something into it, or redrive what was given up";
            (RecordsCommand::augment_subcommands(records), about)
        } else {
            (records, "Redrive what was given up")
        };
        group(records, about).subcommand(RedriveArgs::command(&self.schema))
    }

    fn config(&self) -> clap::Command {
        let file = Arg::new("file").value_name("FILE").required(true).value_parser(PathBufValueParser::new());
        let check = clap::Command::new("check")
            .about("Check a file of settings, TOML or `.properties`, and report all that is wrong with it")
            .arg(file);
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON, for a machine");
        let show = clap::Command::new("show")
            .about("Show the settings that `run` would have with the same file, environment and flags, and whence they come")
            .arg(json)
            .args(file_arguments())
            .args(arguments(&self.schema));
        let docs = clap::Command::new("docs").about("Print the reference of all settings, in Markdown");
        clap::Command::new("config")
            .about("Check and show settings")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands([check, show, docs])
    }
}

fn demo() -> clap::Command {
    DemoArgs::augment_args(clap::Command::new("demo")).about(DEMO_ABOUT).long_about(DEMO_LONG_ABOUT)
}

fn admin_commands() -> [clap::Command; 3] {
    let [leases, checkpoint, table] = ["leases", "checkpoint", "table"].map(clap::Command::new);
    [
        group(
            LeasesCommand::augment_subcommands(leases),
            "Look at the leases of an application, and move them",
        ),
        group(CheckpointCommand::augment_subcommands(checkpoint), "Move the positions of an application"),
        group(TableCommand::augment_subcommands(table), "The lease table of an application"),
    ]
}

fn group(command: clap::Command, about: &'static str) -> clap::Command {
    command.about(about).subcommand_required(true).arg_required_else_help(true)
}

fn records(mut matches: ArgMatches) -> Result<Command, clap::Error> {
    if matches.subcommand_name() == Some("redrive")
        && let Some((_, redrive)) = matches.remove_subcommand()
    {
        return Ok(Command::Redrive(RedriveArgs::new(redrive)));
    }
    RecordsCommand::from_arg_matches(&matches).map(Command::Records)
}

fn config(mut matches: ArgMatches) -> ConfigCommand {
    match matches.remove_subcommand() {
        Some((name, mut matches)) if name == "check" => {
            ConfigCommand::Check(matches.remove_one("file").unwrap_or_default())
        }
        Some((name, matches)) if name == "show" => {
            let is_json = matches.get_flag("json");
            ConfigCommand::Show { sources: Box::new(Sources::new(matches)), is_json }
        }
        _ => ConfigCommand::Docs,
    }
}

impl Cli {
    /// The whole command line of `kcl-worker`.
    pub fn command() -> clap::Command {
        Program::worker().command()
    }

    /// Reads a command line of `kcl-worker`, the program's name first.
    ///
    /// # Errors
    /// What clap says of it, which may be the help that was asked for.
    pub fn try_parse_from(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        Program::worker().parse(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        let words = std::iter::once("kcl-worker").chain(line.split_whitespace());
        Cli::try_parse_from(words).unwrap_err().to_string()
    }

    #[test]
    fn the_definitions_are_sound() {
        Program::worker().command().debug_assert();
        Program::own_processor("orders".to_owned()).command().debug_assert();
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
            ("demo --shards -1", "1 to 256"),
            ("demo --records-per-second -1", "1 to 100000"),
            ("run --failover-time 5", "--failover-time-ms"),
            ("run --region", "--region"),
            ("config check", "FILE"),
            ("confg", "config"),
        ] {
            let error = error(line);
            assert!(error.contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn a_program_with_a_processor_of_its_own_has_no_choice_of_one() {
        let own = Program::own_processor("orders".to_owned());
        for line in ["orders demo", "orders run --processor print", "orders run --exec-command x"] {
            assert!(own.parse(line.split_whitespace()).is_err(), "{line}");
        }
        assert!(own.parse(["orders", "run", "--stream", "s"]).is_ok());
    }
}
