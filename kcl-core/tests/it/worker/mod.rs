//! Whole workers on the in-memory backend, under paused time: what users are promised, one file for each topic.

mod checkpointing;
mod failures;
mod fleet;
mod namesakes;
mod ownership;
mod positions;
mod reading;
mod resharding;
mod shutdown;
