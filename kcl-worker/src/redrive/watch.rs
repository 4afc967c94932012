use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kcl_core::model::{RecordPosition, ShardId};
use kcl_core::{BlockReason, Event};
use tokio_util::sync::CancellationToken;

use super::letters::Letters;

/// Sees from the worker's events how far it is, and stops it when all is done, or when what fails would fail for ever.
#[derive(Debug)]
pub(super) struct Watch {
    letters: Arc<Letters>,
    /// How often a shard may fail; `None` if as often as it likes.
    failures_max: Option<u32>,
    stop: CancellationToken,
    seen: Mutex<Seen>,
}

/// What there was to see.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Shards that are processed to their end.
    pub(super) ended: BTreeSet<ShardId>,
    /// The first and the last of records that were given up again, and that the destination has.
    pub(super) given_up: Vec<(ShardId, RecordPosition, RecordPosition)>,
    /// Why the worker is stopped, if it did not come to the end.
    pub(super) trouble: Option<String>,
    failures: BTreeMap<ShardId, u32>,
    records: usize,
}

impl Watch {
    pub(super) fn new(letters: Arc<Letters>, failures_max: Option<u32>, stop: CancellationToken) -> Self {
        Self { letters, failures_max, stop, seen: Mutex::default() }
    }

    pub(super) fn note(&self, event: &Event<'_>) {
        let mut seen = self.lock();
        match event {
            Event::ShardEnded { shard, .. } => {
                seen.ended.insert(shard.shard_id.clone());
                if seen.ended.len() == self.letters.shards.len() {
                    self.stop.cancel();
                }
            }
            Event::BatchProcessed { records, .. } => seen.records += records,
            Event::RecordsSentToDestination { shard, from, to, .. } => {
                seen.given_up.push((shard.shard_id.clone(), (*from).clone(), (*to).clone()));
            }
            // A call past its deadline, or a processor that cannot be made.
            Event::ShardFailed { shard, error, .. } => {
                let failures = seen.failures.entry(shard.shard_id.clone()).or_default();
                *failures += 1;
                if self.failures_max.is_some_and(|max| *failures > max) {
                    self.give_up(&mut seen, format!("shard {shard}: {error}"));
                }
            }
            // A call without records, of which none can be given up.
            Event::ShardBlocked { shard, reason: BlockReason::Exhausted(_), error, .. } => {
                self.give_up(&mut seen, format!("shard {shard}: {error}"));
            }
            _ => {}
        }
    }

    /// How far it is, in words. Records that are delivered again count again.
    pub(super) fn text(&self) -> String {
        let seen = self.lock();
        let (records, ended) = (seen.records, seen.ended.len());
        let (all, shards) = (self.letters.len(), self.letters.shards.len());
        format!("redrive: {records} of {all} records processed, {ended} of {shards} shards done")
    }

    pub(super) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn give_up(&self, seen: &mut Seen, trouble: String) {
        seen.trouble.get_or_insert(trouble);
        self.stop.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
