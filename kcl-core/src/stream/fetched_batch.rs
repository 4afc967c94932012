use std::fmt;
use std::vec;

use super::fetch_budget::Room;
use super::{ChildShard, GET_RECORDS_MAX};
use crate::aggregation::Expansion;
use crate::model::Record;

/// The most user records that a processor gets at once, as many as a page can have Kinesis records. Aggregates of tiny records
/// hold far more than anybody could keep in memory in their place.
const BATCH_RECORDS_MAX: usize = GET_RECORDS_MAX as usize;

/// A page of a shard on its way to the processor.
pub(crate) struct FetchedBatch {
    unpacked: Unpacked,
    /// How far the reader was behind the newest record of the shard, in milliseconds; 0 at the tip.
    pub(crate) millis_behind_latest: u64,
    /// At the end of a closed shard, after its last record, the shards that follow.
    pub(crate) shard_end: Option<Vec<ChildShard>>,
    /// What the page takes of the budget, until it is dropped.
    _room: Option<Room>,
}

/// The records of a page.
pub(super) enum Unpacked {
    /// None of them is an aggregate.
    Plain(Vec<Record>),
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
        if let Some(room) = &mut room {
            room.try_grow(room.bytes() + unpacked.extra_bytes());
        }
        Self { unpacked, millis_behind_latest, shard_end, _room: room }
    }

    /// The next records for the processor, in order; none once it has them all.
    pub(crate) fn next_records(&mut self) -> Vec<Record> {
        match &mut self.unpacked {
            Unpacked::Plain(records) => std::mem::take(records),
            Unpacked::Aggregated(expansions, current) => {
                let mut records = Vec::new();
                while records.len() < BATCH_RECORDS_MAX {
                    let Some(expansion) = current.as_mut() else {
                        *current = expansions.next();
                        if current.is_none() {
                            break;
                        }
                        continue;
                    };
                    let space = BATCH_RECORDS_MAX - records.len();
                    let before = records.len();
                    records.extend(expansion.take(space));
                    if records.len() - before < space {
                        *current = None;
                    }
                }
                records
            }
        }
    }

    /// True if there is nothing in it that a processor or its keeper needs to know.
    pub(super) fn is_empty(&self) -> bool {
        let has_records = match &self.unpacked {
            Unpacked::Plain(records) => !records.is_empty(),
            Unpacked::Aggregated(expansions, current) => {
                !expansions.as_slice().is_empty() || current.is_some()
            }
        };
        !has_records && self.shard_end.is_none()
    }
}

impl Unpacked {
    pub(super) fn aggregated(expansions: Vec<Expansion>) -> Self {
        Self::Aggregated(expansions.into_iter(), None)
    }

    /// What the page takes beside its Kinesis records, once it is in the processor's hands.
    fn extra_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Aggregated(expansions, _) => {
                let user_records = expansions.as_slice().iter().map(Expansion::remaining).sum::<u64>();
                let at_once = usize::try_from(user_records).unwrap_or(usize::MAX).min(BATCH_RECORDS_MAX);
                expansions.len() * size_of::<Expansion>() + at_once * size_of::<Record>()
            }
        }
    }
}

impl fmt::Debug for FetchedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedBatch").field("shard_end", &self.shard_end).finish_non_exhaustive()
    }
}
