//! The [fleet simulator](fleet_sim), a [Kinesis over real sockets](wire), the [suite at an endpoint](conformance), and tests
//! of the whole over real sockets and real processes: see `tests/it`.

pub mod conformance;
pub mod fleet_sim;
pub mod wire;

/// The README, whose program must compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// How users test their own processors: the program must run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
#[derive(Debug)]
pub struct Testing;
