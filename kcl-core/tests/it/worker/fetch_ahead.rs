//! Reading ahead of the processors: within a budget, and without one shard in the way of another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::WorkerSettings;
use kcl_core::model::{ShardId, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch};
use kcl_core::stream::{FanOutConsumer, FanOutSettings, Retrieval};
use kcl_core::testing::{DeliveryOracle, Fault, KinesisCall};
use tokio::time::{Instant, sleep};

use super::fleet::{AsyncScript, Fleet, Scripted, faulty_kinesis, secs, shard_id};

const MIB: usize = 1024 * 1024;

/// A processor that holds the first shards up until they are let go.
struct Gate {
    oracle: Arc<DeliveryOracle>,
    held: usize,
    is_shut: Arc<AtomicBool>,
}

#[async_trait]
impl AsyncScript for Gate {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        while batch.shard.shard_id < shard_id(self.held) && self.is_shut.load(Ordering::Relaxed) {
            sleep(secs(1)).await;
        }
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

/// Processors of which those of the first `held` shards hang.
fn gate(
    fleet: &Fleet,
    held: usize,
    is_shut: &Arc<AtomicBool>,
) -> impl Fn(&ShardKey) -> Scripted<Gate> + use<> {
    let (oracle, is_shut) = (Arc::clone(&fleet.oracle), Arc::clone(is_shut));
    move |_| Scripted {
        process: Gate { oracle: Arc::clone(&oracle), held, is_shut: Arc::clone(&is_shut) },
        calls: Arc::default(),
    }
}

fn both_ways() -> [Retrieval; 2] {
    let fan_out = FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()));
    [Retrieval::Polling, Retrieval::FanOut(fan_out)]
}

