//! Events as metrics. Never adds a fact of its own. What each metric means is said in `describe.rs`.

use metrics::{counter, gauge, histogram};

use super::Event;

/// Counters and gauges, labelled by shard where the value belongs to one.
pub(super) fn count(event: &Event<'_>) {
    match event {
        Event::LeaseTaken { .. } => counter!("kcl_leases_taken_total").increment(1),
        Event::LeaseLost { .. } => counter!("kcl_leases_lost_total").increment(1),
        Event::LeaseHandedOver { .. } => counter!("kcl_leases_handed_over_total").increment(1),
        Event::LeaseRequested { .. } => counter!("kcl_leases_requested_total").increment(1),
        Event::ReleaseFailed { .. } => counter!("kcl_lease_releases_failed_total").increment(1),
        Event::PositionTrimmed { shard, .. } => {
            counter!("kcl_positions_trimmed_total", "shard" => shard.to_string()).increment(1);
        }
        Event::AggregateMalformed { shard, count, .. } => {
            counter!("kcl_aggregates_malformed_total", "shard" => shard.to_string()).increment(*count);
        }
        Event::RecordsLeftOut { shard, count } => {
            counter!("kcl_records_left_out_total", "shard" => shard.to_string()).increment(*count);
        }
        Event::SubscriptionInUse { shard, .. } => {
            counter!("kcl_subscriptions_in_use_total", "shard" => shard.to_string()).increment(1);
        }
        Event::FellBackToPolling { shard, .. } => {
            counter!("kcl_falls_back_to_polling_total", "shard" => shard.to_string()).increment(1);
        }
        Event::LeaseReleased { .. } => counter!("kcl_leases_released_total").increment(1),
        Event::LeaseCreated { .. } => counter!("kcl_leases_created_total").increment(1),
        Event::LeaseRenewed { .. } => counter!("kcl_lease_renewals_total").increment(1),
        Event::RenewalFailed { .. } => counter!("kcl_lease_renewals_failed_total").increment(1),
        Event::ReadFailed { shard, .. } => {
            counter!("kcl_reads_failed_total", "shard" => shard.to_string()).increment(1);
        }
        Event::BatchRead { .. } | Event::ShardIdle { .. } | Event::BatchProcessed { .. } => {
            count_reading(event);
        }
        Event::TableScanned { .. } | Event::WorkerStopped => count_table(event),
        Event::ShardEnded { .. } => counter!("kcl_shards_ended_total").increment(1),
        Event::Checkpointed { .. } => counter!("kcl_checkpoints_total").increment(1),
        Event::CheckpointFailed { .. } => counter!("kcl_checkpoints_failed_total").increment(1),
        Event::ShardTrimmed { shard, .. } => {
            counter!("kcl_shards_trimmed_total", "shard" => shard.to_string()).increment(1);
        }
        Event::ShardFailed { shard, .. } => {
            counter!("kcl_shards_failed_total", "shard" => shard.to_string()).increment(1);
        }
        Event::ShutdownForced { .. } => counter!("kcl_shutdowns_forced_total").increment(1),
        Event::CoordinationFailed { .. } => counter!("kcl_coordination_failures_total").increment(1),
        Event::WaitingForParents { .. } => counter!("kcl_waits_for_parents_total").increment(1),
        Event::LeaseUnclaimed { .. } => counter!("kcl_leases_unclaimed_total").increment(1),
        Event::ShardEndedTooEarly { .. } => counter!("kcl_shards_ended_too_early_total").increment(1),
        Event::ProcessorFailed { .. }
        | Event::ProcessorBusy { .. }
        | Event::ProcessorOverran { .. }
        | Event::ShardBlocked { .. }
        | Event::ShardUnblocked { .. }
        | Event::RecordsSkipped { .. }
        | Event::RecordsSentToDestination { .. }
        | Event::DestinationFailed { .. } => count_failures(event),
        Event::WorkerStarted
        | Event::WorkerStopping
        | Event::StandstillOver { .. }
        | Event::ReadRecovered { .. }
        | Event::ShardStarted { .. }
        | Event::ShardStopping { .. }
        | Event::ReturnedToFanOut { .. }
        | Event::ConsumerRegistered { .. }
        | Event::ConsumerDeregistered { .. } => {}
    }
}

