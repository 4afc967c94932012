//! D4: what was prepared last and not committed stays in the row, and the next owner is told of it.

use std::collections::BTreeMap;

use kcl_core::lease::LeaseChange;
use kcl_core::model::PendingCheckpoint;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug, Default)]
pub(super) struct PendingStateKept {
    pending: BTreeMap<ShardNo, PendingCheckpoint>,
    /// The same when the process took the lease.
    at_take: BTreeMap<(ProcessNo, ShardNo), Option<PendingCheckpoint>>,
    owners: BTreeMap<ShardNo, ProcessNo>,
}

impl PendingStateKept {
    fn write(&mut self, write: &Write<'_>) -> Result<(), Violation> {
        let (process, shard) = (write.process, write.shard);
        if let Action::Change(change) = write.action {
            self.change(change, process, shard);
        } else if matches!(write.action, Action::Create | Action::Delete) {
            self.pending.remove(&shard);
        }
        if write.after.is_some_and(|row| row.pending.as_ref() != self.pending.get(&shard)) {
            return Err(Violation::new("D4", "the row does not hold what was prepared last"));
        }
        Ok(())
    }

    fn change(&mut self, change: &LeaseChange, process: ProcessNo, shard: ShardNo) {
        match change {
            LeaseChange::Prepare { pending } => {
                self.pending.insert(shard, pending.clone());
            }
            LeaseChange::Checkpoint { .. } | LeaseChange::HandOver { checkpoint: Some(_), .. } => {
                self.pending.remove(&shard);
            }
            LeaseChange::Take { .. } => {
                self.at_take.insert((process, shard), self.pending.get(&shard).cloned());
                self.owners.insert(shard, process);
            }
            _ => {}
        }
    }
}

impl Invariant for PendingStateKept {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::RowRemoved { shard } => {
                self.pending.remove(&shard);
            }
            What::Wrote(write) => return self.write(&write),
            What::Began { process, shard, start: Some(start) } => {
                let expected = self.at_take.get(&(process, shard)).and_then(Option::as_ref);
                if start.pending.as_ref() != expected {
                    return Err(Violation::new(
                        "D4",
                        "the owner was told of something else than was prepared",
                    ));
                }
            }
            What::Prepared { process, shard, state } if self.owners.get(&shard) == Some(&process) => {
                if self.pending.get(&shard).is_none_or(|pending| pending.application_state != state) {
                    return Err(Violation::new("D4", "what was prepared is not in the row"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
