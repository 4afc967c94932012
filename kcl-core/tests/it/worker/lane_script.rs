//! A handler that does as it is told, in lanes, and remembers what it has seen.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kcl_core::model::{Record, RecordPosition, ShardKey};
use kcl_core::processor::{ProcessorError, ProcessorFactory, for_each_record};
use kcl_core::testing::DeliveryOracle;
use tokio::time::sleep;

use super::fleet::Fleet;

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

/// The keys of the fleet's records number 3, 23, 43 and so on.
pub(super) fn is_key_3(record: &Record) -> bool {
    &*record.partition_key == "key-3"
}
