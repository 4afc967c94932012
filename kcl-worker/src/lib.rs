//! The worker binary's commands, as a library: for tests, and for programs with a processor of their own, whose
//! [`main`](main()) it is.
//!
//! * [`demo`] runs a whole fleet in this process, on the in-memory backend, and judges what its processors saw. It
//!   needs nothing: no AWS, no network, no other install.
//! * [`run`] consumes a Kinesis stream through the AWS SDK, as its [configuration](config) says.
//! * `config` checks and shows a configuration.
//!
//! * [`operations`] shows a running worker over HTTP: probes, status and metrics.
//!
//! Nothing here decides anything about leases, shards or records: that is [`kcl_core`]'s. What is here is what a
//! person sees: the [command line](cli), output, [signals], errors and exit statuses.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | `demo`: every promise was kept; `run`: stopped as asked, everything processed is committed; `config`: it is good; `records redrive`: every record is processed |
//! | 1 | it did not work, or a promise was broken |
//! | 2 | the command line, a setting or the input is not acceptable |
//! | 130 | interrupted: `run` by a second signal, everything else before it was done |

mod admin;
pub mod cli;
pub mod config;
pub mod demo;
mod failure;
#[cfg(unix)]
pub mod multilang;
pub mod operations;
mod program;
mod progress;
mod redrive;
pub mod run;
pub mod signals;

pub use failure::Failure;
pub use program::{main, worker_main};
