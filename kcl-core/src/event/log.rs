//! Events as log lines. Never adds a fact of its own.

use tracing::{debug, error, info, trace, warn};

use super::Event;
use crate::model::{RecordPosition, ShardId, WorkerId};

/// One line for each event: `debug` for the daily rhythm, `info` for changes of ownership, `warn` for what an operator
/// may have to look at.
pub(super) fn log(worker: &WorkerId, event: &Event<'_>) {
    match event {
        Event::WorkerStarted => info!(%worker, "worker started"),
        Event::WorkerStopping => info!(%worker, "worker stopping"),
        Event::WorkerStopped => info!(%worker, "worker stopped"),
        Event::LeaseCreated { shard, checkpoint } => info!(%worker, %shard, %checkpoint, "lease created"),
        Event::LeaseTaken { shard, from, checkpoint } => {
            let from = from.map_or("nobody", WorkerId::as_str);
            info!(%worker, %shard, from, %checkpoint, "lease taken");
        }
        Event::LeaseLost { shard, loss } => warn!(%worker, %shard, %loss, "lease lost"),
        Event::LeaseReleased { shard } => info!(%worker, %shard, "lease released"),
        Event::LeaseHandedOver { shard, to } => info!(%worker, %shard, %to, "lease handed over"),
        Event::LeaseRequested { shard, from } => info!(%worker, %shard, %from, "lease asked for"),
        Event::ReleaseFailed { shard, error } => {
            warn!(%worker, %shard, %error, "release failed, lease left to expire");
        }
        Event::TableScanned { leases, held, free, workers, elapsed, .. } => {
            debug!(%worker, leases, held, free, workers, elapsed_ms = elapsed.as_millis(), "lease table scanned");
        }
        Event::LeaseRenewed { shard } => trace!(%worker, %shard, "lease renewed"),
        Event::StandstillOver { shard } => debug!(%worker, %shard, "shard no longer stands still"),
        Event::RenewalFailed { shard, error } => warn!(%worker, %shard, %error, "renewal failed"),
        Event::WaitingForParents { shard, unfinished } => {
            info!(%worker, %shard, unfinished = list(unfinished), "waiting for parent shards to be processed to their end");
        }
        Event::LeaseUnclaimed { shard } => warn!(%worker, %shard, "no worker takes this free lease"),
        Event::ShardEndedTooEarly { shard } => {
            warn!(%worker, %shard, "the row says that the shard has ended, but it is open: another stream, or an earlier one of this name, used this lease table; use a table of its own");
        }
        Event::Checkpointed { shard, checkpoint } => debug!(%worker, %shard, %checkpoint, "checkpointed"),
        Event::CheckpointFailed { shard, error } => warn!(%worker, %shard, %error, "checkpoint failed"),
        Event::ShardEnded { shard, children } => {
            info!(%worker, %shard, children = list(children), "shard ended");
        }
        Event::ShardTrimmed { shard, checkpoint } => {
            warn!(%worker, %shard, %checkpoint, "shard left the stream's retention before it was processed to its end");
        }
        Event::ShardFailed { shard, error, delay } => {
            warn!(%worker, %shard, %error, delay_ms = delay.as_millis(), "shard failed, will be tried again");
        }
        Event::ShutdownForced { shard } => {
            warn!(%worker, %shard, "processor did not stop within the grace period and was dropped");
        }
        Event::CoordinationFailed { error } => {
            warn!(%worker, %error, "lease coordination failed, will be retried");
        }
        Event::PositionTrimmed { .. }
        | Event::ReadFailed { .. }
        | Event::AggregateMalformed { .. }
        | Event::RecordsLeftOut { .. }
        | Event::SubscriptionInUse { .. }
        | Event::FellBackToPolling { .. }
        | Event::ReturnedToFanOut { .. }
        | Event::ConsumerRegistered { .. }
        | Event::ConsumerDeregistered { .. }
        | Event::ReadRecovered { .. }
        | Event::ShardStarted { .. }
        | Event::ShardStopping { .. }
        | Event::BatchRead { .. }
        | Event::ShardIdle { .. }
        | Event::BatchProcessed { .. } => log_reading(worker, event),
        Event::ProcessorFailed { .. }
        | Event::ProcessorBusy { .. }
        | Event::ProcessorOverran { .. }
        | Event::ShardBlocked { .. }
        | Event::ShardUnblocked { .. }
        | Event::RecordsSkipped { .. }
        | Event::RecordsSentToDestination { .. }
        | Event::DestinationFailed { .. } => log_failures(worker, event),
    }
}

