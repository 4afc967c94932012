use std::error::Error as StdError;
use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::model::{Checkpoint, RecordPosition};

/// A position that may not be committed or prepared: the [source](StdError::source) of the [`Error`] that refuses it.
///
/// What lies below the range is in the row already, so that a commit of it does nothing. The end of a shard is no position:
/// only the framework commits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointOutOfRange {
    /// What was asked for.
    pub position: RecordPosition,
    /// What the row holds.
    pub lowest: Checkpoint,
    /// The last position that was delivered to the processor, or what was prepared or committed if that is higher.
    pub highest: Checkpoint,
}

impl CheckpointOutOfRange {
    /// What lies behind `error`, if that is a refusal of a position.
    pub fn of(error: &Error) -> Option<&Self> {
        error.source().and_then(|source| source.downcast_ref())
    }
}

impl fmt::Display for CheckpointOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lowest, highest, .. } = self;
        write!(f, "permitted is from {lowest} to {highest}, the last position delivered to this processor")
    }
}

impl StdError for CheckpointOutOfRange {}

impl From<CheckpointOutOfRange> for Error {
    fn from(range: CheckpointOutOfRange) -> Self {
        let message = format!("cannot checkpoint at {}: {range}", range.position);
        Self::new(ErrorKind::Refused, message).with_source(range)
    }
}
