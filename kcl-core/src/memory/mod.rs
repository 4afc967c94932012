//! The two ports in memory, with the rules of the services, so that programs and tests run without AWS.
//!
//! For tests of processors, for the demo and for our own simulations. It must never be kinder than the services: what
//! they refuse is refused here. It never draws a random number or reads the world's clock: time is that of the Tokio
//! runtime, so it stands still in a test that pauses it, or of a clock that the test gives.

mod kinesis;
mod lease_store;

pub use kinesis::{
    MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings, PutRecordOutput,
    PutRecordsEntry,
};
pub use lease_store::MemoryLeaseStore;