/// What is read, and how.
fn log_reading(worker: &WorkerId, event: &Event<'_>) {
    match event {
        Event::PositionTrimmed { shard, position } => {
            warn!(%worker, %shard, %position, "retention has passed the checkpoint, records may be lost");
        }
        Event::ReadFailed { shard, error, failed_attempts, delay } => {
            warn!(%worker, %shard, %error, failed_attempts, delay_ms = delay.as_millis(), "read failed, will be retried");
        }
        Event::AggregateMalformed { shard, position, malformation, count } => {
            warn!(%worker, %shard, %position, %malformation, count, "a record begins as an aggregate and cannot be taken apart");
        }
        Event::RecordsLeftOut { shard, count } => {
            warn!(%worker, %shard, count, "user records outside the shard's hash key range left out, as the settings say");
        }
        Event::SubscriptionInUse { shard, failed_attempts, delay } => {
            info!(%worker, %shard, failed_attempts, delay_ms = delay.as_millis(), "shard is still subscribed to by its last owner, will be retried");
        }
        Event::FellBackToPolling { shard, error } => {
            warn!(%worker, %shard, %error, "shard cannot be subscribed to and is polled");
        }
        Event::ReturnedToFanOut { shard } => info!(%worker, %shard, "shard is subscribed to again"),
        Event::ConsumerRegistered { consumer } => info!(%worker, %consumer, "consumer registered"),
        Event::ConsumerDeregistered { consumer } => info!(%worker, %consumer, "consumer deregistered"),
        Event::ReadRecovered { shard } => info!(%worker, %shard, "shard is read again"),
        Event::ShardStarted { shard } => debug!(%worker, %shard, "shard started"),
        Event::ShardStopping { shard } => debug!(%worker, %shard, "shard stopping"),
        Event::BatchRead { shard, records, in_flight_bytes } => {
            trace!(%worker, %shard, records, in_flight_bytes, "batch read");
        }
        Event::ShardIdle { shard, millis_behind_latest } => {
            trace!(%worker, %shard, millis_behind_latest, "nothing new");
        }
        Event::BatchProcessed { shard, records, millis_behind_latest, .. } => {
            debug!(%worker, %shard, records, millis_behind_latest, "batch processed");
        }
        _ => {}
    }
}

/// What the processor fails on, and what becomes of it.
fn log_failures(worker: &WorkerId, event: &Event<'_>) {
    match event {
        Event::ProcessorFailed { shard, call, error, failed_attempts, delay: Some(delay) } => {
            warn!(%worker, %shard, call, error, failed_attempts, delay_ms = delay.as_millis(), "processor failed, will be called again");
        }
        Event::ProcessorFailed { shard, call, error, delay: None, .. } => {
            warn!(%worker, %shard, call, error, "processor failed, the shard is given up all the same");
        }
        Event::ProcessorBusy { shard, call, elapsed } => {
            warn!(%worker, %shard, call, elapsed_s = elapsed.as_secs(), "processor has not returned");
        }
        Event::ProcessorOverran { shard, call, elapsed } => {
            error!(%worker, %shard, call, elapsed_s = elapsed.as_secs(), "processor is past its deadline, the shard is given up");
        }
        Event::ShardBlocked { shard, position, reason, error } => {
            let position = position.map(RecordPosition::to_string);
            error!(%worker, %shard, position, %reason, error, "shard is blocked");
        }
        Event::ShardUnblocked { shard, blocked_for } => {
            info!(%worker, %shard, blocked_for_s = blocked_for.as_secs(), "shard is no longer blocked");
        }
        Event::RecordsSkipped { shard, from, to, count, condition, error } => {
            warn!(%worker, %shard, %from, %to, count, %condition, error, "records skipped, as the failure policy says");
        }
        Event::RecordsSentToDestination { shard, from, to, count, condition, error } => {
            warn!(%worker, %shard, %from, %to, count, %condition, error, "records given up and sent to the on-failure destination");
        }
        Event::DestinationFailed { shard, error, failed_attempts, delay } => {
            warn!(%worker, %shard, %error, failed_attempts, delay_ms = delay.as_millis(), "on-failure destination failed, will be tried again");
        }
        _ => {}
    }
}

fn list(shards: &[ShardId]) -> String {
    let names: Vec<&str> = shards.iter().map(ShardId::as_str).collect();
    names.join(", ")
}
