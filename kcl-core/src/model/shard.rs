use super::{HashKeyRange, SequenceNumber, ShardId};

/// A shard as the service lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its name within the stream.
    pub shard_id: ShardId,
    /// The shard that was split, or one of the two that were merged, to make this one.
    pub parent: Option<ShardId>,
    /// The other shard of a merge.
    pub adjacent_parent: Option<ShardId>,
    /// The hash keys that fall into it.
    pub hash_key_range: HashKeyRange,
    /// The lowest sequence number it can hold.
    pub starting_sequence_number: SequenceNumber,
    /// The highest sequence number it can hold, once it is closed by a split or a merge.
    pub ending_sequence_number: Option<SequenceNumber>,
}

impl Shard {
    /// True while the shard takes new records.
    pub fn is_open(&self) -> bool {
        self.ending_sequence_number.is_none()
    }

    /// Its parents: none, one after a split, two after a merge.
    pub fn parents(&self) -> impl Iterator<Item = &ShardId> {
        self.parent.iter().chain(&self.adjacent_parent)
    }
}
