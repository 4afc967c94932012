//! Whole workers on the in-memory backend, under paused time: what users are promised, one file for each topic.

mod chaos;
mod checkpointing;
mod failures;
mod fleet;
mod namesakes;
mod ownership;
mod positions;
mod random;
mod reading;
mod resharding;
mod shutdown;
mod stale_reads;
