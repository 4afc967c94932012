//! What becomes of records on which the processor fails: tried again, cut down to the one that fails, and, only where the
//! user has chosen so by name, given up. Nothing here leaves out a record without an event and a counter that say so.

mod attempts;
mod blocked;
mod destination;
mod failed_at;
mod failed_batch;
mod last_resort;
mod policy;

pub(crate) use attempts::{Attempts, Failure};
pub(crate) use blocked::Blocked;
pub use destination::{OnFailureDestination, Sent};
pub use failed_at::FailedAt;
pub use failed_batch::{FailedBatch, FailureCondition};
pub(crate) use last_resort::{Exhausted, LastResort};
pub use policy::{FailurePolicy, WhenExhausted};
