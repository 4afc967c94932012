//! `kcl-worker demo`: a whole fleet in one process, on the in-memory backend, fed, resharded, killed and judged.
//!
//! The producer and the processors tell an oracle what they put and what they saw; the verdict knows nothing else.
//! What is shown comes from the workers' events. Nothing here reaches into the framework to help it along: the demo
//! uses it as a user does. Time is the runtime's, so tests play it with a paused clock.

mod board;
mod event_text;
mod feed;
mod fleet;
mod generator;
mod input;
mod pace;
mod processor;
mod report;
mod script;
mod shard_name;
mod stage;
mod table;
mod terminal;
mod view;
mod watchdog;

use tokio::select;
use tokio::time::sleep;

use crate::Failure;
use crate::cli::DemoArgs;
use feed::feed;
use fleet::Fleet;
use generator::Generator;
use input::Lines;
use pace::Pace;
use report::{Ending, Report};
use script::Script;
use stage::{LOOK_INTERVAL, Stage};
pub use terminal::TerminalSize;
pub use view::View;

/// Plays the demo until its input is consumed, or `interrupted` is ready, and prints the verdict. Returns the exit
/// status.
///
/// # Errors
/// If the arguments or the input are not acceptable, or the view could not be written. Nothing was shown if it was
/// found out before the start.
pub async fn run(
    args: &DemoArgs,
    mut view: View,
    interrupted: impl Future<Output = ()>,
) -> Result<u8, Failure> {
    let script = Script::new(args)?;
    let lines = match &args.input {
        Some(path) => input::open(path)?,
        None => Lines::Generated(Generator::new(args.records)),
    };
    let stage = Stage::set(args.shards, view.is_verbose())?;
    let (fleet, mut workers) = Fleet::start(&stage, args.workers)?;
    let ending = select! {
        biased;
        () = interrupted => Ending::Interrupted,
        failure = workers.failure() => Ending::Failed(failure),
        () = watchdog::watch(&stage) => Ending::Stalled,
        outcome = play(&stage, &script, &fleet, lines, Pace::new(args, &script)) => match outcome {
            Ok(()) => Ending::Consumed,
            Err(failure) => Ending::Failed(failure),
        },
        never = view.show(&stage) => match never {},
    };
    fleet.stop();
    workers.stopped().await;
    let report = Report::new(&stage, ending);
    view.finish(&stage, &report);
    match (report.into_status(), view.failure()) {
        (Ok(0 | 1), Some(failure)) => Err(failure),
        (status, _) => status,
    }
}

/// Feeds the stream while the script is played, then waits until all of it is consumed. Begins when the shards are
/// shared: a shard that changes hands over records brings duplicates, which nobody asked for.
async fn play(
    stage: &Stage,
    script: &Script,
    fleet: &Fleet,
    lines: Lines,
    pace: Pace,
) -> Result<(), Failure> {
    fleet.shared(stage).await?;
    tokio::try_join!(feed(stage, script, lines, pace), script.play(stage, fleet))?;
    stage.board.note("the input is at its end");
    while !stage.is_consumed()? {
        sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}
