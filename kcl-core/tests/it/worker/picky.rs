//! A processor that does not take some records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::WorkerSettings;
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, FailedAt, FailurePolicy, ProcessorError, ProcessorFactory, RecordBatch, RecordProcessor,
    WhenExhausted,
};
use kcl_core::testing::DeliveryOracle;

use super::fleet::Fleet;

/// What the processors of a test fail on; shared by all of them.
#[derive(Debug, Default)]
pub(super) struct Taste {
    /// The data of the records that are not taken, as [`Fleet::put`] numbers them.
    bad: Mutex<BTreeSet<usize>>,
    /// The numbers of the records of each call.
    calls: Mutex<Vec<Vec<usize>>>,
}

impl Taste {
    pub(super) fn bad(numbers: impl IntoIterator<Item = usize>) -> Arc<Self> {
        Arc::new(Self { bad: Mutex::new(numbers.into_iter().collect()), calls: Mutex::default() })
    }

    /// From here on everything is taken.
    pub(super) fn mend(&self) {
        self.bad.lock().unwrap().clear();
    }

    /// From here on this one is taken, too.
    pub(super) fn acquire(&self, number: usize) {
        self.bad.lock().unwrap().remove(&number);
    }

    pub(super) fn calls(&self) -> Vec<Vec<usize>> {
        self.calls.lock().unwrap().clone()
    }

    fn dislikes(&self, record: &Record) -> bool {
        self.bad.lock().unwrap().contains(&number(record))
    }
}

/// Delivers to the oracle what it takes.
struct Picky {
    taste: Arc<Taste>,
    oracle: Arc<DeliveryOracle>,
    /// Takes what is before the record that it fails on, and says which that is.
    blames: bool,
}

#[async_trait]
impl RecordProcessor for Picky {
    async fn process_records(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        let bad = batch.records.iter().find(|record| self.taste.dislikes(record));
        self.taste.calls.lock().unwrap().push(batch.records.iter().map(number).collect());
        let taken = batch.records.iter().take_while(|record| !self.taste.dislikes(record));
        if self.blames || bad.is_none() {
            taken.for_each(|record| self.oracle.deliver(&batch.shard, record));
        }
        match bad {
            Some(bad) if self.blames => Err(FailedAt::new(&bad.position, "not to my taste").into()),
            Some(_) => Err("one of them is not to my taste".into()),
            None => Ok(()),
        }
    }
}

pub(super) fn number(record: &Record) -> usize {
    let text = std::str::from_utf8(&record.data).unwrap();
    text.trim_start_matches("record ").parse().unwrap()
}

/// Starts a worker whose processors have this taste.
pub(super) fn start_picky(
    fleet: &mut Fleet,
    name: &str,
    policy: FailurePolicy,
    taste: &Arc<Taste>,
    blames: bool,
) {
    let settings = WorkerSettings { failure_policy: policy, ..fleet.settings(name) };
    let factory = picky(fleet, taste, blames);
    fleet.start_with(name, settings, fleet.ports(), factory);
}

pub(super) fn picky(fleet: &Fleet, taste: &Arc<Taste>, blames: bool) -> impl ProcessorFactory + use<> {
    let (taste, oracle) = (Arc::clone(taste), Arc::clone(&fleet.oracle));
    move |_: &ShardKey| Picky { taste: Arc::clone(&taste), oracle: Arc::clone(&oracle), blames }
}

/// A policy with two retries.
pub(super) fn two_retries(when_exhausted: WhenExhausted) -> FailurePolicy {
    FailurePolicy { maximum_retry_attempts: Some(2), when_exhausted, ..FailurePolicy::default() }
}
