use std::fmt;

/// The part of the 128-bit hash key space that a shard takes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKeyRange {
    /// The lowest hash key of the shard.
    pub start: u128,
    /// The highest hash key of the shard.
    pub end: u128,
}

impl HashKeyRange {
    /// The whole hash key space: a stream of one shard.
    pub const FULL: Self = Self { start: 0, end: u128::MAX };

    /// True if a record of this hash key belongs to the shard.
    pub fn contains(self, hash_key: u128) -> bool {
        (self.start..=self.end).contains(&hash_key)
    }

    /// True if some hash key is in both ranges.
    pub fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// True if the two ranges touch without overlap, as the two parents of a merge must.
    pub fn is_adjacent_to(self, other: Self) -> bool {
        self.end.checked_add(1) == Some(other.start) || other.end.checked_add(1) == Some(self.start)
    }
}

impl fmt::Display for HashKeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.start, self.end)
    }
}
