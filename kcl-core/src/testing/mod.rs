//! Tools for tests, ours and users': a [`Rehearsal`] of a processor, a conformance suite for each port, with one named case for each promise, and an
//! oracle that judges a run by what users are promised.
//!
//! A suite knows only the port and what its fixture can do. It must never know which implementation it runs on, nor
//! wait for long: cases also run against emulators, on real time.

mod assignment;
mod conformance;
mod delivery_oracle;
mod fault;
mod faulty_kinesis;
mod faulty_lease_store;
mod faulty_subscription;
pub mod kinesis_suite;
pub mod lease_store_suite;
mod rehearsal;

pub use assignment::{WantedLeases, wanted_leases};
pub use conformance::{Case, CaseOutcome, CaseResult, Failure, report_suite, run_suite};
pub use delivery_oracle::{DeliveryOracle, Offenders, Verdict};
pub use fault::Fault;
pub use faulty_kinesis::{FaultyKinesis, KinesisCall};
pub use faulty_lease_store::{FaultyLeaseStore, LeaseCall};
pub use rehearsal::Rehearsal;
