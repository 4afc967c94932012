use std::env::{self, VarError};
use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{ParseError, Targets};
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
    parse(&text).map_err(|problem| {
        Failure::usage(format!(
            "{VARIABLE} is '{text}': {problem}; use for example info, or warn,kcl_core=debug"
        ))
    })
}

/// `Targets` takes a space for a part of a name, nothing for a level, and a span for a name.
fn parse(text: &str) -> Result<Targets, String> {
    let pieces: Vec<&str> = text.split(',').map(str::trim).filter(|piece| !piece.is_empty()).collect();
    if pieces.is_empty() {
        return Err("it names no level".to_owned());
    }
    match pieces.iter().find(|piece| piece.contains(['[', '{']) || piece.ends_with('=')) {
        Some(piece) => Err(format!("'{piece}' is no level, and no part of the program with its level")),
        None => pieces.join(",").parse().map_err(|error: ParseError| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_is_usual_is_understood_and_what_is_not_is_refused() {
        for text in ["warn,kcl_core=debug", " warn , kcl_core=debug,", ",kcl_core=DEBUG,warn,,"] {
            let targets = parse(text).unwrap();
            let enabled = |target, level| targets.would_enable(target, &level);
            assert!(
                enabled("kcl_core::worker", Level::DEBUG) && !enabled("kcl_core", Level::TRACE),
                "{text}"
            );
            assert!(enabled("hyper", Level::WARN) && !enabled("hyper", Level::INFO), "{text}");
        }
        for text in [" , ", "kcl_core[batch]=debug", "[{shard}]=debug", "kcl_core=", "kcl_core=loud"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
