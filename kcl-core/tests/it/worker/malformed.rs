//! Aggregates that cannot be taken apart, where the settings have them fail: as if the processor had failed on each alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::aggregation::{MAGIC, MalformedAggregates};
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, FailedAt, FailedBatch, FailurePolicy, OnFailureDestination, ProcessorError,
    ProcessorFactory, RecordBatch, RecordProcessor, Sent, WhenExhausted,
};
use kcl_core::stream::Kinesis as _;
use kcl_core::testing::DeliveryOracle;
use kcl_core::worker::Worker;
use kcl_core::{Result, WorkerSettings};
use tokio::time::sleep;

use super::aggregates::put_aggregate;
use super::fleet::{Fleet, secs};
use super::lane_script::{Does, Script, takes_ms};
use super::picky::{Taste, picky, two_retries};
use super::random::Random;

/// Puts what begins as an aggregate and is none. Returns its data.
fn put_malformed(fleet: &Fleet, key: &str) -> Bytes {
    let text = format!(" of {key}, and then sixteen bytes that digest nothing");
    let data = Bytes::from([&MAGIC, text.as_bytes()].concat());
    let put = fleet.kinesis.put_record(&fleet.stream, key, None, data.clone()).unwrap();
    fleet.oracle.put(key, &put.shard_id, &put.sequence_number);
    data
}

fn settings(fleet: &Fleet, failure_policy: FailurePolicy) -> WorkerSettings {
    let malformed_aggregates = MalformedAggregates::Fail;
    WorkerSettings { failure_policy, malformed_aggregates, ..fleet.settings("a") }
}

/// Keeps what it is sent, and tells the oracle.
#[derive(Debug, Clone)]
struct Shelf {
    oracle: Arc<DeliveryOracle>,
    batches: Arc<Mutex<Vec<FailedBatch>>>,
}

#[async_trait]
impl OnFailureDestination for Shelf {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        batch.records.iter().for_each(|record| self.oracle.deliver(&batch.shard, record));
        self.batches.lock().unwrap().push(batch.clone());
        Ok(Sent::Taken)
    }
}

/// Starts a worker that sends what it gives up to the shelf.
fn start(fleet: &mut Fleet, policy: FailurePolicy, processors: impl ProcessorFactory) -> Shelf {
    let shelf = Shelf { oracle: Arc::clone(&fleet.oracle), batches: Arc::default() };
    let worker = Worker::new(settings(fleet, policy), fleet.ports(), processors);
    fleet.start_worker("a", worker.with_on_failure_destination(shelf.clone()));
    shelf
}

#[tokio::test(start_paused = true)]
async fn a_malformed_aggregate_goes_to_the_destination_as_it_came_and_the_others_are_delivered() {
    let mut fleet = Fleet::new(1);
    fleet.put(2);
    let data = [put_malformed(&fleet, "x"), put_malformed(&fleet, "y")];
    fleet.put(3);
    let taste = Taste::bad([]);
    let factory = picky(&fleet, &taste, false);
    let shelf = start(&mut fleet, two_retries(WhenExhausted::SendToDestination), factory);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(taste.calls(), [vec![0, 1], vec![2, 3, 4]], "the processor sees nothing of them");
    let batches = shelf.batches.lock().unwrap();
    let sent: Vec<&Bytes> =
        batches.iter().flat_map(|batch| &batch.records).map(|record| &record.data).collect();
    assert_eq!(sent, [&data[0], &data[1]]);
    for batch in &*batches {
        assert_eq!((batch.records.len(), batch.attempts), (1, 3), "a try and two retries of each");
        let error = batch.error.as_deref().unwrap();
        assert!(error.contains("cannot be taken apart: the digest at its end"), "{error}");
        assert!(batch.first_failed_at.unwrap() < batch.given_up_at, "there is a delay between the tries");
    }
    assert_eq!((fleet.count_events("ProcessorFailed"), fleet.count_events("AggregateMalformed")), (6, 1));
}

