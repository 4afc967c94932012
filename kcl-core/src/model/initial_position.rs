use super::{Checkpoint, Timestamp};

/// Where to start in a stream that no worker of the application has read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InitialPosition {
    /// The oldest record that the stream still keeps. The default: nothing is missed.
    #[default]
    TrimHorizon,
    /// The next record to arrive.
    Latest,
    /// The first record that arrived at or after this time.
    AtTimestamp(Timestamp),
}

impl InitialPosition {
    /// The sentinel that a new lease row carries for this position.
    pub fn sentinel(self) -> Checkpoint {
        match self {
            Self::TrimHorizon => Checkpoint::TrimHorizon,
            Self::Latest => Checkpoint::Latest,
            Self::AtTimestamp(_) => Checkpoint::AtTimestamp,
        }
    }
}
