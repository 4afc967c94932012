//! The adapter to Kinesis in front of our own strict Kinesis, over real sockets, and everything that can break between
//! the two.

mod addressing;
mod any_body;
mod conformance;
mod connections;
mod faults;
mod mutated_frames;
mod operations;
mod service_time;
mod time;
pub(crate) mod world;
