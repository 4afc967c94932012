use kcl_core::Event;
use kcl_core::model::{ShardId, WorkerId};

/// An event in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventText {
    pub(super) text: String,
    /// True for the daily rhythm, which is of interest to few.
    pub(super) is_routine: bool,
}

/// Puts an event of `worker` into words.
pub(super) fn describe(worker: &WorkerId, event: &Event<'_>) -> EventText {
    let is_routine = matches!(event, Event::BatchProcessed { .. } | Event::Checkpointed { .. });
    let what = match event {
        Event::WorkerStarted => "started".to_owned(),
        Event::WorkerStopped => "stopped".to_owned(),
        Event::LeaseCreated { shard, checkpoint } => {
            format!("created the lease of {} at {checkpoint}", shard.shard_id)
        }
        Event::LeaseTaken { shard, from, .. } => match from {
            Some(from) => format!("took {} from {from}", shard.shard_id),
            None => format!("took {}", shard.shard_id),
        },
        Event::LeaseLost { shard, loss } => format!("lost {}: {loss}", shard.shard_id),
        Event::LeaseReleased { shard } => format!("released {}", shard.shard_id),
        Event::WaitingForParents { shard, unfinished } => {
            format!("waits with {} for {}", shard.shard_id, list(unfinished))
        }
        Event::BatchProcessed { shard, records, millis_behind_latest } => {
            format!("processed {records} records of {}, {millis_behind_latest} ms behind", shard.shard_id)
        }
        Event::Checkpointed { shard, checkpoint } => format!("committed {} at {checkpoint}", shard.shard_id),
        Event::ShardEnded { shard, children } => {
            format!("finished {}, followed by {}", shard.shard_id, list(children))
        }
        Event::ShardTrimmed { shard, .. } => format!("found {} trimmed", shard.shard_id),
        Event::RenewalFailed { shard, error } => format!("could not renew {}: {error}", shard.shard_id),
        Event::ReadFailed { shard, error, .. } => format!("could not read {}: {error}", shard.shard_id),
        Event::ProcessorFailed { shard, error, .. } => {
            format!("failed to process {}: {error}", shard.shard_id)
        }
        Event::CheckpointFailed { shard, error } => format!("could not commit {}: {error}", shard.shard_id),
        Event::ShardFailed { shard, error, .. } => format!("gave up {} for now: {error}", shard.shard_id),
        Event::ShutdownForced { shard } => format!("dropped {} at the end of its grace", shard.shard_id),
        Event::CoordinationFailed { error } => format!("could not coordinate: {error}"),
        other => format!("{other:?}"),
    };
    EventText { text: format!("{worker} {what}"), is_routine }
}

fn list(shards: &[ShardId]) -> String {
    let names: Vec<&str> = shards.iter().map(ShardId::as_str).collect();
    names.join(" and ")
}
