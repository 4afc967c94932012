//! `kcl-worker run` as processes of their own, which know each other only through the table: killed, stopped, and set up
//! wrongly.
//!
//! Cargo builds the binary of another package for no test, so this package has a binary target of its own, which is the
//! same `main.rs`.

mod a_bad_day;
#[cfg(feature = "static-binary")]
mod from_scratch;
#[cfg(feature = "java-daemon")]
mod java_fleet;
mod logs;
mod mistakes;
mod observed;
mod operators;
mod operators_settings;
mod own;
mod redrive;
mod sharing;
mod worker_process;
