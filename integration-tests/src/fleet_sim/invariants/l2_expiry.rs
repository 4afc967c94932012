//! L2: a rival's lease is taken as expired only if its row has not moved for one failover time by the taker's own clock,
//! and from a live rival only after it has not answered a request for the time that the settings name.

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
    /// The least time that an owner has to answer a request.
    patience_min: Duration,
    /// Whether owners can be that slow at all.
    may_steal: bool,
    moved_at: BTreeMap<ShardNo, Duration>,
    asked_at: BTreeMap<ShardNo, Duration>,
}

impl Expiry {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            standstill_min: rules.at_least(rules.failover_time),
            patience_min: rules.at_least(rules.hand_over_timeout),
            may_steal: rules.excuses_steals,
            moved_at: BTreeMap::new(),
            asked_at: BTreeMap::new(),
        }
    }

    fn check_take(&self, write: &Write<'_>, at: Duration) -> Result<(), Violation> {
        let since = |times: &BTreeMap<ShardNo, Duration>| {
            times.get(&write.shard).map_or(Duration::ZERO, |time| at.saturating_sub(*time))
        };
        let stood_still = since(&self.moved_at);
        if stood_still >= self.standstill_min {
            return Ok(());
        }
        let is_asked = write.before.is_some_and(|row| row.requested_by() == Some(write.worker));
        let waited = since(&self.asked_at);
        if is_asked && self.may_steal && waited >= self.patience_min {
            return Ok(());
        }
        let (stood_still, waited) = (seconds(stood_still), seconds(waited));
        let problem = if is_asked {
            format!("its owner, alive {stood_still} ago, had only {waited} to answer")
        } else {
            format!("the row of a rival had stood still for only {stood_still}")
        };
        Err(Violation::new("L2", problem))
    }
}

impl Invariant for Expiry {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        let What::Wrote(write) = fact.what else { return Ok(()) };
        if matches!(write.action, Action::Request(_)) {
            self.asked_at.insert(write.shard, write.sent_at);
            return Ok(());
        }
        let checked = if is_take_from_rival(&write) { self.check_take(&write, fact.at) } else { Ok(()) };
        self.moved_at.insert(write.shard, fact.at);
        checked
    }
}

fn is_take_from_rival(write: &Write<'_>) -> bool {
    let Action::Change(LeaseChange::Take { by }) = write.action else { return false };
    let owner = write.before.and_then(|row| row.owner.as_ref());
    owner.is_some_and(|owner| owner != by)
}
