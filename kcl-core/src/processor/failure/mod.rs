//! What becomes of records that the processor cannot take.
//!
//! A failure policy decides when they are given up; an [`OnFailureDestination`] keeps what was given up, as a
//! [`FailedBatch`] in the JSON form of Lambda's invocation records, but always with the data. Nothing here drops a record:
//! one that no destination has taken still blocks its shard.

mod destination;
mod envelope;
mod failed_batch;
mod json_lines;
mod spill_to_file;

pub use destination::{OnFailureDestination, Sent};
#[cfg(feature = "sqs")]
pub(crate) use failed_batch::md5_uuid;
pub use failed_batch::{FailedBatch, FailureCondition};
pub use json_lines::{JSON_LINES_FILE_BYTES_MAX, JsonLinesFile};
pub use spill_to_file::SpillToFile;
