//! A fleet of whole workers in one thread, in virtual time, as a function of a seed.
//!
//! Each worker is like a process: it has a runtime and a clock of its own, which the [simulation](simulate) drives in
//! small steps of random size, in random order. So clocks may run at different rates, a worker may freeze and find all
//! its timers late, and a crash is the end of its runtime at whatever await point it is. Workers meet only in the
//! in-memory lease table and the in-memory stream.
//!
//! ```text
//!   Simulation ──operations──▶ Fleet ──drives──▶ Process: one Worker, its Recorder
//!       │                                            │ Link: latency, faults, partitions
//!       └──operations──▶ Producer ──▶ MemoryKinesis ◀─┴─▶ WitnessTable
//!                            └────────── facts ───────────────┴──▶ Journal ──▶ invariants, measures, trace
//! ```
//!
//! Every run has three phases: trouble, then healing without trouble, then rest. The [`invariants`] see every fact of all
//! of them. Nothing here reads the world's clock or draws an unseeded random number, so the same scenario gives the same
//! trace, byte for byte.

mod accounts;
mod batch;
mod class;
mod destination;
mod fact;
mod fleet;
mod handling;
mod health;
pub mod invariants;
mod journal;
mod lane_handler;
mod link;
mod measures;
mod names;
mod operation;
mod poison;
mod process;
mod producer;
mod profile;
mod recorder;
mod settings;
mod simulation;
mod stream_port;
mod summary;
mod table_port;
mod witness_table;
mod world;

pub use batch::simulate_all;
pub use class::Class;
pub use measures::Measures;
pub use simulation::{Outcome, Scenario, simulate};
pub use summary::Summary;
