//! Several calls of one shard at a time, and still in order where order matters.
//!
//! Each partition key has a lane: its records are called one after another, and those of different lanes side by side.
//! The `LaneBook` decides which record may start, the `Watermark` knows how far everything is finished; neither waits, nor
//! calls anything. The [`LaneRunner`] makes the calls. What lies above the watermark is never committed.

mod commits;
mod lane_book;
mod runner;
mod troubles;
mod watermark;

pub(crate) use lane_book::LaneLimits;
pub(crate) use runner::{Handler, LaneRunner};
