use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::input::{Line, Lines};
use super::pace::Pace;
use super::script::Script;
use super::stage::{LOOK_INTERVAL, Stage};
use crate::Failure;

/// Records that may wait to be processed. A producer that is faster than the fleet waits, as one would that Kinesis
/// throttles.
const OUTSTANDING_RECORDS_MAX: usize = 20_000;

/// How far behind its pace the producer may catch up in one go: the timer's granularity, not the time that an input
/// was silent.
const CATCH_UP_MAX: Duration = Duration::from_millis(10);

/// Puts every line into the stream, at its pace. The last one waits for the end of the script, so that all of it
/// happens in the middle of the records.
pub(super) async fn feed(
    stage: &Stage,
    script: &Script,
    mut lines: Lines,
    pace: Pace,
) -> Result<(), Failure> {
    let started_at = Instant::now();
    let mut next_put_at = started_at;
    while let Some(line) = next_line(stage, &mut lines).await? {
        let left = lines.left().map(|left| left + 1);
        if left == Some(1) {
            script.finished().await;
        }
        sleep_until(next_put_at).await;
        while stage.oracle.outstanding() >= OUTSTANDING_RECORDS_MAX {
            sleep(LOOK_INTERVAL).await;
        }
        stage.put(line)?;
        let now = Instant::now();
        let gap = pace.gap(now.saturating_duration_since(started_at), left);
        next_put_at = (next_put_at + gap).max(now.checked_sub(CATCH_UP_MAX).unwrap_or(now));
    }
    Ok(())
}

async fn next_line(stage: &Stage, lines: &mut Lines) -> Result<Option<Line>, Failure> {
    stage.set_awaits_input(true);
    let line = lines.next().await;
    stage.set_awaits_input(false);
    line
}
