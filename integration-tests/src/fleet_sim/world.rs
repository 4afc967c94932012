use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kcl_core::model::RecordPosition;

use super::fact::{Fact, What};
use super::journal::Journal;
use super::names::{RecordNo, ShardNo};

/// What all processes of a run share beside the backend: the only wall clock, and the journal of all that happens.
///
/// Processes run one after another, so the locks order nothing; they only make what is shared `Sync`, as ports must be.
#[derive(Debug)]
pub(super) struct World {
    now_micros: AtomicU64,
    journal: Mutex<Journal>,
    /// Where each record lies.
    positions: Mutex<BTreeMap<(ShardNo, RecordPosition), RecordNo>>,
}

impl World {
    /// A world at time zero.
    pub(super) fn new(journal: Journal) -> Self {
        Self { now_micros: AtomicU64::new(0), journal: Mutex::new(journal), positions: Mutex::default() }
    }

    /// The time since the start of the run.
    pub(super) fn now(&self) -> Duration {
        Duration::from_micros(self.now_micros.load(Ordering::Relaxed))
    }

    /// Time passes.
    pub(super) fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.now_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Something happens now.
    pub(super) fn tell(&self, what: What<'_>) {
        if let What::Put { shard, record, position, .. } = what {
            self.positions().insert((shard, position.clone()), record);
        }
        let fact = Fact { at: self.now(), what };
        self.journal().enter(&fact);
    }

    /// The records of a shard from one position to another.
    pub(super) fn records(
        &self,
        shard: ShardNo,
        from: &RecordPosition,
        to: &RecordPosition,
    ) -> Vec<RecordNo> {
        let range = (shard, from.clone())..=(shard, to.clone());
        self.positions().range(range).map(|(_, record)| *record).collect()
    }

    fn positions(&self) -> MutexGuard<'_, BTreeMap<(ShardNo, RecordPosition), RecordNo>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has happened so far.
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
