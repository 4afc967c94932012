//! The commands as a user calls them: the demo in this process on a paused clock, and the binary as a child process.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

mod child;
mod config;
mod demo;
mod operations;
mod operations_docs;
