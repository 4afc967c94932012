use std::collections::BTreeMap;
use std::fmt;
use std::vec;

use super::fetch_budget::Room;
use super::{ChildShard, GET_RECORDS_MAX};
use crate::aggregation::{Expansion, Malformation};
use crate::model::Record;

/// The most records that are taken of a page at once, as many as a page can have Kinesis records. Aggregates of tiny records
/// hold far more than anybody could keep in memory in their place.
pub(crate) const BATCH_RECORDS_MAX: usize = GET_RECORDS_MAX as usize;

/// As many are taken however little room the budget has, unless fewer are asked for.
const BATCH_RECORDS_MIN: usize = 100;

/// A page of a shard on its way to the processor.
pub(crate) struct FetchedBatch {
    unpacked: Unpacked,
    /// How far the reader was behind the newest record of the shard, in milliseconds; 0 at the tip.
    pub(crate) millis_behind_latest: u64,
    /// At the end of a closed shard, after its last record, the shards that follow.
    pub(crate) shard_end: Option<Vec<ChildShard>>,
    /// What the page takes of the budget, until it is dropped: its Kinesis records, and then what is unpacked of them.
    room: Option<Room>,
    packed_bytes: usize,
}

/// Records of a page, in order.
#[derive(Debug, Default)]
pub(crate) struct NextRecords {
    pub(crate) records: Vec<Record>,
    /// Those, by index, that are not to be delivered, because they are aggregates that cannot be taken apart.
    pub(crate) malformed: BTreeMap<usize, Malformation>,
}

/// The records of a page.
pub(super) enum Unpacked {
    /// None of them is an aggregate.
    Plain(vec::IntoIter<Record>),
    /// What each of them is delivered as.
    Aggregated(vec::IntoIter<Expansion>, Option<Expansion>),
}

impl FetchedBatch {
    pub(super) fn new(
        unpacked: Unpacked,
        millis_behind_latest: u64,
        shard_end: Option<Vec<ChildShard>>,
        mut room: Option<Room>,
    ) -> Self {
        let packed_bytes = room.as_ref().map_or(0, Room::bytes) + unpacked.extra_bytes();
        if let Some(room) = &mut room {
            room.try_grow(packed_bytes);
        }
        Self { unpacked, millis_behind_latest, shard_end, room, packed_bytes }
    }

    /// The next records for the processor, in order, up to `records_max` of them; none once it has them all. It has finished
    /// with those before.
    pub(crate) fn next_records(&mut self, records_max: usize) -> NextRecords {
        if let Unpacked::Plain(records) = &mut self.unpacked
            && records.len() <= records_max
        {
            // All that is left is given away, and no more room is needed. Of a page that fits at once nothing is copied.
            return NextRecords { records: std::mem::take(records).collect(), malformed: BTreeMap::new() };
        }
        let wanted = self.unpacked.remaining(records_max);
        let count = self.grow_for(wanted).clamp(BATCH_RECORDS_MIN.min(records_max), records_max);
        self.unpacked.take(count)
    }

    /// What the page takes of the budget, for whoever keeps its records for longer than the page. It keeps no other page
    /// from being read but by its bytes.
    pub(crate) fn take_room(&mut self) -> Option<Room> {
        let mut room = self.room.take()?;
        room.leave_queue();
        Some(room)
    }

    /// How many of `wanted` records the budget has room for beside the page.
    fn grow_for(&mut self, wanted: usize) -> usize {
        let Some(room) = &mut self.room else { return wanted };
        room.try_grow(self.packed_bytes + wanted * size_of::<Record>());
        room.bytes().saturating_sub(self.packed_bytes) / size_of::<Record>()
    }

    /// True if there is nothing in it that a processor or its keeper needs to know.
    pub(super) fn is_empty(&self) -> bool {
        let has_records = match &self.unpacked {
            Unpacked::Plain(records) => !records.as_slice().is_empty(),
            Unpacked::Aggregated(expansions, current) => {
                !expansions.as_slice().is_empty() || current.is_some()
            }
        };
        !has_records && self.shard_end.is_none()
    }
}

impl Unpacked {
    pub(super) fn plain(records: Vec<Record>) -> Self {
        Self::Plain(records.into_iter())
    }

    pub(super) fn aggregated(expansions: Vec<Expansion>) -> Self {
        Self::Aggregated(expansions.into_iter(), None)
    }

    /// At most how many records are still to come; `count` of them need no more looks.
    fn remaining(&self, count: usize) -> usize {
        let (expansions, current) = match self {
            Self::Plain(records) => return records.len().min(count),
            Self::Aggregated(expansions, current) => (expansions, current),
        };
        let mut remaining = 0;
        for expansion in current.iter().chain(expansions.as_slice()) {
            remaining += usize::try_from(expansion.remaining()).unwrap_or(usize::MAX).min(count);
            if remaining >= count {
                return count;
            }
        }
        remaining
    }

    /// The next records, up to `count` of them.
    fn take(&mut self, count: usize) -> NextRecords {
        let mut next = NextRecords::default();
        next.records.reserve_exact(self.remaining(count));
        let NextRecords { records, malformed } = &mut next;
        let (expansions, current) = match self {
            Self::Plain(plain) => {
                records.extend(plain.take(count));
                return next;
            }
            Self::Aggregated(expansions, current) => (expansions, current),
        };
        while records.len() < count {
            if current.is_none() {
                *current = expansions.next();
            }
            let Some(expansion) = current else { break };
            let first = records.len();
            records.extend(expansion.take(count - first));
            if let Some(malformation) = expansion.take_malformation().filter(|_| records.len() > first) {
                malformed.insert(first, malformation);
            }
            if records.len() < count {
                *current = None;
            }
        }
        next
    }

    /// What is held beside the Kinesis records to take them apart.
    fn extra_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Aggregated(expansions, _) => expansions.as_slice().iter().map(Expansion::held_bytes).sum(),
        }
    }
}

impl fmt::Debug for FetchedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedBatch").field("shard_end", &self.shard_end).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