#[tokio::test(start_paused = true)]
async fn what_lies_before_a_malformed_aggregate_is_committed_and_the_shard_is_blocked_on_it() {
    for (is_lanes, maximum_record_age) in [(false, None), (true, None), (true, Some(secs(1)))] {
        let mut fleet = Fleet::new(1);
        fleet.put(2);
        let third = fleet.put_one();
        put_malformed(&fleet, "x");
        fleet.put(3);
        sleep(secs(2)).await;
        let policy = FailurePolicy { maximum_record_age, ..two_retries(WhenExhausted::Block) };
        let (settings, ports) = (settings(&fleet, policy), fleet.ports());
        let script = Script::new(&fleet, |_| takes_ms(5));
        if is_lanes {
            fleet.start_with("a", settings, ports, script.lanes(8));
        } else {
            fleet.start_with("a", settings, ports, fleet.recorder());
        }
        sleep(secs(300)).await;
        // Other keys go on in lanes.
        assert_eq!(fleet.oracle.outstanding(), if is_lanes { 1 } else { 4 });
        assert_eq!((fleet.count_events("ShardBlocked"), fleet.count_events("ShardUnblocked")), (1, 0));
        let reason = "), error: \"the record begins as an aggregate";
        assert_eq!(fleet.count_events(reason), 1);
        assert_eq!(fleet.rows().await[0].checkpoint, third, "up to the last before it");
        fleet.stop("a").await;
        fleet.start("b");
        fleet.drain().await;
        let repeated = if is_lanes { 3 } else { 0 };
        assert_eq!(fleet.assert_good(), repeated, "the next owner begins at it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_aggregate_that_is_skipped_is_counted_and_what_stops_the_worker_is_named() {
    let mut fleet = Fleet::new(1);
    put_malformed(&fleet, "x");
    let settings_to = |fleet: &Fleet, exhausted| settings(fleet, two_retries(exhausted));
    let stopping = settings_to(&fleet, WhenExhausted::StopWorker);
    fleet.start_with("a", stopping, fleet.ports(), fleet.recorder());
    let error = fleet.outcome("a").await.unwrap_err().to_string();
    assert!(error.contains("RetryAttemptsExhausted") && error.contains("cannot be taken apart"), "{error}");
    let last = fleet.put_one();
    let skipping = settings_to(&fleet, WhenExhausted::Skip);
    fleet.start_with("a", skipping, fleet.ports(), fleet.recorder());
    fleet.until_rows("nothing stands in the way", |rows| rows[0].checkpoint == last).await;
    assert_eq!(fleet.count_events("RecordsSkipped"), 1);
    assert_eq!(fleet.count_events("count: 1, condition: RetryAttemptsExhausted"), 1);
    assert_eq!(fleet.oracle.outstanding(), 1, "it is delivered to nobody");
}

/// What a record is, by its data.
fn is_bad(record: &Record) -> bool {
    &record.data[..] == b"bad"
}

fn is_malformed(record: &Record) -> bool {
    record.data.starts_with(&MAGIC)
}

/// Takes all but bad records, and says which it is or not.
struct Choosy {
    oracle: Arc<DeliveryOracle>,
    blames: bool,
    saw_malformed: Arc<AtomicBool>,
}

#[async_trait]
impl RecordProcessor for Choosy {
    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        _: &Checkpointer,
    ) -> std::result::Result<(), ProcessorError> {
        self.saw_malformed.fetch_or(batch.records.iter().any(is_malformed), Ordering::Relaxed);
        let bad = batch.records.iter().find(|record| is_bad(record));
        if self.blames || bad.is_none() {
            let taken = batch.records.iter().take_while(|record| !is_bad(record));
            taken.for_each(|record| self.oracle.deliver(&batch.shard, record));
        }
        match bad {
            Some(bad) if self.blames => Err(FailedAt::new(&bad.position, "a bad one").into()),
            Some(_) => Err("there is a bad one".into()),
            None => Ok(()),
        }
    }
}

/// Puts aggregates, malformed ones, plain records and bad ones, at random.
fn put_at_random(fleet: &mut Fleet, random: &mut Random) {
    for _ in 0..random.below(30) {
        let key = format!("key-{}", random.below(6));
        match random.below(4) {
            0 => drop(put_aggregate(fleet, &[&key, "x", &key, "y"], b"user record")),
            1 => drop(put_aggregate(fleet, &["x", &key], b"bad")),
            2 => drop(put_malformed(fleet, &key)),
            _ => fleet.put(1),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_of_random_pages_is_delivered_or_in_the_destination_once_and_in_order() {
    for seed in 0..60 {
        let (mut random, mut fleet) = (Random::new(seed), Fleet::new(1));
        let (form, oracle) = (random.below(4), Arc::clone(&fleet.oracle));
        let policy = FailurePolicy {
            maximum_retry_attempts: Some(random.below(3).try_into().unwrap()),
            bisect_batch_on_error: form == 1,
            when_exhausted: WhenExhausted::SendToDestination,
            ..FailurePolicy::default()
        };
        let saw_malformed = Arc::new(AtomicBool::new(false));
        let (in_lanes, in_batches) = (Arc::clone(&saw_malformed), Arc::clone(&saw_malformed));
        let script = Script::new(&fleet, move |record| {
            in_lanes.fetch_or(is_malformed(record), Ordering::Relaxed);
            if is_bad(record) { Does::Fails } else { takes_ms(5) }
        });
        put_at_random(&mut fleet, &mut random);
        let choosy = move |_: &ShardKey| Choosy {
            oracle: Arc::clone(&oracle),
            blames: form == 2,
            saw_malformed: Arc::clone(&in_batches),
        };
        let shelf = match form {
            0 => start(&mut fleet, policy, script.lanes(8)),
            _ => start(&mut fleet, policy, choosy),
        };
        for _ in 0..3 {
            sleep(secs(random.below(4))).await;
            put_at_random(&mut fleet, &mut random);
        }
        let last = fleet.put_one();
        fleet.drain().await;
        fleet.until_rows("all is committed", |rows| rows[0].checkpoint == last).await;
        assert_eq!(fleet.assert_good(), 0, "seed {seed}");
        assert!(!saw_malformed.load(Ordering::Relaxed), "seed {seed}");
        for batch in &*shelf.batches.lock().unwrap() {
            assert_eq!(batch.stream_arn, fleet.kinesis.stream_arn(&fleet.stream));
            let is_alone = batch.records.len() == 1;
            assert!(is_alone || !batch.records.iter().any(is_malformed), "seed {seed}");
            assert!(form == 3 || batch.records.iter().all(|record| is_bad(record) || is_malformed(record)));
            assert!(batch.records.iter().any(|record| is_bad(record) || is_malformed(record)), "seed {seed}");
        }
    }
}
