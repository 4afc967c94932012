//! What becomes of records on which the processor fails: tried again, cut down to the one that fails, and, only where the
//! user has chosen so by name, given up.
//!
//! A [`FailurePolicy`] decides when they are given up; an [`OnFailureDestination`] keeps what was given up, as a
//! [`FailedBatch`] in the JSON form of Lambda's invocation records, but always with the data. Nothing here leaves out a
//! record without an event and a counter that say so, and one that no destination has taken still blocks its shard.

mod attempts;
mod blocked;
mod destination;
mod envelope;
mod failed_at;
mod failed_batch;
mod json_lines;
mod last_resort;
mod policy;
mod spill_to_file;
mod start_over;

pub(crate) use attempts::{Attempts, Failure};
pub(crate) use blocked::Blocked;
pub use destination::{OnFailureDestination, Sent};
pub use failed_at::FailedAt;
#[cfg(feature = "sqs")]
pub(crate) use failed_batch::md5_uuid;
pub use failed_batch::{FailedBatch, FailureCondition};
pub use json_lines::{JSON_LINES_FILE_BYTES_MAX, JsonLinesFile};
pub(crate) use last_resort::{Exhausted, LastResort};
pub use policy::{FailurePolicy, WhenExhausted};
pub use spill_to_file::SpillToFile;
pub use start_over::StartOver;
