use clap::{ArgMatches, Args, FromArgMatches};

use crate::Failure;
use crate::config::{Config, Schema, Sources, arguments_of, file_arguments};

/// The settings that say which stream, and how it is reached.
const STREAM_SETTINGS: [&str; 5] =
    ["stream", "region", "endpoint_url", "kinesis_endpoint_url", "credentials"];

/// Those that say which lease table, and how it is reached.
const TABLE_SETTINGS: [&str; 4] = ["application", "table", "dynamodb_endpoint_url", "dynamodb_credentials"];

/// Which stream. The settings of a worker, from the same sources; flags are there for those that matter.
#[derive(Debug, Clone, Default)]
pub struct StreamArgs {
    sources: Sources,
}

/// Which stream, and which lease table. The settings of a worker, from the same sources; flags are there for those that
/// matter.
#[derive(Debug, Clone, Default)]
pub struct TargetArgs {
    sources: Sources,
}

impl StreamArgs {
    /// What all sources together say.
    ///
    /// # Errors
    /// If anything is wrong, or the stream is not given.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        self.sources.resolve(&Schema::worker())?.config_with(&["stream"]).cloned()
    }
}

impl TargetArgs {
    /// What all sources together say.
    ///
    /// # Errors
    /// If anything is wrong, or the stream is not given, or neither the table nor the application that it is called by.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let resolved = self.sources.resolve(&Schema::worker())?;
        let needed: &[&str] =
            if resolved.given.contains_key("table") { &["stream"] } else { &["stream", "application"] };
        resolved.config_with(needed).cloned()
    }
}

impl Args for StreamArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        with_settings(command, &STREAM_SETTINGS)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl Args for TargetArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        with_settings(command, &[&STREAM_SETTINGS[..], &TABLE_SETTINGS].concat())
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for StreamArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { sources: Sources::new(matches.clone()) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl FromArgMatches for TargetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { sources: Sources::new(matches.clone()) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn with_settings(command: clap::Command, names: &[&str]) -> clap::Command {
    command.args(file_arguments()).args(arguments_of(&Schema::worker(), names))
}
