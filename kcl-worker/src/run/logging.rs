use std::env::{self, VarError};
use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::Failure;
use crate::config::LogFormat;

/// What is logged unless `RUST_LOG` says otherwise: what the workers do, and what the SDK warns of. Not the places where
/// it found no credentials: if there are none, the error says so, without a dump of each attempt.
const DEFAULT_FILTER: &str = "warn,aws_config=error,kcl_core=info,kcl_worker=info";

/// Sends the log to standard error. A process logs in one place: where a program that calls this has set one up
/// already, that stands.
pub(super) fn start(format: LogFormat) -> Result<(), Failure> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter()?)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    let _stands = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

fn filter() -> Result<EnvFilter, Failure> {
    let text = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) => text,
        Err(VarError::NotPresent) => DEFAULT_FILTER.to_owned(),
        Err(error) => return Err(Failure::usage(format!("RUST_LOG cannot be used: {error}"))),
    };
    EnvFilter::try_new(&text).map_err(|error| {
        Failure::usage(format!("RUST_LOG is '{text}': {error}; use for example info, or warn,kcl_core=debug"))
    })
}
