use std::collections::BTreeMap;
use std::time::Duration;

use super::LeaseBook;
use crate::model::{MonotonicTime, ShardKey, WorkerId};

/// Finds out that another running process uses this worker's id (L5 of the [protocol](super)).
///
/// A row that names this worker although it does not hold the lease was left by a predecessor of the same name, or by
/// a write of its own that arrived late. Such a row soon stands still. One that rises after it should have, above what
/// was seen then, is renewed by a twin. Pure.
#[derive(Debug)]
pub(crate) struct NamesakeWatch {
    patience: Duration,
    foreign: BTreeMap<ShardKey, Sighting>,
}

/// A row that names this worker and is not its own.
#[derive(Debug)]
struct Sighting {
    first_seen_at: MonotonicTime,
    /// The highest so far: a stale scan may show a lower one again.
    counter: u64,
    /// A look came later than the patience: from here on the row stands still, unless a twin renews it.
    is_settled: bool,
}

impl NamesakeWatch {
    /// Nothing seen yet. Stale scans and late writes are over within `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, foreign: BTreeMap::new() }
    }

    /// Looks at a new scan. Returns a shard that a twin renews.
    pub(crate) fn look(
        &mut self,
        book: &LeaseBook,
        me: &WorkerId,
        holds: impl Fn(&ShardKey) -> bool,
        now: MonotonicTime,
    ) -> Option<ShardKey> {
        let is_foreign =
            |shard: &ShardKey| !holds(shard) && book.get(shard).is_some_and(|row| row.is_owned_by(me));
        self.foreign.retain(|shard, _| is_foreign(shard));
        let mut twin = None;
        for row in book.leases().filter(|row| is_foreign(&row.shard)) {
            let new = Sighting { first_seen_at: now, counter: row.counter, is_settled: false };
            let sighting = self.foreign.entry(row.shard.clone()).or_insert(new);
            if sighting.is_settled && row.counter > sighting.counter {
                twin = Some(row.shard.clone());
            }
            sighting.is_settled |= now.saturating_since(sighting.first_seen_at) > self.patience;
            sighting.counter = sighting.counter.max(row.counter);
        }
        twin
    }

    /// This worker is about to write the row: from here on it may move by our own hand.
    pub(crate) fn forget(&mut self, shard: &ShardKey) {
        self.foreign.remove(shard);
    }
}
