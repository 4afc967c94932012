//! U8: a worker that stops as planned leaves nothing behind: it owns no lease, asks for none, and is handed none, so
//! nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::Event;
use kcl_core::lease::Lease;
use kcl_core::model::WorkerId;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug, Default)]
pub(super) struct StopsLeaveNothing {
    workers: BTreeMap<ProcessNo, WorkerId>,
    /// Processes that had trouble of any kind, so that they may have failed to give something back.
    troubled: BTreeSet<ProcessNo>,
    /// Workers that crashed: what they are asked for, nobody hands over.
    crashed: BTreeSet<WorkerId>,
    /// Workers that have stopped without trouble.
    stopped: BTreeSet<WorkerId>,
    rows: BTreeMap<ShardNo, Lease>,
}

impl StopsLeaveNothing {
    fn stop(&mut self, process: ProcessNo) -> Result<(), Violation> {
        let Some(worker) = self.workers.get(&process).cloned().filter(|_| !self.troubled.contains(&process))
        else {
            return Ok(());
        };
        let left = self.rows.iter().find(|(_, row)| self.names(row, &worker));
        let left = left.map(|(shard, row)| complain(*shard, row));
        self.stopped.insert(worker);
        left.map_or(Ok(()), Err)
    }

    fn names(&self, row: &Lease, worker: &WorkerId) -> bool {
        let is_alive = row.owner.as_ref().is_some_and(|owner| !self.crashed.contains(owner));
        row.is_owned_by(worker) || is_alive && row.requested_by() == Some(worker)
    }
}

fn complain(shard: ShardNo, row: &Lease) -> Violation {
    let (owner, asker) = (row.owner.as_ref(), row.requested_by());
    let name = |worker: Option<&WorkerId>| worker.map_or("nobody".to_owned(), ToString::to_string);
    let problem = format!(
        "{shard} is owned by {} and asked for by {}, one of which has stopped",
        name(owner),
        name(asker)
    );
    Violation::new("U8", problem)
}

impl Invariant for StopsLeaveNothing {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Crashed { process } => self.crashed.extend(self.workers.get(&process).cloned()),
            What::Started { process, worker, .. } => {
                // Rows may still name a crashed predecessor.
                if self.workers.values().any(|known| known == worker) {
                    self.troubled.insert(process);
                }
                self.workers.insert(process, worker.clone());
            }
            What::Frozen { process }
            | What::Cut { process, .. }
            | What::Struck { process, .. }
            | What::Reported { process, event: Event::ShutdownForced { .. } | Event::ReleaseFailed { .. } } =>
            {
                self.troubled.insert(process);
            }
            What::RowRemoved { shard } => {
                self.rows.remove(&shard);
            }
            What::Wrote(write) => {
                let Some(row) = write.after else {
                    self.rows.remove(&write.shard);
                    return Ok(());
                };
                self.rows.insert(write.shard, row.clone());
                if self.stopped.iter().any(|worker| self.names(row, worker)) {
                    return Err(complain(write.shard, row));
                }
            }
            What::Stopped { process } => return self.stop(process),
            _ => {}
        }
        Ok(())
    }
}
