//! Whole workers on the in-memory backend, under paused time: what users are promised, one file for each topic.

mod busy_shares;
mod chaos;
mod checkpointing;
mod commits;
mod failures;
mod fleet;
mod hand_over;
mod laggy;
mod late_listing;
mod listing;
mod moved_positions;
mod namesakes;
mod ownership;
mod positions;
mod random;
mod reading;
mod reasons;
mod resharding;
mod sharing;
mod shown_shards;
mod shutdown;
mod stale_reads;
mod stopping;
mod table_trouble;
mod twins;
