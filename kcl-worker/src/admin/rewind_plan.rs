//! What a rewind writes. Pure.

use kcl_core::aggregation::{Expansion, OutsideRange, Seal};
use kcl_core::lease::Lease;
use kcl_core::model::{
    Checkpoint, HashKeyRange, Record, RecordPosition, SequenceNumber, Shard, ShardId, ShardKey, Timestamp,
};

/// Where an operator wants shards to begin again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RewindTo {
    /// At the oldest record that is left.
    TrimHorizon,
    /// At the next record to arrive.
    Latest,
    /// At the first record that arrived at or after this time.
    Time(Timestamp),
    /// After this Kinesis record, or after this user record in it.
    After(SequenceNumber, Option<u64>),
}

/// Where one shard is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) shard: Shard,
    /// Its row, if it has one.
    pub(super) row: Option<Lease>,
    pub(super) checkpoint: Checkpoint,
}

impl Step {
    /// The row of a shard whose own is gone, as a worker makes it.
    pub(super) fn new_row(&self, shard: ShardKey) -> Lease {
        let parents = self.shard.parents().cloned().collect();
        let hash_key_range = Some(self.shard.hash_key_range);
        Lease { hash_key_range, ..Lease::unowned(shard, self.checkpoint.clone(), parents) }
    }
}

/// Where a shard's records lie about the place to which it is rewound, as the stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FirstSince {
    /// All that is left of the shard comes after it.
    All,
    /// The last that comes before it.
    After(RecordPosition),
    /// Nothing after it will ever be in the shard: it is closed.
    Nothing,
}

impl FirstSince {
    /// Where the shard is put.
    pub(super) fn checkpoint(self) -> Checkpoint {
        match self {
            Self::All => Checkpoint::TrimHorizon,
            Self::After(position) => Checkpoint::At(position),
            Self::Nothing => Checkpoint::ShardEnd,
        }
    }
}

/// The position of the last user record in a Kinesis record: the whole of it is processed.
pub(super) fn end_of(record: Record, range: HashKeyRange) -> RecordPosition {
    let whole = record.position.clone();
    let seal = Seal::of(&record.data);
    let last = Expansion::new(record, seal, range, OutsideRange::Deliver).last();
    last.map_or(whole, |last| last.position)
}

/// Parents before their children: a child that is begun again before its parent is would be read before it.
pub(super) fn in_order(mut shards: Vec<Shard>) -> Vec<Shard> {
    let mut ordered = Vec::with_capacity(shards.len());
    while !shards.is_empty() {
        let names: Vec<ShardId> = shards.iter().map(|shard| shard.shard_id.clone()).collect();
        let (waiting, ready): (Vec<Shard>, Vec<Shard>) =
            shards.into_iter().partition(|shard| shard.parents().any(|parent| names.contains(parent)));
        // A listing in which shards follow each other in a circle has no order.
        if ready.is_empty() {
            ordered.extend(waiting);
            return ordered;
        }
        ordered.extend(ready);
        shards = waiting;
    }
    ordered
}
