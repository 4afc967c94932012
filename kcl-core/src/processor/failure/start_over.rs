use std::error::Error;
use std::fmt;

use crate::processor::ProcessorError;

/// The error with which a [`RecordProcessor`](crate::processor::RecordProcessor) says that it can go no further with its shard,
/// and that a fresh one can: it has lost what it had in hand, and the records are there to be read again.
///
/// The shard is given up at once, whatever the [`FailurePolicy`](super::FailurePolicy) says, for no record has failed: the event
/// is [`ShardFailed`](crate::Event::ShardFailed), the lease is released, and this worker leaves the shard alone for a while. The
/// processor is asked nothing more and dropped.
/// Whoever takes it then, here or elsewhere, makes a new processor, which begins after the last checkpoint. So what was
/// processed since that checkpoint comes again.
///
/// A handler of records has nothing in hand between two records; from one, this is an error as any other.
#[derive(Debug)]
pub struct StartOver(ProcessorError);

impl StartOver {
    /// Because of `error`.
    pub fn new(error: impl Into<ProcessorError>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for StartOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for StartOver {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
