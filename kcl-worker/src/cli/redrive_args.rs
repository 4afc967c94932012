use std::path::PathBuf;

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, ArgMatches};

use crate::config::{Schema, Sources, arguments_of, file_arguments};

/// The settings of `run` that mean something to it: for the processor, what becomes of records on which it fails, and how
/// a destination is reached.
const SETTINGS: [&str; 31] = [
    "processor",
    "exec_command",
    "exec_timeout_ms",
    "exec_environment",
    "exec_exit_grace_ms",
    "exec_line_bytes_max",
    "exec_redelivery_bytes_max",
    "exec_swallowed_exceptions",
    "checkpointing",
    "checkpoint_interval_ms",
    "report_after_ms",
    "initialize_timeout_ms",
    "process_records_timeout_ms",
    "shard_ended_timeout_ms",
    "shutdown_requested_timeout_ms",
    "lease_lost_timeout_ms",
    "shutdown_grace_ms",
    "maximum_retry_attempts",
    "bisect_batch_on_error",
    "when_exhausted",
    "on_failure_destination",
    "on_failure_spill_directory",
    "retry_delay_initial_ms",
    "retry_delay_max_ms",
    "malformed_aggregates",
    "fetch_bytes_max",
    "region",
    "endpoint_url",
    "kinesis_endpoint_url",
    "credentials",
    "log_format",
];

const ABOUT: &str = "Put what the on-failure destinations have kept through the processor again";

const LONG_ABOUT: &str = "\
Put what the on-failure destinations have kept through the processor again.

FILE has a batch on each line, as files of `on_failure_destination` have, and messages of its queue or records of its stream; \
`-` is standard input. It is read and never written. Without `--apply` it only shows what there is.

The processor is that of `run`, with its settings from the same sources, but no stream, table or AWS is needed. Records have \
the shard, number, key and time that they had, in order within a shard, each once. A record that fails again is tried as often \
as the failure policy says, whatever its age. Then the command ends, with `when_exhausted` block and stop-worker; with skip and \
on-failure-destination the others go on. All that was not processed is written to the file of `--rejects`, which can be \
redriven in turn; with on-failure-destination, what has failed again goes there instead.

Ctrl-C ends it in the same way; a second one, or a crash, writes no rejects: then FILE has everything still, and what was \
processed is processed again. The file of rejects must not exist, and is for its owner alone.";

const STATUSES: &str = "\
Exit status:
  0    every record is processed and every shard ended, or there was none
  1    some are not: the last line says where they are; or a processor failed at the end of a shard
  2    the command line, a setting or a line of FILE is not acceptable; nothing was processed
  130  interrupted, and not every record is processed";

/// What to redrive, and how.
#[derive(Debug)]
pub struct RedriveArgs {
    /// Where the batches are; `-` for standard input.
    pub(crate) file: PathBuf,
    /// Do it.
    pub(crate) apply: bool,
    /// Where what was not processed is written.
    pub(crate) rejects: Option<PathBuf>,
    pub(crate) sources: Sources,
}

impl RedriveArgs {
    /// The command, with the settings of this schema.
    pub(crate) fn command(schema: &Schema) -> clap::Command {
        let file = Arg::new("file").value_name("FILE").required(true).value_parser(PathBufValueParser::new());
        let apply = Arg::new("apply").long("apply").action(ArgAction::SetTrue).requires("rejects");
        let rejects =
            Arg::new("rejects").long("rejects").value_name("FILE").value_parser(PathBufValueParser::new());
        clap::Command::new("redrive")
            .about(ABOUT)
            .long_about(LONG_ABOUT)
            .after_long_help(STATUSES)
            .arg(file.help("The batches, one on a line, or - for standard input"))
            .arg(apply.help("Do it. Without this, the plan is shown and nothing is processed"))
            .arg(rejects.help("Write what was not processed to this new file, in the same form"))
            .args(file_arguments())
            .args(arguments_of(schema, &SETTINGS))
    }

    pub(crate) fn new(mut matches: ArgMatches) -> Self {
        Self {
            file: matches.remove_one("file").unwrap_or_default(),
            apply: matches.get_flag("apply"),
            rejects: matches.remove_one("rejects"),
            sources: Sources::new(matches),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_settings_are_there() {
        let schema = Schema::worker();
        assert_eq!(SETTINGS.iter().filter(|name| schema.find(name).is_none()).count(), 0);
    }

    #[test]
    fn what_acts_has_a_place_for_what_it_rejects() {
        let command = RedriveArgs::command(&Schema::worker());
        let parse = |line: &str| command.clone().try_get_matches_from(line.split_whitespace());
        assert!(parse("redrive -").is_ok());
        assert!(parse("redrive f --apply --rejects r").is_ok());
        assert!(parse("redrive f --apply").unwrap_err().to_string().contains("--rejects"));
    }
}
