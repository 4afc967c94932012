use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId};
use metrics::{counter, gauge, histogram, with_local_recorder};

use super::*;

fn shard(id: &str) -> ShardKey {
    ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(id))
}

fn take(metrics: &Metrics, shard: &ShardKey) {
    metrics.observe(&Event::LeaseTaken { shard, from: None, checkpoint: &Checkpoint::TrimHorizon });
}

/// What a worker writes of a shard.
fn work(metrics: &Metrics, shard: &ShardKey, lag: f64) {
    with_local_recorder(metrics, || {
        let shard = shard.to_string();
        counter!("kcl_records_processed_total", "shard" => shard.clone()).increment(10);
        gauge!("kcl_in_flight_bytes", "shard" => shard.clone()).set(100.0);
        gauge!("kcl_millis_behind_latest", "shard" => shard).set(lag);
    });
}

/// The text without what is there from the start.
fn rest(metrics: &Metrics) -> String {
    let text = metrics.render();
    let is_alerted = |line: &str| alerted().any(|name| line.contains(name));
    text.lines().filter(|line| !is_alerted(line)).map(|line| line.to_owned() + "\n").collect()
}

fn alerted() -> impl Iterator<Item = &'static str> {
    ALERTED_OF_SHARDS.into_iter().chain([ALERTED])
}

/// Its first increase must be seen as one.
#[test]
fn what_is_alerted_on_begins_at_zero() {
    let document = include_str!("../../../../docs/operations.md");
    let increases = document.split("increase(").skip(1).map(|rest| rest.split('[').next().unwrap());
    assert!(increases.clone().count() > 1);
    for name in increases {
        assert!(alerted().any(|alerted| alerted == name), "{name}");
    }
    for (shard_labels, label) in [(true, "{shard=\"orders:shardId-1\"}"), (false, "")] {
        let (metrics, shard) = (Metrics::new(shard_labels), shard("shardId-1"));
        assert!(metrics.render().contains(&format!("{ALERTED} 0\n")));
        take(&metrics, &shard);
        for name in ALERTED_OF_SHARDS {
            assert!(metrics.render().contains(&format!("{name}{label} 0\n")), "{}", metrics.render());
        }
        metrics.observe(&Event::LeaseReleased { shard: &shard });
        for _ in 0..ROUNDS_KEPT {
            metrics.upkeep();
        }
        assert_eq!(metrics.render().contains("trimmed"), !shard_labels);
    }
}

#[test]
fn the_text_is_as_prometheus_reads_it() {
    let metrics = Metrics::new(true);
    take(&metrics, &shard("s\"1"));
    with_local_recorder(&metrics, || {
        metrics::describe_counter!("kcl_records_processed_total", "Records\nprocessed");
        histogram!("kcl_process_records_seconds").record(0.05);
        histogram!("kcl_process_records_seconds").record(1_000.0);
    });
    work(&metrics, &shard("s\"1"), 5.0);
    let text = rest(&metrics);
    let expected = "# HELP kcl_records_processed_total Records\\nprocessed\n\
        # TYPE kcl_records_processed_total counter\n\
        kcl_records_processed_total{shard=\"orders:s\\\"1\"} 10\n\
        # TYPE kcl_in_flight_bytes gauge\n\
        kcl_in_flight_bytes{shard=\"orders:s\\\"1\"} 100\n\
        # TYPE kcl_millis_behind_latest gauge\n\
        kcl_millis_behind_latest{shard=\"orders:s\\\"1\"} 5\n\
        # TYPE kcl_process_records_seconds histogram\n\
        kcl_process_records_seconds_bucket{le=\"0.001\"} 0\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("_bucket{le=\"0.1\"} 1\n"), "{text}");
    assert!(text.ends_with("_bucket{le=\"+Inf\"} 2\nkcl_process_records_seconds_sum 1000.05\nkcl_process_records_seconds_count 2\n"), "{text}");
}

#[test]
fn the_gauges_of_a_shard_leave_with_it_and_its_counters_later() {
    let metrics = Metrics::new(true);
    let shard = shard("shardId-1");
    take(&metrics, &shard);
    work(&metrics, &shard, 5.0);
    metrics.observe(&Event::LeaseReleased { shard: &shard });
    // What comes too late makes no gauge.
    work(&metrics, &shard, 7.0);
    assert!(!metrics.render().contains("gauge"), "{}", metrics.render());
    for _ in 1..ROUNDS_KEPT {
        metrics.upkeep();
    }
    assert!(metrics.render().contains("kcl_records_processed_total{shard=\"orders:shardId-1\"} 20"));
    metrics.upkeep();
    assert_eq!(rest(&metrics), "");
    take(&metrics, &shard);
    work(&metrics, &shard, 5.0);
    for _ in 0..=ROUNDS_KEPT {
        metrics.upkeep();
    }
    assert!(metrics.render().contains("kcl_records_processed_total{shard=\"orders:shardId-1\"} 10"));
}

#[test]
fn shards_that_come_and_go_do_not_fill_the_memory() {
    let metrics = Metrics::new(true);
    for number in 0..3 * DEPARTED_MAX {
        let shard = shard(&format!("shardId-{number}"));
        take(&metrics, &shard);
        work(&metrics, &shard, 1.0);
        metrics.observe(&Event::ShardEnded { shard: &shard, children: &[] });
        if number % 100 == 99 {
            metrics.upkeep();
        }
    }
    assert!(rest(&metrics).lines().count() <= DEPARTED_MAX + 1);
    // A counter of a shard that was never held here goes, too.
    work(&metrics, &shard("elsewhere"), 1.0);
    for _ in 0..ROUNDS_KEPT {
        metrics.upkeep();
    }
    assert_eq!(rest(&metrics), "");
}

#[test]
fn without_labels_lags_have_a_maximum_and_everything_else_a_sum() {
    let metrics = Metrics::new(false);
    let [first, second] = [shard("shardId-1"), shard("shardId-2")];
    for (shard, lag) in [(&first, 300.0), (&second, 500.0)] {
        take(&metrics, shard);
        work(&metrics, shard, lag);
    }
    let has = |line: &str| metrics.render().lines().any(|found| found == line);
    assert!(has("kcl_millis_behind_latest 500") && has("kcl_in_flight_bytes 200"), "{}", metrics.render());
    assert!(has("kcl_records_processed_total 20"));
    metrics.observe(&Event::LeaseReleased { shard: &second });
    assert!(has("kcl_millis_behind_latest 300") && has("kcl_in_flight_bytes 100"), "{}", metrics.render());
    assert!(has("kcl_records_processed_total 20"), "a sum must not shrink");
}

/// Prometheus refuses the whole text for one name that it does not take, so that the worker's own metrics would be lost.
#[test]
fn metrics_of_the_programs_own_are_shown_under_names_that_prometheus_takes() {
    let metrics = Metrics::new(true);
    with_local_recorder(&metrics, || {
        metrics::describe_gauge!("orders.open", "Open orders");
        gauge!("orders.open", "shard" => "eu", "sales-region" => "a\\b\n").set(3.0);
        counter!("2nd:orders/é", "1" => "x").increment(1);
    });
    let expected = "# TYPE _2nd:orders__ counter\n_2nd:orders__{_1=\"x\"} 1\n\
        # HELP orders_open Open orders\n# TYPE orders_open gauge\n\
        orders_open{shard=\"eu\",sales_region=\"a\\\\b\\n\"} 3\n";
    assert_eq!(rest(&metrics), expected);
}
