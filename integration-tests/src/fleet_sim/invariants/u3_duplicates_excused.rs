//! U3: a record is delivered again only where the semantics permit it: after a crash, a freeze, a partition, a forced
//! stop, a row removed by hand, a write that failed, or a steal from an owner that did not hand over.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::Event;
use kcl_core::lease::LeaseChange;
use kcl_core::model::WorkerId;

use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Action, Fact, Service, What, Write};
use crate::fleet_sim::names::{ProcessNo, RecordNo, ShardNo};

#[derive(Debug)]
pub(super) struct DuplicatesExcused {
    excuses_steals: bool,
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
            excuses_steals: rules.excuses_steals,
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

    fn is_excused(&self, before: ProcessNo, shard: ShardNo) -> bool {
        self.excused.contains(&before)
            || self.excused_leases.contains(&(before, shard))
            || self.excused_shards.contains(&shard)
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
            What::RowRemoved { shard } => {
                self.excused_shards.insert(shard);
            }
            What::Wrote(write) if self.excuses_steals => self.take_note_of_steal(&write),
            What::Delivered { process, shard, record } => {
                if let Some(before) = self.delivered_by.insert(record, process)
                    && !self.is_excused(before, shard)
                {
                    let problem = format!("{before} had delivered it before, and nothing befell {before}");
                    return Err(Violation::new("U3", problem));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
