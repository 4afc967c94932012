use std::fmt;

use kcl_core::model::ShardId;

/// One process of the simulated fleet. A restart is another process, also under the same worker id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessNo(pub u32);

impl fmt::Display for ProcessNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

/// A shard of the one simulated stream, by the number in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardNo(pub u32);

impl ShardNo {
    /// The number of `shardId-000000000012` is 12. The in-memory backend makes no other names.
    pub fn of(shard: &ShardId) -> Self {
        let digits = shard.as_str().rsplit('-').next().unwrap_or_default();
        Self(digits.parse().unwrap_or(u32::MAX))
    }
}

impl fmt::Display for ShardNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// A record of a run, in the order in which all of them were put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordNo(pub u64);

impl fmt::Display for RecordNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}
