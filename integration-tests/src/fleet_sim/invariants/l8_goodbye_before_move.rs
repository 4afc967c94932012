//! L8: a lease that its owner gives away has everything committed that the owner processed, and the owner processes
//! nothing more; so no record is delivered twice by it.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::Event;
use kcl_core::lease::LeaseChange;

use super::records::{Front, Records};
use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug)]
pub(super) struct GoodbyeBeforeMove {
    records: Records,
    rules: Rules,
    /// How many records each process has covered under its present lease: without a gap, where it has lanes.
    covered: BTreeMap<(ProcessNo, ShardNo), Front>,
    given_away: BTreeSet<(ProcessNo, ShardNo)>,
    /// Dropped by force after the grace period; or left with what a processor that commits by itself could not commit.
    forced: BTreeSet<(ProcessNo, ShardNo)>,
}

impl GoodbyeBeforeMove {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            records: Records::default(),
            rules: rules.clone(),
            covered: BTreeMap::new(),
            given_away: BTreeSet::new(),
            forced: BTreeSet::new(),
        }
    }

    fn check_write(&mut self, write: &Write<'_>) -> Result<(), Violation> {
        let lease = (write.process, write.shard);
        let Action::Change(change) = write.action else { return Ok(()) };
        match change {
            LeaseChange::Take { .. } => {
                self.given_away.remove(&lease);
                self.forced.remove(&lease);
                let records = self.records.of(write.shard);
                let begun =
                    records.zip(write.after).map_or(0, |(records, row)| records.covered_by(&row.checkpoint));
                self.covered.insert(lease, Front::at(begun));
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
        let processed = self.covered.get(&lease).map_or(0, |covered| covered.reached);
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
            What::Reported {
                process,
                event: Event::CheckpointFailed { shard, .. } | Event::ProcessorOverran { shard, .. },
            } if self.rules.is_manual(ShardNo::of(&shard.shard_id)) => {
                self.forced.insert((process, ShardNo::of(&shard.shard_id)));
            }
            _ => {}
        }
        if let Some((process, shard, record)) = fact.what.settled() {
            let lease = (process, shard);
            let (place, covered) = (self.records.place(record), self.covered.entry(lease).or_default());
            if self.rules.has_lanes(shard) {
                covered.pass(place);
            } else {
                *covered = Front::at(covered.reached.max(place + 1));
            }
            if self.given_away.contains(&lease) {
                return Err(Violation::new("L8", "its former owner still processes"));
            }
        }
        Ok(())
    }
}
