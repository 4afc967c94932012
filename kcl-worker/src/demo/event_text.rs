use kcl_core::Event;
use kcl_core::model::{ShardId, ShardKey, WorkerId};

use super::shard_name::ShardName;

/// An event in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventText {
    pub(super) text: String,
    /// True for the daily rhythm, which is of interest to few.
    pub(super) is_routine: bool,
}

/// Puts an event of `worker` into words. What follows from other events, or goes on all the time, is left out.
pub(super) fn describe(worker: &WorkerId, event: &Event<'_>) -> Option<EventText> {
    if is_left_out(event) {
        return None;
    }
    let is_routine = matches!(event, Event::BatchProcessed { .. } | Event::Checkpointed { .. });
    Some(EventText { text: format!("{worker} {}", words(event)), is_routine })
}

fn is_left_out(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::TableScanned { .. }
            | Event::LeaseRenewed { .. }
            | Event::StandstillOver { .. }
            | Event::ReadRecovered { .. }
            | Event::ShardStarted { .. }
            | Event::ShardStopping { .. }
            | Event::BatchRead { .. }
            | Event::ShardIdle { .. }
            | Event::WorkerStopping
    )
}

fn words(event: &Event<'_>) -> String {
    match event {
        Event::WorkerStarted => "started".to_owned(),
        Event::WorkerStopped => "stopped".to_owned(),
        Event::LeaseCreated { shard, checkpoint, .. } => {
            format!("created the lease of {} at {checkpoint}", name(shard))
        }
        Event::LeaseTaken { shard, from: Some(from), .. } => format!("took {} from {from}", name(shard)),
        Event::LeaseTaken { shard, .. } => format!("took {}", name(shard)),
        Event::LeaseLost { shard, loss, .. } => format!("lost {}: {loss}", name(shard)),
        Event::LeaseReleased { shard, .. } => format!("released {}", name(shard)),
        Event::LeaseHandedOver { shard, to, .. } => format!("handed {} over to {to}", name(shard)),
        Event::LeaseRequested { shard, from, .. } => format!("asks {from} for {}", name(shard)),
        Event::ReleaseFailed { shard, error, .. } => format!("could not release {}: {error}", name(shard)),
        Event::RenewalFailed { shard, error, .. } => format!("could not renew {}: {error}", name(shard)),
        Event::WaitingForParents { shard, unfinished, .. } => {
            format!("waits with {} for {}", name(shard), list(unfinished))
        }
        Event::LeaseUnclaimed { shard, .. } => format!("sees nobody read {}", name(shard)),
        Event::ShardEndedTooEarly { shard, .. } => {
            format!("found {} ended in the table, and open in the stream", name(shard))
        }
        Event::ReadFailed { shard, error, .. } => format!("could not read {}: {error}", name(shard)),
        Event::PositionTrimmed { shard, .. } => format!("found its position in {} trimmed", name(shard)),
        Event::BatchProcessed { shard, records, millis_behind_latest, .. } => {
            format!("processed {records} records of {}, {millis_behind_latest} ms behind", name(shard))
        }
        Event::ProcessorFailed { shard, call, error, .. } => {
            format!("failed in {call} of {}: {error}", name(shard))
        }
        Event::ProcessorBusy { shard, call, elapsed, .. } => {
            format!("has been in {call} of {} for {} s", name(shard), elapsed.as_secs())
        }
        Event::Checkpointed { shard, checkpoint, .. } => format!("committed {} at {checkpoint}", name(shard)),
        Event::CheckpointFailed { shard, error, .. } => format!("could not commit {}: {error}", name(shard)),
        Event::ShardEnded { shard, children: [], .. } => {
            format!("finished {}", name(shard))
        }
        Event::ShardEnded { shard, children, .. } => {
            format!("finished {}, followed by {}", name(shard), list(children))
        }
        Event::ShardTrimmed { shard, .. } => format!("found {} trimmed", name(shard)),
        Event::ShardFailed { shard, error, .. } => format!("gave up {} for now: {error}", name(shard)),
        Event::ShutdownForced { shard, .. } => format!("dropped {} at the end of its grace", name(shard)),
        Event::CoordinationFailed { error, .. } => format!("could not coordinate: {error}"),
        _ => "reported an event that the demo does not know".to_owned(),
    }
}

fn name(shard: &ShardKey) -> ShardName<'_> {
    ShardName(&shard.shard_id)
}

fn list(shards: &[ShardId]) -> String {
    let names: Vec<String> = shards.iter().map(|shard| ShardName(shard).to_string()).collect();
    names.join(" and ")
}
