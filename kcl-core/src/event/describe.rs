use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// A metric's name, and what it means.
type Meaning = (&'static str, &'static str);

/// Each counts what the event of the same name reports.
const COUNTERS: &[Meaning] = &[
    (
        "kcl_aggregates_malformed_total",
        "Records that begin as an aggregate and are none, delivered as they came",
    ),
    ("kcl_checkpoints_total", "Checkpoints written"),
    ("kcl_checkpoints_failed_total", "Checkpoints that could not be written"),
    ("kcl_coordination_failures_total", "Scans, syncs and takes of leases that failed"),
    ("kcl_destination_failures_total", "Failures of the on-failure destination"),
    ("kcl_falls_back_to_polling_total", "Shards that could not be subscribed to and are polled"),
    ("kcl_lease_releases_failed_total", "Leases that could not be given back and expire"),
    ("kcl_lease_renewals_total", "Renewals that the table took"),
    ("kcl_lease_renewals_failed_total", "Renewals that failed"),
    ("kcl_leases_created_total", "Rows made for new shards"),
    ("kcl_leases_handed_over_total", "Leases handed to the worker that asked for them"),
    ("kcl_leases_lost_total", "Leases lost without having been given back"),
    ("kcl_leases_released_total", "Leases given back"),
    ("kcl_leases_requested_total", "Leases asked for of their owners"),
    ("kcl_leases_taken_total", "Leases taken"),
    ("kcl_leases_unclaimed_total", "Leases found free for long"),
    ("kcl_positions_trimmed_total", "Times that retention had passed the position"),
    ("kcl_processed_bytes_total", "Bytes of data of the records processed"),
    ("kcl_processor_busy_total", "Times that a call was found not to have returned for long"),
    ("kcl_processor_failures_total", "Calls of the processor that failed or panicked"),
    ("kcl_processor_overruns_total", "Calls that had not returned by their deadline"),
    ("kcl_reads_failed_total", "Reads that failed"),
    ("kcl_records_left_out_total", "User records left out because of their hash key"),
    ("kcl_records_processed_total", "Records that the processor took"),
    ("kcl_records_read_total", "Kinesis records read"),
    ("kcl_records_sent_to_destination_total", "Records given up and sent to the on-failure destination"),
    ("kcl_records_skipped_total", "Records given up and skipped"),
    ("kcl_shards_ended_total", "Shards processed to their end"),
    ("kcl_shards_ended_too_early_total", "Shards whose row has ended and that are open"),
    (
        "kcl_shards_failed_total",
        "Times that a shard was given back because it could not be read or processed",
    ),
    ("kcl_shards_trimmed_total", "Shards that left retention before they were processed"),
    ("kcl_shutdowns_forced_total", "Processors dropped at the end of the grace period"),
    ("kcl_subscriptions_in_use_total", "Subscriptions that another reader still had"),
    ("kcl_waits_for_parents_total", "Shards found to wait for their parents"),
];

/// The value of now.
const GAUGES: &[(&str, Unit, &str)] = &[
    ("kcl_in_flight_bytes", Unit::Bytes, "What is read and not processed, as of the last read"),
    ("kcl_leases", Unit::Count, "Rows of the lease table"),
    ("kcl_leases_free", Unit::Count, "Leases of unfinished shards that no live worker owns"),
    ("kcl_leases_held", Unit::Count, "Leases that this worker holds"),
    ("kcl_millis_behind_latest", Unit::Milliseconds, "How far processing is behind the newest record"),
    ("kcl_shards_blocked", Unit::Count, "Shards of which nothing is processed until something else changes"),
    ("kcl_workers", Unit::Count, "Workers that own leases and renew them"),
];

const HISTOGRAMS: &[Meaning] = &[
    ("kcl_process_records_seconds", "How long a batch took to process"),
    ("kcl_table_scan_seconds", "How long a scan of the lease table took"),
];

/// Tells the recorder of metrics what each of the library's metrics means. To be called once it is installed, where it
/// shows such things; nothing else depends on it.
pub fn describe_metrics() {
    for (name, meaning) in COUNTERS {
        describe_counter!(*name, Unit::Count, *meaning);
    }
    for (name, unit, meaning) in GAUGES {
        describe_gauge!(*name, *unit, *meaning);
    }
    for (name, meaning) in HISTOGRAMS {
        describe_histogram!(*name, Unit::Seconds, *meaning);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_metric_that_is_counted_is_described_and_no_other() {
        let words = include_str!("count.rs").split('"');
        let counted: BTreeSet<&str> = words.filter(|word| word.starts_with("kcl_")).collect();
        let described = COUNTERS.iter().chain(HISTOGRAMS).map(|(name, _)| *name);
        let described: Vec<&str> = described.chain(GAUGES.iter().map(|(name, ..)| *name)).collect();
        assert_eq!(described.len(), counted.len());
        assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), counted);
    }

    #[test]
    fn a_counter_ends_in_total_and_nothing_else_does() {
        assert!(COUNTERS.iter().all(|(name, _)| name.ends_with("_total")));
        let others = HISTOGRAMS.iter().map(|(name, _)| *name).chain(GAUGES.iter().map(|(name, ..)| *name));
        assert!(others.into_iter().all(|name| !name.ends_with("_total")));
    }
}
