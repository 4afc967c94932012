//! Handlers that are called for several records of a shard at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, Record, RecordPosition};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::aggregates::put_aggregate;
use super::fleet::{Fleet, faulty_leases, secs, shard_id};
use super::lane_script::{Does, Script, is_key_3, takes_ms};

/// A time that differs from record to record.
fn uneven(record: &Record) -> Does {
    let text = std::str::from_utf8(&record.data).unwrap();
    let number: u64 = text.trim_start_matches("record ").parse().unwrap();
    takes_ms(number * 7_919 % 97)
}

#[tokio::test(start_paused = true)]
async fn many_records_are_handled_at_a_time_and_those_of_one_key_in_order() {
    let mut fleet = Fleet::new(1);
    fleet.put(2_000);
    let script = Script::new(&fleet, uneven);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(script.seen.lock().unwrap().together_max, 8);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_lanes_take_a_sixtieth_of_the_time_of_one() {
    let mut times = Vec::new();
    for calls in [1, 64] {
        let fleet_time = handle_thousand_keys(calls).await;
        times.push(fleet_time);
    }
    assert!(times[0] >= 60 * times[1], "{times:?}");
}

/// How long it takes to handle 6,400 records of 1,000 keys, each in 5 ms.
async fn handle_thousand_keys(calls: usize) -> Duration {
    let mut fleet = Fleet::new(1);
    for number in 0..6_400 {
        let key = format!("key-{}", number % 1_000);
        let put = fleet.kinesis.put_record(&fleet.stream, &key, None, "record".into()).unwrap();
        fleet.oracle.put(&key, &put.shard_id, &put.sequence_number);
    }
    let script = Script::new(&fleet, |_| takes_ms(5));
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(calls));
    fleet.until("the first is handled", || script.handled() > 0).await;
    let started = Instant::now();
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_only_what_is_above_the_watermark() {
    let mut fleet = Fleet::new(1);
    fleet.put(200);
    let hangs = |record: &Record| if is_key_3(record) { Does::Hangs } else { takes_ms(20) };
    let first = Script::new(&fleet, hangs);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), first.lanes(8));
    fleet.until("all other keys are handled", || first.handled() == 190).await;
    sleep(secs(2)).await;
    fleet.crash("a").await;
    let Checkpoint::At(watermark) = fleet.row(&shard_id(0)).await.checkpoint else {
        panic!("nothing is committed")
    };
    let below = first.seen.lock().unwrap().handled.iter().filter(|position| **position <= watermark).count();
    assert_eq!(below, 3, "the three before the one that hangs are committed, and no other");
    let second = Script::new(&fleet, |_| takes_ms(0));
    fleet.start_with("b", fleet.settings("b"), fleet.ports(), second.lanes(8));
    fleet.drain().await;
    sleep(secs(5)).await;
    assert_eq!(second.handled(), 197);
    assert_eq!(fleet.assert_good(), 187);
}

#[tokio::test(start_paused = true)]
async fn everything_is_handled_before_the_end_of_the_shard_is_committed() {
    let mut fleet = Fleet::new(1);
    fleet.put(300);
    let children = fleet.split(&shard_id(0));
    fleet.put(100);
    let script = Script::new(&fleet, |_| takes_ms(200));
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0, "keys stay in order across the split");
    assert_eq!(fleet.count_events("ShardEnded"), 1);
    assert_eq!(fleet.row(&shard_id(0)).await.checkpoint, Checkpoint::ShardEnd);
    assert_eq!(children.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_planned_move_repeats_nothing() {
    let mut fleet = Fleet::new(4);
    let script = Script::new(&fleet, uneven);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(16));
    for second in 0..40 {
        fleet.put(400);
        sleep(secs(1)).await;
        match second {
            10 => fleet.start_with("b", fleet.settings("b"), fleet.ports(), script.lanes(16)),
            20 => fleet.stop("a").await,
            30 => fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(16)),
            _ => {}
        }
    }
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert!(fleet.count_events("LeaseHandedOver") >= 4);
}

