//! L2: a rival's lease is taken as expired only if its row has not moved for one failover time by the taker's own clock.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl_core::lease::LeaseChange;

use super::violation::seconds;
use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::ShardNo;

#[derive(Debug)]
pub(super) struct Expiry {
    /// The least time that a row stands still before its lease is taken as expired.
    standstill_min: Duration,
    /// Whether live owners may lose leases to others.
    may_steal: bool,
    moved_at: BTreeMap<ShardNo, Duration>,
}

impl Expiry {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            standstill_min: rules.at_least(rules.failover_time),
            may_steal: rules.excuses_steals,
            moved_at: BTreeMap::new(),
        }
    }
}

impl Invariant for Expiry {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        let What::Wrote(write) = fact.what else { return Ok(()) };
        let moved_at = self.moved_at.insert(write.shard, fact.at);
        let stood_still = fact.at.saturating_sub(moved_at.unwrap_or_default());
        if is_take_from_rival(&write) && stood_still < self.standstill_min && !self.may_steal {
            let problem = format!("the row of a rival had stood still for only {}", seconds(stood_still));
            return Err(Violation::new("L2", problem));
        }
        Ok(())
    }
}

fn is_take_from_rival(write: &Write<'_>) -> bool {
    let Action::Change(LeaseChange::Take { by }) = write.action else { return false };
    let owner = write.before.and_then(|row| row.owner.as_ref());
    owner.is_some_and(|owner| owner != by)
}
