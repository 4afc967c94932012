use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use super::profile::{self, Profile};

/// A kind of run: what happens in it, how often, and in what weather. Within a class everything follows from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Class {
    /// Workers join and leave, the stream is resharded: not one duplicate.
    Calm,
    /// Workers stop and others take their place, now and then, in fair weather. What a planned stop costs is measured
    /// here.
    Restarts,
    /// Workers crash and others join; nothing else goes wrong. What a crash costs is measured here.
    Crashes,
    /// Everything at once.
    Rough,
    /// Workers lose the table or the stream, for less or more than a failover time.
    Partitions,
    /// Workers freeze, for less or more than a failover time.
    Freezes,
    /// Clocks run up to 5 % fast or slow, and the table can be out of reach.
    Skew,
    /// Splits and merges follow each other, retention takes what was read.
    Reshards,
    /// The whole fleet is down at times, while the stream is resharded, and rows are removed by hand.
    Outages,
    /// The fleet begins at the tip of the stream instead of the trim horizon.
    Latest,
    /// The fleet reads by enhanced fan-out, and all kinds of things go wrong.
    FanOut,
    /// Processors fail, panic and hang, some records are never taken, and what is given up goes to a destination that fails
    /// and hangs.
    Failures,
    /// Records are handled in lanes, or checkpoints prepared, and all kinds of things go wrong.
    Lanes,
    /// An operator pins leases to workers, which come and go, and removes the pins.
    Pins,
    /// Many workers and shards.
    Big,
}

impl Class {
    /// The classes that seeds are spread over: all but the one whose runs take by far the longest.
    pub const USUAL: [Self; 14] = [
        Self::Calm,
        Self::Restarts,
        Self::Crashes,
        Self::Rough,
        Self::Partitions,
        Self::Freezes,
        Self::Skew,
        Self::Reshards,
        Self::Outages,
        Self::Latest,
        Self::FanOut,
        Self::Failures,
        Self::Lanes,
        Self::Pins,
    ];

    /// The numbers of the class.
    pub(super) fn profile(self) -> Profile {
        match self {
            Self::Calm => profile::CALM,
            Self::Restarts => profile::RESTARTS,
            Self::Crashes => profile::CRASHES,
            Self::Rough => profile::ROUGH,
            Self::Partitions => profile::PARTITIONS,
            Self::Freezes => profile::FREEZES,
            Self::Skew => profile::SKEW,
            Self::Reshards => profile::RESHARDS,
            Self::Outages => profile::OUTAGES,
            Self::Latest => profile::LATEST,
            Self::FanOut => profile::FAN_OUT,
            Self::Failures => profile::FAILURES,
            Self::Lanes => profile::LANES,
            Self::Pins => profile::PINS,
            Self::Big => profile::BIG,
        }
    }

    /// How many workers and shards a run has unless it is told otherwise.
    pub fn size(self) -> (usize, usize) {
        match self {
            Self::Big => (50, 2_000),
            _ => (5, 20),
        }
    }

    /// How long the trouble lasts unless the run is told otherwise.
    pub fn duration(self) -> Duration {
        match self {
            Self::Big => Duration::from_mins(2),
            _ => Duration::from_mins(10),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
