//! The framework and its AWS adapters over real sockets, against emulators in this process.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

mod adapter_errors;
mod backend;
mod canned;
mod conformance;
mod consume;
mod destinations;
mod fleet;
mod fleet_sim;
mod harness;
mod lease_rows;
#[cfg(target_os = "linux")]
mod multilang;
mod planted_faults;
#[cfg(unix)]
mod processes;

mod records_reading;
mod retrieval;
mod tidy;
mod wire;
