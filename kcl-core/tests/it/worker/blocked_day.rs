//! What a shard that stands still for a day costs in memory, beside others that go on.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisSettings, MemoryLeaseStore};
use kcl_core::model::{Record, StreamId, WorkerId};
use kcl_core::processor::{ProcessorError, for_each_record};
use kcl_core::stream::PollingSettings;
use kcl_core::worker::{Ports, Worker};
use kcl_core::{Event, WorkerSettings};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

const SHARDS: u32 = 100;

const HOUR: Duration = Duration::from_secs(3_600);

const DAY_HOURS: u32 = 24;

/// Each of the others gets so many records in an hour.
const RECORDS_PER_HOUR: u32 = 12;

/// What a hash map or a queue may grow by, though nothing stays in it. One number for each try of an hour, at the longest delay of
/// 30 s, would be more in a day.
const GROWTH_BYTES_MAX: i64 = 1024;

#[derive(Default)]
struct Seen {
    taken: AtomicUsize,
    tries: AtomicUsize,
    blocked: AtomicUsize,
}

/// Takes everything but what is poison.
fn take(seen: &Seen, record: &Record) -> Result<(), ProcessorError> {
    if &*record.partition_key == "poison" {
        let tries = seen.tries.fetch_add(1, Ordering::Relaxed);
        return Err(format!("try {tries} failed").into());
    }
    seen.taken.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

fn put(kinesis: &MemoryKinesis, stream: &StreamId, key: &str, shard: u32) {
    let hash_key = u128::MAX / u128::from(SHARDS) * u128::from(shard) + 1;
    kinesis.put_record(stream, key, Some(hash_key), Bytes::from_static(b"record")).unwrap();
}

/// A worker with a poison record in its first shard, and somebody who puts records into the others. What is read ahead of
/// a poison record has a bound of its own.
fn start(runtime: &Runtime) -> Arc<Seen> {
    let stream = StreamId::named("orders").unwrap();
    let settings = MemoryKinesisSettings { retention: HOUR, ..Default::default() };
    let kinesis = Arc::new(MemoryKinesis::new(settings));
    kinesis.create_stream(&stream, SHARDS as usize).unwrap();
    put(&kinesis, &stream, "poison", 0);
    let leases = Arc::new(MemoryLeaseStore::default());
    let ports = Ports { kinesis: Arc::<MemoryKinesis>::clone(&kinesis), leases };
    // A day is long, and looking for nothing is not what is measured.
    let settings = WorkerSettings {
        failover_time: Duration::from_secs(600),
        lease_scan_interval: Duration::from_secs(60),
        polling: PollingSettings {
            idle_time_between_reads: Duration::from_secs(300),
            ..PollingSettings::default()
        },
        ..WorkerSettings::new(stream.clone(), WorkerId::new("a").unwrap())
    };
    let seen = Arc::new(Seen::default());
    let (taking, told) = (Arc::clone(&seen), Arc::clone(&seen));
    let worker = Worker::new(settings, ports, for_each_record(move |record| ready(take(&taking, &record))))
        .with_event_sink(move |_: &WorkerId, event: &Event<'_>| {
            if let Event::ShardBlocked { .. } = event {
                told.blocked.fetch_add(1, Ordering::Relaxed);
            }
        });
    runtime.spawn(worker.run(pending()));
    runtime.spawn(async move {
        loop {
            sleep(HOUR / RECORDS_PER_HOUR).await;
            (1..SHARDS).for_each(|shard| put(&kinesis, &stream, "key", shard));
        }
    });
    seen
}

#[test]
fn a_day_of_a_blocked_shard_costs_no_memory() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let seen = start(&runtime);
    // Until what is put and what leaves the stream are in balance.
    runtime.block_on(async { sleep(4 * HOUR).await });
    let (taken, tries) = (seen.taken.load(Ordering::Relaxed), seen.tries.load(Ordering::Relaxed));
    let day = measure(|| runtime.block_on(async { sleep(DAY_HOURS * HOUR).await }));
    let (taken, tries) =
        (seen.taken.load(Ordering::Relaxed) - taken, seen.tries.load(Ordering::Relaxed) - tries);
    assert_eq!(taken, (DAY_HOURS * RECORDS_PER_HOUR * (SHARDS - 1)) as usize, "the others go on");
    assert!(tries > 2_000, "{tries} tries: it is still tried");
    assert_eq!(seen.blocked.load(Ordering::Relaxed), 1, "it is said once");
    assert!(day.bytes_current < GROWTH_BYTES_MAX, "{} bytes more after a day", day.bytes_current);
}
