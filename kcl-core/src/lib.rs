//! A consumer framework for Amazon Kinesis Data Streams.

#[cfg(feature = "aws")]
pub mod aws;
mod error;
mod event;
pub mod lease;
pub mod memory;
pub mod model;
pub mod processor;
mod retry;
mod settings;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
pub use event::{Event, EventSink};
pub use retry::RetryDelays;
pub use settings::{Checkpointing, WorkerSettings};
