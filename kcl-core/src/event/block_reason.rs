use std::fmt;

use crate::processor::FailureCondition;

/// What a blocked shard waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockReason {
    /// The processor takes neither the record nor the call, and the failure policy is to block.
    Exhausted(FailureCondition),
    /// The on-failure destination does not take what was given up.
    Destination,
}

impl fmt::Display for BlockReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(condition) => write!(f, "the processor fails ({condition})"),
            Self::Destination => f.write_str("the on-failure destination fails"),
        }
    }
}
