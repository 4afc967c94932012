//! L3: an owner stops believing in its lease a while after its last successful write, and before anybody may take it as
//! expired.
//!
//! The protocol counts from the start of the write. Here it is counted from when the table took it, which is later, and is
//! what others go by: a write may arrive long after it was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use super::violation::seconds;
use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug)]
pub(super) struct Deadline {
    /// The most time in the world from a write to a delivery that relies on it.
    belief_max: Duration,
    last_write: BTreeMap<(ProcessNo, ShardNo), Duration>,
    thawed_at: BTreeMap<ProcessNo, Duration>,
}

impl Deadline {
    pub(super) fn new(rules: &Rules) -> Self {
        let deadline = rules.failover_time.mul_f64(rules.deadline_share);
        Self { belief_max: rules.at_most(deadline), last_write: BTreeMap::new(), thawed_at: BTreeMap::new() }
    }

    fn check(&self, process: ProcessNo, shard: ShardNo, at: Duration) -> Result<(), Violation> {
        // A call that was due when the process froze goes on before its timers are looked at. Nothing prevents that:
        // it is what the fencing token is for.
        if self.thawed_at.get(&process) == Some(&at) {
            return Ok(());
        }
        let Some(written_at) = self.last_write.get(&(process, shard)) else {
            return Err(Violation::new("L3", "the process never took the lease"));
        };
        let belief = at.saturating_sub(*written_at);
        if belief > self.belief_max {
            let problem = format!("its last successful write was {} ago", seconds(belief));
            return Err(Violation::new("L3", problem));
        }
        Ok(())
    }
}

impl Invariant for Deadline {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            // Anybody may ask for a lease, and none owns it by that.
            What::Wrote(Write { action: Action::Request(_), .. }) => {}
            What::Wrote(write) => {
                self.last_write.insert((write.process, write.shard), fact.at);
            }
            What::Thawed { process } => {
                self.thawed_at.insert(process, fact.at);
            }
            _ => {}
        }
        let settled = fact.what.settled();
        settled.map_or(Ok(()), |(process, shard, _)| self.check(process, shard, fact.at))
    }
}
