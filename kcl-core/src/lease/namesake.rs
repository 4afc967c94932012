use std::collections::BTreeMap;

use super::LeaseBook;
use crate::model::{ShardKey, WorkerId};

/// Finds out that another running process uses this worker's id (L5 of the [protocol](super)).
///
/// Rows that named this worker before it took anything were left by a predecessor of the same name, and stand still
/// until they expire. One that moves is renewed by a twin. Pure.
#[derive(Debug, Default)]
pub(crate) struct NamesakeWatch {
    /// The counters of such rows; `None` before the first look.
    inherited: Option<BTreeMap<ShardKey, u64>>,
}

impl NamesakeWatch {
    /// Looks at a new scan, of which `held` says what this worker itself holds. Returns a shard that a twin renews.
    pub(crate) fn look(
        &mut self,
        book: &LeaseBook,
        me: &WorkerId,
        held: impl Fn(&ShardKey) -> bool,
    ) -> Option<ShardKey> {
        let foreign = |shard: &ShardKey| {
            let row = book.get(shard).filter(|row| row.is_owned_by(me) && !held(shard))?;
            Some(row.counter)
        };
        let Some(inherited) = &mut self.inherited else {
            let rows = book.leases().filter_map(|row| Some((row.shard.clone(), foreign(&row.shard)?)));
            self.inherited = Some(rows.collect());
            return None;
        };
        inherited.retain(|shard, _| foreign(shard).is_some());
        inherited
            .iter()
            .find(|(shard, counter)| foreign(shard) != Some(**counter))
            .map(|(shard, _)| shard.clone())
    }

    /// This worker is about to write the row: from here on it may move by our own hand.
    pub(crate) fn forget(&mut self, shard: &ShardKey) {
        if let Some(inherited) = &mut self.inherited {
            inherited.remove(shard);
        }
    }
}
