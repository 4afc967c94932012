//! Tests of the library through its public interface.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod aggregation;
mod faulty_subscription;
mod kinesis;
mod lease_model;
mod lease_store;
mod memory_fan_out;
mod memory_kinesis;
mod memory_kinesis_limits;
mod memory_kinesis_properties;
mod memory_kinesis_readers;
mod rehearsal;
mod worker;
