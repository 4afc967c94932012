//! Tools for tests, ours and users': a conformance suite for each port, with one named case for each promise.
//!
//! A suite knows only the port and what its fixture can do. It must never know which implementation it runs on, nor
//! wait for long: cases also run against emulators, on real time.

mod conformance;
pub mod kinesis_suite;
pub mod lease_store_suite;

pub use conformance::{Case, CaseResult, Failure, run_suite};
