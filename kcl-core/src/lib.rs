//! A consumer framework for Amazon Kinesis Data Streams.

#[cfg(feature = "aws")]
pub mod aws;
mod error;
pub mod lease;
pub mod memory;
pub mod model;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, ErrorKind, Result};
