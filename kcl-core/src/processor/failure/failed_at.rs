use std::error::Error;
use std::fmt;

use crate::model::RecordPosition;
use crate::processor::ProcessorError;

/// The error with which a processor says which record of its batch failed: those before it are done, and are committed
/// as such; the batch is tried again from it on. Lambda calls this a partial batch response.
///
/// ```
/// use kcl_core::model::Record;
/// use kcl_core::processor::{FailedAt, ProcessorError};
///
/// fn process(records: &[Record]) -> Result<(), ProcessorError> {
///     for record in records {
///         store(record).map_err(|error| FailedAt::new(&record.position, error))?;
///     }
///     Ok(())
/// }
/// # fn store(_: &Record) -> Result<(), std::io::Error> { Ok(()) }
/// ```
///
/// With a position that no record of the batch has, all of the batch has failed.
#[derive(Debug)]
pub struct FailedAt {
    position: RecordPosition,
    error: ProcessorError,
}

impl FailedAt {
    /// The record at `position` failed with `error`, and those before it did not.
    pub fn new(position: &RecordPosition, error: impl Into<ProcessorError>) -> Self {
        Self { position: position.clone(), error: error.into() }
    }

    /// Where the first record lies that failed.
    pub fn position(&self) -> &RecordPosition {
        &self.position
    }
}

impl fmt::Display for FailedAt {
    /// The error alone: whoever reports it knows the position.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for FailedAt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
