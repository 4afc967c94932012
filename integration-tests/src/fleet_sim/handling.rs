use super::names::ShardNo;

/// How the simulated user handles records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Batch after batch.
    Batches,
    /// Those of every other shard record by record, so many at a time with so many in flight; those of the others batch
    /// after batch, with a checkpoint that is prepared before each and committed after some.
    Mixed {
        /// The most calls at a time.
        concurrency: usize,
        /// The most records in flight.
        window: usize,
    },
}

impl Handling {
    /// A mixture.
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        Self::Mixed { concurrency: rng.usize(2..=16), window: rng.usize(4..=200) }
    }

    /// The concurrency and the window, if the records of this shard are handled in lanes.
    pub fn lanes(self, shard: ShardNo) -> Option<(usize, usize)> {
        match self {
            Self::Mixed { concurrency, window } if !shard.0.is_multiple_of(2) => Some((concurrency, window)),
            _ => None,
        }
    }

    /// True if the processors of this shard prepare what they commit.
    pub fn prepares(self, shard: ShardNo) -> bool {
        matches!(self, Self::Mixed { .. }) && shard.0.is_multiple_of(2)
    }
}
