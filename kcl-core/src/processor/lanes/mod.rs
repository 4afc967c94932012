//! Several calls of one shard at a time, and still in order where order matters.
//!
//! Each partition key has a lane: its records are called one after another, and those of different lanes side by side.
//! The [`LaneBook`] decides which record may start, the [`Watermark`] knows how far everything is finished. Neither
//! waits, nor calls anything. What lies above the watermark is never committed.

mod lane_book;
mod watermark;
