//! The running program: one [`Worker`] per process takes leases, runs a consumer for each, and gives them back.
//!
//! Every task belongs to its parent: dropping the future of [`Worker::run`] stops all of them at once and leaves
//! nothing but the rows in the lease table, exactly as a crash would. Decisions are made by the pure functions of
//! [`lease`](crate::lease); nothing here reads a wall clock.

mod attempts;
mod attendant;
mod commit_schedule;
mod consumers;
mod coordinator;
mod lease_keeper;
mod lease_request;
mod leave;
mod requests;
mod scan_report;
mod shard_consumer;
mod shard_sync;
mod shutdown_report;
mod standstill;
mod table_scan;
mod takes;
#[expect(clippy::module_inception, reason = "the main type of the folder")]
mod worker;
mod worker_id;

pub use shutdown_report::{ShardOutcome, ShutdownReport};
pub use worker::{Ports, Worker};
pub use worker_id::unique_worker_id;
