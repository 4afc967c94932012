use std::env::{self, VarError};
use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::Failure;
use crate::config::LogFormat;
use crate::progress::make_way;

/// Sends the log to standard error, by this filter unless `RUST_LOG` is another. A process logs in one place: where a
/// program that calls this has set one up already, that stands.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<(), Failure> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(env_filter(filter)?)
        .with_ansi(stderr().is_terminal())
        .with_writer(|| {
            make_way();
            stderr()
        });
    let _stands = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

fn env_filter(default: &str) -> Result<EnvFilter, Failure> {
    let text = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) => text,
        Err(VarError::NotPresent) => default.to_owned(),
        Err(error) => return Err(Failure::usage(format!("RUST_LOG cannot be used: {error}"))),
    };
    EnvFilter::try_new(&text).map_err(|error| {
        Failure::usage(format!("RUST_LOG is '{text}': {error}; use for example info, or warn,kcl_core=debug"))
    })
}
