//! Tests of the library through its public interface.

mod kinesis;
mod lease_store;