/// One key has most of the records, so the others are far ahead of it when the worker is to stop.
#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_catches_up_with_what_it_has_begun() {
    let mut fleet = Fleet::new(1);
    for number in 0..200 {
        let key = if number % 2 == 0 { "busy".to_owned() } else { format!("key-{number}") };
        let put = fleet.kinesis.put_record(&fleet.stream, &key, None, "record".into()).unwrap();
        fleet.oracle.put(&key, &put.shard_id, &put.sequence_number);
    }
    let script = Script::new(&fleet, |_| takes_ms(100));
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    fleet.until("some are handled", || script.handled() >= 20).await;
    fleet.stop("a").await;
    assert!((30..100).contains(&script.handled()), "{} handled", script.handled());
    fleet.start_with("b", fleet.settings("b"), fleet.ports(), script.lanes(8));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_one_aggregate_have_lanes_of_their_own_and_are_committed_one_by_one() {
    let mut fleet = Fleet::new(1);
    let position = put_aggregate(&fleet, &["x", "x", "y", "x", "z"], b"user record");
    let hangs = |record: &Record| if &*record.partition_key == "y" { Does::Hangs } else { takes_ms(10) };
    let first = Script::new(&fleet, hangs);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), first.lanes(8));
    fleet.until("the other keys are handled", || first.handled() == 4).await;
    sleep(secs(2)).await;
    fleet.crash("a").await;
    let expected = RecordPosition { sub_sequence_number: 1, ..position };
    assert_eq!(fleet.row(&shard_id(0)).await.checkpoint, Checkpoint::At(expected));
    let second = Script::new(&fleet, |_| takes_ms(0));
    fleet.start_with("b", fleet.settings("b"), fleet.ports(), second.lanes(8));
    fleet.drain().await;
    sleep(secs(1)).await;
    assert_eq!(second.handled(), 3);
    assert_eq!(fleet.assert_good(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_handled_long_after_the_last_read_is_committed() {
    let mut fleet = Fleet::new(1);
    let checkpoint = fleet.put_one();
    let script = Script::new(&fleet, |_| takes_ms(20_000));
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    fleet.drain().await;
    let handled_at = Instant::now();
    fleet.until_rows("the position is in the row", |rows| rows[0].checkpoint == checkpoint).await;
    assert!(handled_at.elapsed() < secs(1), "{:?}", handled_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_committed_once_a_second_however_many_records_it_has() {
    let mut fleet = Fleet::new(1);
    let script = Script::new(&fleet, |_| takes_ms(5));
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    for _ in 0..200 {
        fleet.put(20);
        sleep(Duration::from_millis(100)).await;
    }
    fleet.drain().await;
    let commits = fleet.count_events("Checkpointed");
    assert!((15..=21).contains(&commits), "{commits} commits in 20 s");
    let events = fleet.events.lock().unwrap();
    let reported = events
        .iter()
        .filter_map(|(_, event)| event.split("BatchProcessed").nth(1)?.split("records: ").nth(1));
    let records: usize = reported.map(|rest| rest.split(',').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(records, 4_000, "every record is reported once");
}

#[tokio::test(start_paused = true)]
async fn the_settings_may_name_another_interval() {
    let mut fleet = Fleet::new(1);
    let script = Script::new(&fleet, |_| takes_ms(5));
    let settings = WorkerSettings { checkpointing: Checkpointing::Every(secs(5)), ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), script.lanes(8));
    for _ in 0..40 {
        fleet.put(20);
        sleep(Duration::from_millis(500)).await;
    }
    let commits = fleet.count_events("Checkpointed");
    assert!((4..=5).contains(&commits), "{commits} commits in 20 s");
}

#[tokio::test(start_paused = true)]
async fn a_watermark_that_the_table_did_not_take_is_committed_again_though_it_does_not_move() {
    let mut fleet = Fleet::new(1);
    let fails = AtomicUsize::new(3);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { .. })
            if fails.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() =>
        {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    let checkpoint = fleet.put_one();
    let script = Script::new(&fleet, |_| takes_ms(5));
    fleet.start_with("a", fleet.settings("a"), ports, script.lanes(8));
    fleet
        .until_rows("the position is in the row", |rows| rows.iter().any(|row| row.checkpoint == checkpoint))
        .await;
    assert_eq!(fleet.count_events("CheckpointFailed"), 3);
}

/// What one of the shards holds back is not enough to keep the others from being read.
#[tokio::test(start_paused = true)]
async fn shards_with_lanes_go_on_within_the_smallest_budget() {
    let mut fleet = Fleet::new(8);
    for number in 0..400 {
        let (key, data) = (format!("key-{}", number % 40), vec![b'.'; 50_000]);
        let put = fleet.kinesis.put_record(&fleet.stream, &key, None, data.into()).unwrap();
        fleet.oracle.put(&key, &put.shard_id, &put.sequence_number);
    }
    let script = Script::new(&fleet, |_| takes_ms(20));
    let settings = WorkerSettings { fetch_bytes_max: 4 * 1024 * 1024, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), script.lanes(8));
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}
