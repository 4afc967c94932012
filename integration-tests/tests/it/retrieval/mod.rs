//! Whole workers that read a strict Kinesis of ours over real sockets, by enhanced fan-out and by polling, while everything
//! that can break between the two does: judged by what users are promised, and by what the service is asked for.
//!
//! Time is real, and a shard can be subscribed to again only after five seconds: so a test plays all its cases at once.

mod emulator;
mod moves;
mod polling;
mod random_faults;
mod slow_shards;
mod stream_faults;
mod subscribing;
mod wire_fleet;
