//! Tests of the whole over real sockets and real processes: see `tests/it`. There is nothing to use here.

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
