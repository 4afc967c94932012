//! What a worker holds in memory for shards whose processors have stopped.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::WorkerSettings;
use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Record, ShardKey, StreamId, WorkerId};
use kcl_core::processor::{
    Checkpointer, ProcessorError, ProcessorFactory, RecordBatch, RecordProcessor, for_each_record,
};
use kcl_core::stream::{FanOutConsumer, FanOutSettings, Retrieval};
use kcl_core::worker::{Ports, Worker};
use tokio::time::sleep;

use super::shown::showing_records;

const SHARDS: u32 = 1_000;

const MIB: usize = 1024 * 1024;

/// Tasks, leases, what the runtime needs: for each shard beside its records.
const SHARD_BYTES: usize = 30_000;

struct Stopped;

#[async_trait]
impl RecordProcessor for Stopped {
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        pending().await
    }
}

/// Puts so many records into each shard.
fn fill(kinesis: &MemoryKinesis, stream: &StreamId, data: &Bytes, records: usize) {
    for shard in 0..SHARDS {
        let hash_key = u128::MAX / u128::from(SHARDS) * u128::from(shard) + 1;
        for _ in 0..records {
            kinesis.put_record(stream, "key", Some(hash_key), data.clone()).unwrap();
        }
    }
}

/// An answer of the service has bytes of its own, those of the backend are shared with what is put.
fn copied(records: Vec<Record>) -> Vec<Record> {
    let copy = |record: Record| Record { data: Bytes::copy_from_slice(&record.data), ..record };
    records.into_iter().map(copy).collect()
}

/// The most bytes that a worker holds in twenty seconds, with so many records of `data` in each shard.
fn most_bytes_held(
    retrieval: Retrieval,
    budget_bytes: usize,
    data: &Bytes,
    records: usize,
    processors: impl ProcessorFactory,
) -> usize {
    let stream = StreamId::named("orders").unwrap();
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream, SHARDS as usize).unwrap();
    fill(&kinesis, &stream, data, records);
    let ports = Ports { kinesis, leases: Arc::new(MemoryLeaseStore::default()) };
    let settings = WorkerSettings {
        retrieval,
        fetch_bytes_max: budget_bytes,
        ..WorkerSettings::new(stream, WorkerId::new("a").unwrap())
    };
    let held = measure(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let worker = Worker::new(settings, showing_records(ports, copied), processors);
            tokio::select! {
                biased;
                ended = worker.run(pending()) => panic!("the worker ended: {ended:?}"),
                () = sleep(Duration::from_secs(20)) => {}
            }
        });
    });
    usize::try_from(held.bytes_max).unwrap()
}

fn check(retrieval: &Retrieval, budget_bytes: usize, data: &Bytes, records: usize) {
    check_behind(retrieval, budget_bytes, data, records, |_: &ShardKey| Stopped);
}

fn check_behind(
    retrieval: &Retrieval,
    budget_bytes: usize,
    data: &Bytes,
    records: usize,
    processors: impl ProcessorFactory,
) {
    let held = most_bytes_held(retrieval.clone(), budget_bytes, data, records, processors);
    let offered = SHARDS as usize * records * data.len();
    let allowed = budget_bytes + SHARDS as usize * SHARD_BYTES;
    assert!(held < allowed, "{held} bytes held, of {offered} offered by {retrieval:?}");
    assert!(held > budget_bytes / 2, "{held} bytes held: the test is without load");
}

fn both_ways() -> [Retrieval; 2] {
    let fan_out = FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()));
    [Retrieval::Polling, Retrieval::FanOut(fan_out)]
}

#[test]
fn a_thousand_shards_behind_stopped_processors_stay_inside_the_budget() {
    for retrieval in both_ways() {
        check(&retrieval, 32 * MIB, &Bytes::from(vec![b'.'; 5_000]), 40);
    }
}

#[test]
fn so_they_do_with_small_records() {
    let [_, fan_out] = both_ways();
    check(&fan_out, 32 * MIB, &Bytes::from(vec![b'.'; 100]), 300);
}

/// A shard always has room for one Kinesis record, so the budget is such that a thousand full aggregates are within it.
#[test]
fn so_they_do_with_aggregates() {
    let mut aggregator = Aggregator::default();
    let record = NewUserRecord { partition_key: "key", data: b"user record", ..NewUserRecord::default() };
    while aggregator.add(&record).unwrap() == Addition::Added {}
    let [polling, _] = both_ways();
    check(&polling, 128 * MIB, &aggregator.encode(), 4);
}

/// The tables of their keys take most of the memory.
#[test]
fn so_they_do_with_aggregates_of_many_keys() {
    let mut aggregator = Aggregator::with_limits(20_000, u64::MAX).unwrap();
    for number in 0.. {
        let (partition_key, explicit_hash_key) = ("key", Some(number));
        let record = NewUserRecord { partition_key, explicit_hash_key, ..NewUserRecord::default() };
        if aggregator.add(&record).unwrap() == Addition::Full {
            break;
        }
    }
    let [polling, _] = both_ways();
    check(&polling, 128 * MIB, &aggregator.encode(), 10);
}

/// Lanes take a page from the reader at once, and still hold it.
#[test]
fn so_they_do_behind_lanes() {
    for retrieval in both_ways() {
        let lanes = for_each_record(|_: Record| pending()).concurrency(4);
        check_behind(&retrieval, 32 * MIB, &Bytes::from(vec![b'.'; 5_000]), 40, lanes);
    }
}
