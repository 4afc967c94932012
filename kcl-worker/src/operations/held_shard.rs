use std::time::Duration;

use kcl_core::Event;
use kcl_core::model::ShardKey;

use super::shard_status::{ShardState, ShardStatus};

/// The shard that an event tells of while somebody holds it.
pub(super) fn shard_of<'a>(event: &Event<'a>) -> Option<&'a ShardKey> {
    match event {
        Event::RenewalFailed { shard, .. }
        | Event::ShardStarted { shard }
        | Event::ShardStopping { shard }
        | Event::BatchRead { shard, .. }
        | Event::ShardIdle { shard, .. }
        | Event::ReadFailed { shard, .. }
        | Event::ReadRecovered { shard }
        | Event::SubscriptionInUse { shard, .. }
        | Event::FellBackToPolling { shard, .. }
        | Event::PositionTrimmed { shard, .. }
        | Event::BatchProcessed { shard, .. }
        | Event::ProcessorFailed { shard, .. }
        | Event::ProcessorBusy { shard, .. }
        | Event::ProcessorOverran { shard, .. }
        | Event::ShardBlocked { shard, .. }
        | Event::ShardUnblocked { shard, .. }
        | Event::DestinationFailed { shard, .. }
        | Event::RecordsSkipped { shard, .. }
        | Event::RecordsSentToDestination { shard, .. }
        | Event::Checkpointed { shard, .. }
        | Event::CheckpointFailed { shard, .. }
        | Event::ShardTrimmed { shard, .. } => Some(shard),
        _ => None,
    }
}

/// Takes in an event of a shard that is held.
pub(super) fn observe_held(status: &mut ShardStatus, event: &Event<'_>, now: Duration) {
    match event {
        Event::ShardStarted { .. } => {
            status.enter(ShardState::Running, now);
            status.go_on();
        }
        Event::ShardStopping { .. } => status.enter(ShardState::Stopping, now),
        Event::BatchRead { in_flight_bytes, .. } => status.in_flight_bytes = *in_flight_bytes,
        Event::ShardIdle { millis_behind_latest, .. } => {
            status.in_flight_bytes = 0;
            status.lag = Some((*millis_behind_latest, now));
            status.go_on();
        }
        Event::BatchProcessed { last, millis_behind_latest, .. } => {
            status.processed = Some(last.to_string());
            status.processed_at = Some(now);
            status.lag = Some((*millis_behind_latest, now));
            status.go_on();
        }
        Event::RecordsSkipped { .. } | Event::RecordsSentToDestination { .. } => status.go_on(),
        Event::Checkpointed { checkpoint, .. } => {
            status.checkpoint = Some(checkpoint.to_string());
            status.commit_stall = None;
        }
        Event::ReadRecovered { .. } => status.reading_stall = None,
        Event::ShardBlocked { position, reason, error, .. } => {
            let at = position.map(|position| format!(" at {position}")).unwrap_or_default();
            status.stall(&format!("{reason}{at}"));
            status.enter(ShardState::Blocked, now);
            status.fail(error, now);
        }
        Event::ShardUnblocked { .. } if status.state == ShardState::Blocked => {
            status.enter(ShardState::Running, now);
            status.go_on();
        }
        _ => observe_trouble(status, event, now),
    }
}

fn observe_trouble(status: &mut ShardStatus, event: &Event<'_>, now: Duration) {
    match event {
        Event::ReadFailed { error, failed_attempts, .. } => {
            status.fail(&error.to_string(), now);
            status.reading_stall = Some(format!("it cannot be read, {failed_attempts} attempts so far"));
        }
        Event::SubscriptionInUse { failed_attempts, .. } => {
            let reason = format!("somebody else is subscribed to it, {failed_attempts} attempts so far");
            status.reading_stall = Some(reason);
        }
        Event::ProcessorFailed { call, error, failed_attempts, .. } => {
            status.fail(&format!("{call}: {error}"), now);
            status.stall(&format!("{call} fails, {failed_attempts} attempts so far"));
        }
        Event::ProcessorBusy { call, elapsed, .. } => {
            status.stall(&format!("{call} has not returned for {} s", elapsed.as_secs()));
        }
        Event::ProcessorOverran { call, elapsed, .. } => {
            let error = format!("{call} is past its deadline, after {} s", elapsed.as_secs());
            status.stall(&error);
            status.fail(&error, now);
        }
        Event::FellBackToPolling { error, .. } => {
            status.fail(&error.to_string(), now);
            status.reading_stall = None;
        }
        Event::CheckpointFailed { error, .. } => {
            status.fail(&error.to_string(), now);
            // A later commit includes this one; but at the end of a shard its children wait for it.
            if status.state == ShardState::Stopping {
                status.commit_stall = Some("what is processed cannot be committed".to_owned());
            }
        }
        Event::RenewalFailed { error, .. } | Event::DestinationFailed { error, .. } => {
            status.fail(&error.to_string(), now);
        }
        Event::PositionTrimmed { position, .. } => {
            status.fail(&format!("retention has passed {position}, records may be lost"), now);
        }
        Event::ShardTrimmed { .. } => status.fail("the shard left retention before it was processed", now),
        _ => {}
    }
}
