//! `records redrive`: what on-failure destinations have kept goes through a processor again.
//!
//! The letters are read as a stream whose shards are closed ([`LettersStream`]), by an ordinary worker with leases in
//! memory: order within a shard, parents before children, retries, lanes, deadlines and children of a MultiLang processor
//! are those of `run`. Nothing is skipped: each record is processed, or sent to the destination, or written to the file of
//! rejects. The file that is read is never written.

mod fencing;
mod letters;
mod letters_stream;
mod outcome;
mod plan;
mod reading;
mod rejects;
mod session;
mod watch;

use std::convert::Infallible;
use std::future::pending;
use std::io::{Write, stderr};
use std::sync::Arc;

use kcl_core::model::{StreamId, Timestamp};
use kcl_core::processor::WhenExhausted;
use tokio::select;
use tokio_util::sync::CancellationToken;

use self::letters::Letters;
use self::rejects::{Rejects, ToRejects};
use self::session::{Session, settings_of};
use crate::admin::print;
use crate::cli::RedriveArgs;
use crate::config::{Config, Schema};
use crate::progress::make_way;
use crate::run::{Chosen, Destination, Processors, start_log};
use crate::{Failure, signals};

/// What is logged unless `RUST_LOG` says otherwise: of leases that are in memory nobody needs to know.
const LOG_FILTER: &str = "warn,aws_config=error";

/// Does what the command line says, and returns the exit status.
pub(crate) async fn redrive(
    args: &RedriveArgs,
    schema: &Schema,
    processors: Processors,
    stop: CancellationToken,
) -> Result<u8, Failure> {
    let resolved = args.sources.resolve(schema)?;
    let config = resolved.config_with(&[])?;
    let Some(letters) = reading::read(&args.file, &stop).await? else {
        return Ok(signals::STATUS_INTERRUPTED);
    };
    if resolved.given.contains_key("stream") {
        is_of(&letters, &config.stream)?;
    }
    let plan = plan::describe(&letters);
    let Some(rejects) = args.rejects.as_ref().filter(|_| args.apply) else {
        print(&format!("{plan}nothing is processed without --apply\n"))?;
        return Ok(0);
    };
    if letters.is_empty() {
        tell(&plan);
        return Ok(0);
    }
    start_log(config.log_format, LOG_FILTER)?;
    let settings = settings_of(config, &letters).map_err(Failure::usage)?;
    let running = stop.child_token();
    let chosen = Chosen::new(config, processors, &running)?;
    let rejects = Arc::new(Rejects::create(rejects)?);
    let destination = destination(config, &rejects).await?;
    tell(&plan);
    let session = Session { letters: Arc::new(letters), settings, destination, clock: wall_clock };
    let outcome = select! {
        biased;
        outcome = Box::pin(session.run(chosen.factory, running)) => outcome,
        never = tell_of_stop(&stop) => match never {},
    };
    outcome.reject(&rejects)?;
    let printed = chosen.output.and_then(|output| output.failure()).map(|failure| failure.to_string());
    if let Some(trouble) = printed.as_ref().or(outcome.trouble.as_ref()) {
        tell(&format!("error: {trouble}\n"));
    }
    tell(&outcome.verdict(&rejects));
    Ok(match (outcome.is_complete(), stop.is_cancelled()) {
        (true, _) => 0,
        (false, true) => signals::STATUS_INTERRUPTED,
        (false, false) => 1,
    })
}

/// Fails if the letters are of another stream than that of the settings: a processor is of one.
fn is_of(letters: &Letters, stream: &StreamId) -> Result<(), Failure> {
    match &letters.stream {
        Some(found) if found.name() != stream.name() => Err(Failure::usage(format!(
            "the letters are of stream '{found}', and the settings are for '{stream}'; nothing is processed"
        ))),
        _ => Ok(()),
    }
}

/// Where a record goes that has failed again, if the others are to go on.
async fn destination(config: &Config, rejects: &Arc<Rejects>) -> Result<Option<Destination>, Failure> {
    Ok(match config.when_exhausted() {
        WhenExhausted::Block | WhenExhausted::StopWorker => None,
        WhenExhausted::Skip => Some(Destination::new(ToRejects(Arc::clone(rejects)))),
        WhenExhausted::SendToDestination => Destination::load(config).await?,
    })
}

/// Whoever has pressed Ctrl-C should know what happens until it is done.
async fn tell_of_stop(stop: &CancellationToken) -> Infallible {
    stop.cancelled().await;
    tell(
        "stopping: what is in hand is finished, the rest is rejected; a second signal exits at once, without rejects\n",
    );
    pending().await
}

/// On standard error, since records may go to standard output. It may be full or closed; the status still tells.
fn tell(text: &str) {
    make_way();
    let _nobody_reads = stderr().write_all(text.as_bytes());
}

/// The edge of the program: it says when a record was given up, and decides nothing.
fn wall_clock() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests;
