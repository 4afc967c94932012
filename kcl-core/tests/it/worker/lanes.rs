//! Handlers that are called for several records of a shard at a time.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kcl_core::model::{Checkpoint, Record, RecordPosition, ShardKey};
use kcl_core::processor::{ProcessorError, ProcessorFactory, for_each_record};
use kcl_core::testing::DeliveryOracle;
use tokio::time::{Instant, sleep};

use super::aggregates::put_aggregate;
use super::fleet::{Fleet, secs, shard_id};

/// What a handler does with a record.
pub(super) enum Does {
    /// Returns `Ok` after this long.
    Takes(Duration),
    Hangs,
    Fails,
    Panics,
}

/// What a handler does, and what it has seen of all records.
#[derive(Clone)]
pub(super) struct Script {
    oracle: Arc<DeliveryOracle>,
    does: Arc<dyn Fn(&Record) -> Does + Send + Sync>,
    pub(super) seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
pub(super) struct Seen {
    /// Keys of which a call is under way.
    running: BTreeSet<String>,
    /// The most at a time.
    pub(super) together_max: usize,
    /// The records of which a call has returned `Ok`, in that order.
    pub(super) handled: Vec<RecordPosition>,
}

impl Script {
    pub(super) fn new(fleet: &Fleet, does: impl Fn(&Record) -> Does + Send + Sync + 'static) -> Self {
        Self { oracle: Arc::clone(&fleet.oracle), does: Arc::new(does), seen: Arc::default() }
    }

    /// Handles `calls` records of a shard at a time.
    pub(super) fn lanes(&self, calls: usize) -> impl ProcessorFactory + use<> {
        self.lanes_within(calls, usize::MAX)
    }

    /// Handles `calls` records of a shard at a time, with up to `window` in flight.
    pub(super) fn lanes_within(&self, calls: usize, window: usize) -> impl ProcessorFactory + use<> {
        let script = self.clone();
        move |shard: &ShardKey| {
            let (script, shard) = (script.clone(), shard.clone());
            for_each_record(move |record| {
                let (script, shard) = (script.clone(), shard.clone());
                async move { script.handle(&shard, record).await }
            })
            .concurrency(calls)
            .window(window, usize::MAX)
        }
    }

    async fn handle(&self, shard: &ShardKey, record: Record) -> Result<(), ProcessorError> {
        let _running = self.begin(&record);
        match (self.does)(&record) {
            Does::Takes(time) => sleep(time).await,
            Does::Hangs => pending().await,
            Does::Fails => return Err("not this one".into()),
            Does::Panics => panic!("not this one either"),
        }
        self.seen.lock().unwrap().handled.push(record.position.clone());
        self.oracle.deliver(shard, &record);
        Ok(())
    }

    fn begin(&self, record: &Record) -> Running {
        let key = record.partition_key.to_string();
        let mut seen = self.seen.lock().unwrap();
        assert!(seen.running.insert(key.clone()), "two calls at a time for {key}");
        seen.together_max = seen.together_max.max(seen.running.len());
        Running { key, seen: Arc::clone(&self.seen) }
    }

    pub(super) fn running(&self) -> usize {
        self.seen.lock().unwrap().running.len()
    }

    pub(super) fn handled(&self) -> usize {
        self.seen.lock().unwrap().handled.len()
    }
}

/// Until it is dropped, wherever its call ends.
struct Running {
    key: String,
    seen: Arc<Mutex<Seen>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).running.remove(&self.key);
    }
}

pub(super) fn takes_ms(time: u64) -> Does {
    Does::Takes(Duration::from_millis(time))
}

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

/// The keys of the fleet's records number 3, 23, 43 and so on.
pub(super) fn is_key_3(record: &Record) -> bool {
    &*record.partition_key == "key-3"
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
    fleet.until("half are handled", || script.handled() >= 100).await;
    fleet.stop("a").await;
    assert_eq!(script.handled(), 200 - fleet.oracle.outstanding());
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
