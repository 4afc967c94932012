//! L8: a lease that its owner gives away has everything committed that the owner processed, and the owner processes
//! nothing more; so no record is delivered twice by it.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::Event;
use kcl_core::lease::LeaseChange;

use super::records::Records;
use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug, Default)]
pub(super) struct GoodbyeBeforeMove {
    records: Records,
    /// How many records each process has covered under its present lease.
    covered: BTreeMap<(ProcessNo, ShardNo), usize>,
    given_away: BTreeSet<(ProcessNo, ShardNo)>,
    /// Dropped by force after the grace period.
    forced: BTreeSet<(ProcessNo, ShardNo)>,
}

impl GoodbyeBeforeMove {
    fn check_write(&mut self, write: &Write<'_>) -> Result<(), Violation> {
        let lease = (write.process, write.shard);
        let Action::Change(change) = write.action else { return Ok(()) };
        match change {
            LeaseChange::Take { .. } => {
                self.given_away.remove(&lease);
                self.covered.remove(&lease);
                Ok(())
            }
            LeaseChange::Release | LeaseChange::HandOver { .. } => {
                self.given_away.insert(lease);
                self.check_commit(write)
            }
            _ => Ok(()),
        }
    }

    fn check_commit(&self, write: &Write<'_>) -> Result<(), Violation> {
        let lease = (write.process, write.shard);
        let (Some(records), Some(row)) = (self.records.of(write.shard), write.after) else { return Ok(()) };
        let processed = self.covered.get(&lease).copied().unwrap_or_default();
        let committed = records.covered_by(&row.checkpoint);
        if committed < processed && !self.forced.contains(&lease) {
            let problem = format!("its owner had processed {processed} records and committed {committed}");
            return Err(Violation::new("L8", problem));
        }
        Ok(())
    }
}

impl Invariant for GoodbyeBeforeMove {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        self.records.observe(fact);
        match fact.what {
            What::Wrote(write) => return self.check_write(&write),
            What::Reported { process, event: Event::ShutdownForced { shard } } => {
                self.forced.insert((process, ShardNo::of(&shard.shard_id)));
            }
            _ => {}
        }
        if let Some((process, shard, record)) = fact.what.settled() {
            let lease = (process, shard);
            let processed = self.covered.entry(lease).or_default();
            *processed = (*processed).max(self.records.place(record) + 1);
            if self.given_away.contains(&lease) {
                return Err(Violation::new("L8", "its former owner still processes"));
            }
        }
        Ok(())
    }
}
