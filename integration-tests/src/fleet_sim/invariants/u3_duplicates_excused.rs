//! U3: a record is delivered again only where the semantics permit it: after a crash, a freeze, a partition, a forced
//! stop, a row removed by hand, a write that failed, or a steal from an owner that did not hand over; with lanes also after
//! a record that failed or did not return, and with processors that commit by themselves after a call that did not return.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::Event;
use kcl_core::lease::LeaseChange;
use kcl_core::model::WorkerId;

use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Action, Fact, Service, What, Write};
use crate::fleet_sim::names::{ProcessNo, RecordNo, ShardNo};

#[derive(Debug)]
pub(super) struct DuplicatesExcused {
    rules: Rules,
    delivered_by: BTreeMap<RecordNo, ProcessNo>,
    processes: BTreeMap<WorkerId, ProcessNo>,
    /// Processes after which anything may come again.
    excused: BTreeSet<ProcessNo>,
    excused_leases: BTreeSet<(ProcessNo, ShardNo)>,
    excused_shards: BTreeSet<ShardNo>,
}

impl DuplicatesExcused {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            rules: rules.clone(),
            delivered_by: BTreeMap::new(),
            processes: BTreeMap::new(),
            excused: BTreeSet::new(),
            excused_leases: BTreeSet::new(),
            excused_shards: BTreeSet::new(),
        }
    }

    fn take_note_of_steal(&mut self, write: &Write<'_>) {
        let Action::Change(LeaseChange::Take { by }) = write.action else { return };
        let owner = write.before.and_then(|row| row.owner.as_ref()).filter(|owner| *owner != by);
        if let Some(process) = owner.and_then(|owner| self.processes.get(owner)) {
            self.excused_leases.insert((*process, write.shard));
        }
    }

    /// Whether something befell one of the two that delivered a record of `shard`: the first may not have committed
    /// it, or the second may not know that it has lost the shard.
    fn is_excused(&self, both: [ProcessNo; 2], shard: ShardNo) -> bool {
        let befell = |process: &ProcessNo| {
            self.excused.contains(process) || self.excused_leases.contains(&(*process, shard))
        };
        both.iter().any(befell) || self.excused_shards.contains(&shard)
    }
}

impl Invariant for DuplicatesExcused {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Started { process, worker, .. } => {
                self.processes.insert(worker.clone(), process);
            }
            What::Crashed { process }
            | What::Frozen { process }
            | What::Cut { process, service: Service::Table } => {
                self.excused.insert(process);
            }
            What::Struck { process, shard: Some(shard), .. } => {
                self.excused_leases.insert((process, shard));
            }
            What::Reported { process, event: Event::ShutdownForced { shard } } => {
                self.excused_leases.insert((process, ShardNo::of(&shard.shard_id)));
            }
            // What lanes have finished beyond a record that failed comes again.
            What::Failed { process, shard, .. }
            | What::SendFailed { process, shard }
            | What::SentAway { process, shard, .. }
                if self.rules.has_lanes(shard) =>
            {
                self.excused_leases.insert((process, shard));
            }
            What::Reported { process, event: Event::ProcessorOverran { shard, .. } } => {
                let shard = ShardNo::of(&shard.shard_id);
                if self.rules.has_lanes(shard) || self.rules.is_manual(shard) {
                    self.excused_leases.insert((process, shard));
                }
            }
            What::RowRemoved { shard } => {
                self.excused_shards.insert(shard);
            }
            What::Wrote(write) if self.rules.excuses_steals => self.take_note_of_steal(&write),
            _ => {}
        }
        if let Some((process, shard, record)) = fact.what.settled()
            && let Some(before) = self.delivered_by.insert(record, process)
            && !self.is_excused([before, process], shard)
        {
            let problem = format!("{before} had delivered it before, and nothing excuses that");
            return Err(Violation::new("U3", problem));
        }
        Ok(())
    }
}
