//! Whole workers over the SDK adapters and real sockets: the scenarios that users live through, on real time.
//!
//! A test waits for conditions, never for a time. What needs time to pass faster is tested on the in-memory backend.

mod positions;
mod resharding;
mod rows;
mod sharing;
