//! U9: in a fleet that has healed, a lease that is pinned to a worker which is there is that worker's; and at all times, what a
//! worker sees pinned to its owner it does not ask for.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::lease::Lease;
use kcl_core::model::WorkerId;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug, Default)]
pub(super) struct PinsHonoured {
    rows: BTreeMap<ShardNo, Lease>,
    workers: BTreeMap<ProcessNo, WorkerId>,
}

impl PinsHonoured {
    fn write(&mut self, write: &Write<'_>) -> Result<(), Violation> {
        match write.after {
            Some(row) => self.rows.insert(write.shard, row.clone()),
            None => self.rows.remove(&write.shard),
        };
        let is_in_place = |seen: &&Lease| seen.owner.is_some() && seen.pinned_to == seen.owner;
        match (write.action, write.seen.filter(is_in_place)) {
            (Action::Request(Some(by)), Some(seen)) if !seen.is_owned_by(by) => {
                Err(Violation::new("U9", format!("{by} asked for a lease that is pinned to its owner")))
            }
            _ => Ok(()),
        }
    }

    fn heal(&self) -> Result<(), Violation> {
        let there: BTreeSet<&WorkerId> = self.workers.values().collect();
        for (shard, row) in self.rows.iter().filter(|(_, row)| !row.is_finished()) {
            let pinned_to = row.pinned_to.as_ref().filter(|worker| there.contains(worker));
            if let Some(worker) = pinned_to.filter(|worker| !row.is_owned_by(worker)) {
                let problem = format!("{shard} is pinned to {worker}, and is not that worker's");
                return Err(Violation::new("U9", problem));
            }
        }
        Ok(())
    }
}

impl Invariant for PinsHonoured {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Started { process, worker, .. } => {
                self.workers.insert(process, worker.clone());
            }
            What::StopAsked { process } | What::Crashed { process } | What::GaveUp { process, .. } => {
                self.workers.remove(&process);
            }
            What::RowRemoved { shard } => {
                self.rows.remove(&shard);
            }
            What::Pinned { shard, after, .. } => {
                self.rows.insert(shard, after.clone());
            }
            What::Wrote(write) => return self.write(&write),
            What::Healed => return self.heal(),
            _ => {}
        }
        Ok(())
    }
}