/// Puts records of 50 kB into each shard.
fn put_large(fleet: &mut Fleet, shards: u32, records_per_shard: usize) {
    for shard in 0..shards {
        let hash_key = (u128::MAX / u128::from(shards)) * u128::from(shard) + 1;
        for number in 0..records_per_shard {
            let mut data = format!("{shard}/{number}").into_bytes();
            data.resize(50_000, b'.');
            let key = format!("key-{shard}");
            let put =
                fleet.kinesis.put_record(&fleet.stream, &key, Some(hash_key), Bytes::from(data)).unwrap();
            fleet.oracle.put(&key, &put.shard_id, &put.sequence_number);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_processor_hangs_keeps_no_other_from_being_read() {
    for retrieval in both_ways() {
        let mut fleet = Fleet::new(4);
        let is_shut = Arc::new(AtomicBool::new(true));
        let settings = WorkerSettings { retrieval, fetch_bytes_max: 4 * MIB, ..fleet.settings("a") };
        let factory = gate(&fleet, 1, &is_shut);
        fleet.start_with("a", settings, fleet.ports(), factory);
        for _ in 0..40 {
            put_large(&mut fleet, 4, 10);
            sleep(secs(3)).await;
        }
        fleet.until("all but the first shard are read", || fleet.oracle.outstanding() == 400).await;
        is_shut.store(false, Ordering::Relaxed);
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_hangs_stops_the_reading_of_its_shard() {
    let mut fleet = Fleet::new(2);
    let is_shut = Arc::new(AtomicBool::new(true));
    let reads: Arc<Mutex<BTreeMap<ShardId, usize>>> = Arc::default();
    let count = Arc::clone(&reads);
    let ports = faulty_kinesis(&fleet, move |call| {
        if let KinesisCall::GetRecords(iterator) = call {
            *count.lock().unwrap().entry(iterator.shard.shard_id.clone()).or_default() += 1;
        }
        Fault::None
    });
    let factory = gate(&fleet, 1, &is_shut);
    fleet.start_with("a", fleet.settings("a"), ports, factory);
    for _ in 0..300 {
        fleet.put(20);
        sleep(secs(1)).await;
    }
    let reads_of = |number| reads.lock().unwrap()[&shard_id(number)];
    assert!(reads_of(0) < 25, "{} reads for a processor that hangs", reads_of(0));
    assert!(reads_of(1) > 250, "{} reads of the other shard", reads_of(1));
    is_shut.store(false, Ordering::Relaxed);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

struct Slow {
    oracle: Arc<DeliveryOracle>,
}

#[async_trait]
impl AsyncScript for Slow {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        sleep(secs(1)).await;
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_the_processor_works() {
    let mut fleet = Fleet::new(1);
    fleet.put(200);
    let ports = faulty_kinesis(&fleet, |call| match call {
        KinesisCall::GetRecords(_) => Fault::Delay(secs(1)),
        _ => Fault::None,
    });
    let mut settings = fleet.settings("a");
    settings.polling.records_per_read_max = 10;
    let oracle = Arc::clone(&fleet.oracle);
    let factory =
        move |_: &ShardKey| Scripted { process: Slow { oracle: Arc::clone(&oracle) }, calls: Arc::default() };
    let started = Instant::now();
    fleet.start_with("a", settings, ports, factory);
    fleet.drain().await;
    assert!(started.elapsed() < secs(27), "twenty batches took {:?}", started.elapsed());
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_would_be_left_unread_is_given_up_and_resumed() {
    let mut fleet = Fleet::new(2);
    let is_shut = Arc::new(AtomicBool::new(true));
    let open: Arc<Mutex<Vec<ShardId>>> = Arc::default();
    let subscribed = Arc::clone(&open);
    let ports = faulty_kinesis(&fleet, move |call| {
        if let KinesisCall::SubscribeToShard(shard, _) = call {
            subscribed.lock().unwrap().push(shard.shard_id.clone());
        }
        Fault::None
    });
    let [_, retrieval] = both_ways();
    let settings = WorkerSettings { retrieval, ..fleet.settings("a") };
    let factory = gate(&fleet, 1, &is_shut);
    fleet.start_with("a", settings, ports, factory);
    for _ in 0..200 {
        fleet.put(20);
        sleep(secs(1)).await;
    }
    is_shut.store(false, Ordering::Relaxed);
    fleet.drain().await;
    let of_first = open.lock().unwrap().iter().filter(|shard| **shard == shard_id(0)).count();
    assert_eq!(of_first, 2, "given up while the processor hung, and resumed when it went on");
    assert_eq!(fleet.count_events("ReadFailed"), 0);
    assert_eq!(fleet.assert_good(), 0);
}

/// A shard may be written 1,000 records of 1 kB a second.
#[tokio::test(start_paused = true)]
async fn a_busy_shard_keeps_up_next_to_one_whose_processor_hangs() {
    for retrieval in both_ways() {
        let mut fleet = Fleet::new(2);
        let is_shut = Arc::new(AtomicBool::new(true));
        let settings = WorkerSettings { retrieval, fetch_bytes_max: 64 * MIB, ..fleet.settings("a") };
        let factory = gate(&fleet, 1, &is_shut);
        fleet.start_with("a", settings, fleet.ports(), factory);
        let backlog = Bytes::from(vec![b'.'; 100_000]);
        for _ in 0..4_000 {
            fleet.kinesis.put_record(&fleet.stream, "backlog", Some(0), backlog.clone()).unwrap();
        }
        sleep(secs(100)).await;
        let data = Bytes::from(vec![b'.'; 1_000]);
        for _ in 0..20 {
            for _ in 0..1_000 {
                let put = fleet.kinesis.put_record(&fleet.stream, "busy", Some(u128::MAX), data.clone());
                let put = put.unwrap();
                fleet.oracle.put("busy", &put.shard_id, &put.sequence_number);
            }
            sleep(secs(1)).await;
        }
        let outstanding = fleet.oracle.outstanding();
        assert!(outstanding < 3_000, "{outstanding} records behind");
    }
}

/// Those that hang have all of the common half.
#[tokio::test(start_paused = true)]
async fn a_busy_subscription_keeps_up_next_to_many_shards_whose_processors_hang() {
    const SHARDS: u32 = 30;
    let mut fleet = Fleet::new(SHARDS as usize);
    let is_shut = Arc::new(AtomicBool::new(true));
    let [_, retrieval] = both_ways();
    let settings = WorkerSettings { retrieval, fetch_bytes_max: 64 * MIB, ..fleet.settings("a") };
    let factory = gate(&fleet, SHARDS as usize - 1, &is_shut);
    fleet.start_with("a", settings, fleet.ports(), factory);
    let backlog = Bytes::from(vec![b'.'; 100_000]);
    for shard in 0..SHARDS - 1 {
        let hash_key = (u128::MAX / u128::from(SHARDS)) * u128::from(shard) + 1;
        for _ in 0..100 {
            fleet.kinesis.put_record(&fleet.stream, "backlog", Some(hash_key), backlog.clone()).unwrap();
        }
    }
    sleep(secs(100)).await;
    let data = Bytes::from(vec![b'.'; 1_000]);
    for _ in 0..20 {
        for _ in 0..1_000 {
            let put = fleet.kinesis.put_record(&fleet.stream, "busy", Some(u128::MAX), data.clone()).unwrap();
            fleet.oracle.put("busy", &put.shard_id, &put.sequence_number);
        }
        sleep(secs(1)).await;
    }
    let outstanding = fleet.oracle.outstanding();
    assert!(outstanding < 3_000, "{outstanding} records behind");
}
