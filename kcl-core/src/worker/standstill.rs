use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::{Event, Events};
use crate::lease::{LeaseBook, lineage};
use crate::model::{MonotonicTime, ShardId, ShardKey};

/// Tells why a shard that nobody owns is not started, once for each reason and not at every look; and when it is so no
/// longer.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    /// What each waiting shard waits for, as last reported.
    waiting: BTreeMap<ShardKey, Vec<ShardId>>,
    /// Shards reported as unclaimed.
    unclaimed: BTreeSet<ShardKey>,
}

impl Standstill {
    /// Reports what is new. A lease is unclaimed once its row has not moved for `unclaimed_after`.
    pub(super) fn report(
        &mut self,
        book: &LeaseBook,
        now: MonotonicTime,
        unclaimed_after: Duration,
        events: &Events,
    ) {
        let mut waiting = BTreeMap::new();
        let mut unclaimed = BTreeSet::new();
        let is_free = |shard| book.live_owner(shard, now).is_none();
        for lease in book.leases().filter(|lease| !lease.is_finished() && is_free(&lease.shard)) {
            let unfinished = lineage::unfinished_parents(lease, book);
            if !unfinished.is_empty() {
                waiting.insert(lease.shard.clone(), unfinished);
            } else if book.free_for(&lease.shard, now) >= unclaimed_after {
                unclaimed.insert(lease.shard.clone());
            }
        }
        for (shard, unfinished) in &waiting {
            if self.waiting.get(shard) != Some(unfinished) {
                events.emit(&Event::WaitingForParents { shard, unfinished });
            }
        }
        for shard in unclaimed.difference(&self.unclaimed) {
            events.emit(&Event::LeaseUnclaimed { shard });
        }
        let stood = self.waiting.keys().chain(&self.unclaimed);
        for shard in stood.filter(|shard| !waiting.contains_key(*shard) && !unclaimed.contains(*shard)) {
            events.emit(&Event::StandstillOver { shard });
        }
        *self = Self { waiting, unclaimed };
    }
}
