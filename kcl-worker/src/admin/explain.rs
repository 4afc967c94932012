use std::time::Duration;

use kcl_core::lease::Lease;
use kcl_core::model::{Checkpoint, RecordPosition};
use kcl_core::stream::IteratorPosition;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::diagnosis::{Backlog, Diagnosis, Findings, Reason};
use super::list::json_of;
use super::pin_state::PinState;
use super::print;
use super::target::Target;
use crate::Failure;
use crate::cli::ExplainArgs;
use crate::progress::with_progress;

/// A shard may answer with nothing although records follow; so often in a row that says nothing. Each read counts against
/// the five a second that the service allows for a shard.
const READS_MAX: usize = 8;

/// Four a second, so that a worker gets through.
const READ_INTERVAL: Duration = Duration::from_millis(250);

/// The record of the checkpoint, and the one that waits.
const RECORDS_PER_READ: u32 = 2;

/// Watches a shard for a while, and says why it moves or does not.
pub(super) async fn explain(target: &Target, args: &ExplainArgs) -> Result<(), Failure> {
    let shard = target.shard(&args.shard);
    let watched_for = Duration::from_millis(args.watch_ms);
    let before = target.row(&shard).await?;
    if before.as_ref().is_some_and(|row| row.owner.is_some()) {
        let begun_at = Instant::now();
        let text = || {
            let seconds = begun_at.elapsed().as_secs();
            format!("watching {} for {} s: {seconds} s", args.shard, watched_for.as_secs())
        };
        with_progress(text, sleep(watched_for)).await;
    }
    let after = target.row(&shard).await?;
    let rows = target.rows().await?;
    let is_listed = target.shards().await?.iter().any(|listed| listed.shard_id == shard.shard_id);
    let backlog = match &after {
        Some(row) if is_listed => backlog(target, row).await?,
        _ => None,
    };
    let findings =
        Findings { shard: &args.shard, before, after, watched_for, rows: &rows, is_listed, backlog };
    let diagnosis = Diagnosis::of(&findings);
    if args.json {
        return print(&format!("{:#}\n", json_of_diagnosis(&diagnosis, &findings)));
    }
    let advice = diagnosis.advice().map(|advice| format!("{advice}\n")).unwrap_or_default();
    let pin = findings.pin().map(|pin| format!("{pin}\n")).unwrap_or_default();
    print(&format!("{}\n{advice}{pin}", Reason(&diagnosis, &findings)))
}

impl Findings<'_> {
    /// How the pin of the shard stands, if it has one.
    fn pin(&self) -> Option<PinState> {
        PinState::of(self.after.as_ref()?, self.rows)
    }
}

fn json_of_diagnosis(diagnosis: &Diagnosis, findings: &Findings<'_>) -> Value {
    json!({
        "shardId": findings.shard,
        "diagnosis": diagnosis.name(),
        "reason": Reason(diagnosis, findings).to_string(),
        "advice": diagnosis.advice(),
        "pin": findings.pin().map(|pin| pin.to_string()),
        "isListed": findings.is_listed,
        "row": findings.after.as_ref().map(json_of),
    })
}

/// What the stream has behind the row's checkpoint. Reads from the record of the checkpoint on: if that has gone, others may
/// have gone with it.
async fn backlog(target: &Target, row: &Lease) -> Result<Option<Backlog>, Failure> {
    let (position, committed) = match &row.checkpoint {
        Checkpoint::TrimHorizon => (IteratorPosition::TrimHorizon, None),
        Checkpoint::At(RecordPosition { sequence_number, .. }) => {
            (IteratorPosition::AtSequenceNumber(sequence_number.clone()), Some(sequence_number))
        }
        Checkpoint::ShardEnd => return Ok(Some(Backlog::Empty)),
        // Only the worker knows where it began.
        Checkpoint::AtTimestamp | Checkpoint::Latest => return Ok(None),
    };
    let kinesis = &target.ports.kinesis;
    let opened = kinesis.get_shard_iterator(&row.shard, &position).await;
    let mut iterator = opened.map_err(Failure::runtime)?;
    let mut is_there = committed.is_none();
    for _ in 0..READS_MAX {
        let page = match kinesis.get_records(&iterator, RECORDS_PER_READ).await {
            Ok(page) => page,
            // A worker reads it, too.
            Err(error) if error.is_retryable() => {
                sleep(READ_INTERVAL).await;
                continue;
            }
            Err(error) => return Err(Failure::runtime(error)),
        };
        for record in page.records {
            if Some(&record.position.sequence_number) == committed {
                is_there = true;
                continue;
            }
            let age = kinesis.now().saturating_since(record.approximate_arrival);
            return Ok(Some(if is_there { Backlog::Since(age) } else { Backlog::Trimmed }));
        }
        let Some(next) = page.next.filter(|_| page.millis_behind_latest > 0) else {
            return Ok(Some(Backlog::Empty));
        };
        iterator = next;
        sleep(READ_INTERVAL).await;
    }
    Ok(None)
}