/// How far a shard is, and what it holds.
fn count_reading(event: &Event<'_>) {
    match event {
        Event::BatchRead { shard, records, in_flight_bytes } => {
            let shard = shard.to_string();
            counter!("kcl_records_read_total", "shard" => shard.clone()).increment(*records as u64);
            gauge!("kcl_in_flight_bytes", "shard" => shard).set(number(*in_flight_bytes as u64));
        }
        Event::ShardIdle { shard, millis_behind_latest } => {
            let shard = shard.to_string();
            gauge!("kcl_in_flight_bytes", "shard" => shard.clone()).set(0.0);
            gauge!("kcl_millis_behind_latest", "shard" => shard).set(number(*millis_behind_latest));
        }
        Event::BatchProcessed { shard, records, bytes, elapsed, millis_behind_latest, .. } => {
            let shard = shard.to_string();
            counter!("kcl_records_processed_total", "shard" => shard.clone()).increment(*records as u64);
            counter!("kcl_processed_bytes_total", "shard" => shard.clone()).increment(*bytes as u64);
            gauge!("kcl_millis_behind_latest", "shard" => shard).set(number(*millis_behind_latest));
            histogram!("kcl_process_records_seconds").record(elapsed.as_secs_f64());
        }
        _ => {}
    }
}

/// What the table shows of the fleet. A worker that has stopped holds nothing, and sees nothing any more.
fn count_table(event: &Event<'_>) {
    if let Event::TableScanned { leases, held, free, workers, elapsed, .. } = event {
        gauge!("kcl_leases").set(number(*leases as u64));
        gauge!("kcl_leases_held").set(number(*held as u64));
        gauge!("kcl_leases_free").set(number(*free as u64));
        gauge!("kcl_workers").set(number(*workers as u64));
        histogram!("kcl_table_scan_seconds").record(elapsed.as_secs_f64());
    } else {
        gauge!("kcl_leases_held").set(0.0);
    }
}

/// Exact below 2^53: more bytes than any machine has, and milliseconds of 285,000 years.
#[expect(clippy::cast_precision_loss)]
fn number(value: u64) -> f64 {
    value as f64
}

fn count_failures(event: &Event<'_>) {
    match event {
        Event::ProcessorBusy { shard, .. } => {
            counter!("kcl_processor_busy_total", "shard" => shard.to_string()).increment(1);
        }
        Event::ProcessorFailed { shard, .. } => {
            counter!("kcl_processor_failures_total", "shard" => shard.to_string()).increment(1);
        }
        Event::ProcessorOverran { shard, .. } => {
            counter!("kcl_processor_overruns_total", "shard" => shard.to_string()).increment(1);
        }
        Event::ShardBlocked { shard, .. } => {
            gauge!("kcl_shards_blocked", "shard" => shard.to_string()).increment(1.0);
        }
        Event::ShardUnblocked { shard, .. } => {
            gauge!("kcl_shards_blocked", "shard" => shard.to_string()).decrement(1.0);
        }
        Event::RecordsSkipped { shard, count, condition, .. } => {
            let (shard, condition) = (shard.to_string(), condition.to_string());
            counter!("kcl_records_skipped_total", "shard" => shard, "condition" => condition)
                .increment(*count);
        }
        Event::RecordsSentToDestination { shard, count, condition, .. } => {
            let (shard, condition) = (shard.to_string(), condition.to_string());
            let sent =
                counter!("kcl_records_sent_to_destination_total", "shard" => shard, "condition" => condition);
            sent.increment(*count);
        }
        Event::DestinationFailed { shard, .. } => {
            counter!("kcl_destination_failures_total", "shard" => shard.to_string()).increment(1);
        }
        _ => {}
    }
}
