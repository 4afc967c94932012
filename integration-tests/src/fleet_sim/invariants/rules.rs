use std::time::Duration;

use kcl_core::Checkpointing;
use kcl_core::processor::{FailurePolicy, WhenExhausted};

use crate::fleet_sim::handling::Handling;
use crate::fleet_sim::names::{RecordNo, ShardNo};
use crate::fleet_sim::poison::Poison;

/// The numbers that the invariants judge by: those of the protocol, and how exactly the simulator keeps time.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The failover time of all workers.
    pub failover_time: Duration,
    /// The share of it after which an owner that could not write has stopped.
    pub deadline_share: f64,
    /// How long an owner has to answer a request before the lease is taken from it.
    pub hand_over_timeout: Duration,
    /// By how much a clock may be faster or slower than the world's, as a share.
    pub skew: f64,
    /// The longest step: what two processes do within one has no order.
    pub step_max: Duration,
    /// Whether a duplicate is excused by a live owner's losing the lease to another worker.
    pub excuses_steals: bool,
    /// How records are handled.
    pub handling: Handling,
    /// Who commits.
    pub checkpointing: Checkpointing,
    /// What becomes of records on which processors fail.
    pub failure_policy: FailurePolicy,
    /// Those that no processor takes.
    pub poison: Poison,
}

impl Rules {
    /// True if the records of the shard are handled in lanes: in order by key alone.
    pub fn has_lanes(&self, shard: ShardNo) -> bool {
        self.handling.lanes(shard).is_some()
    }

    /// True if nobody commits unless the processor does.
    pub fn is_manual(&self, shard: ShardNo) -> bool {
        self.checkpointing == Checkpointing::Manual && self.handling.prepares(shard)
    }

    /// True if nothing ever gets past this record.
    pub fn is_in_the_way(&self, record: RecordNo) -> bool {
        let blocks = self.failure_policy.when_exhausted == WhenExhausted::Block;
        blocks && self.poison.is_lasting && self.poison.spoils(record)
    }

    /// The longest that `own` time of a process, measured by its own clock, takes in the world.
    pub fn at_most(&self, own: Duration) -> Duration {
        own.div_f64(1.0 - self.skew) + self.step_max
    }

    /// The shortest that `own` time of a process takes in the world.
    pub fn at_least(&self, own: Duration) -> Duration {
        own.div_f64(1.0 + self.skew).saturating_sub(self.step_max)
    }
}
