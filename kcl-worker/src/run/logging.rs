use std::env::{self, VarError};
use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::Failure;
use crate::config::LogFormat;
use crate::progress::make_way;

/// The variable that chooses what is logged, as in most programs in Rust.
const VARIABLE: &str = "RUST_LOG";

/// Sends the log to standard error, by this filter unless `RUST_LOG` is another. A process logs in one place: where a
/// program that calls this has set one up already, that stands.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<(), Failure> {
    let layer = fmt::layer().with_ansi(stderr().is_terminal()).with_writer(|| {
        make_way();
        stderr()
    });
    let layer = match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let _stands = registry().with(layer).with(targets(filter)?).try_init();
    Ok(())
}

/// Levels for parts of the program. The filters of spans and fields that `EnvFilter` has would bring a regex engine.
fn targets(default: &str) -> Result<Targets, Failure> {
    let text = match env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => text,
        Ok(_) | Err(VarError::NotPresent) => default.to_owned(),
        Err(error) => return Err(Failure::usage(format!("{VARIABLE} cannot be used: {error}"))),
    };
    text.parse().map_err(|error| {
        Failure::usage(format!(
            "{VARIABLE} is '{text}': {error}; use for example info, or warn,kcl_core=debug"
        ))
    })
}
