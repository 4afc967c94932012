use super::names::RecordNo;

/// Which records no processor takes. The same for every process, so that a move of the shard does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poison {
    /// How many of a thousand records.
    pub permille: u32,
    /// Whether they are still not taken once the trouble is over.
    pub is_lasting: bool,
}

impl Poison {
    /// Every record can be taken.
    pub const NONE: Self = Self { permille: 0, is_lasting: false };

    /// True if this record is one of them.
    pub fn spoils(self, record: RecordNo) -> bool {
        fastrand::Rng::with_seed(record.0).u32(..1_000) < self.permille
    }
}
