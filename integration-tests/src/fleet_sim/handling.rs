/// How the simulated user handles records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// Batch after batch.
    Batches,
    /// The same, with a checkpoint that is prepared before each batch and committed after most of them.
    Preparing,
    /// Record by record, so many at a time, with so many in flight.
    Lanes { concurrency: usize, window: usize },
}

impl Handling {
    /// One of those that are more than batches.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(..3) {
            0 => Self::Preparing,
            _ => Self::Lanes { concurrency: rng.usize(2..=16), window: rng.usize(4..=200) },
        }
    }
}
