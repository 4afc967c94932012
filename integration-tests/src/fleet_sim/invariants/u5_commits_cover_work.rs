//! U5: what is committed has been processed: a position only after its record, the end of a shard only after all of them.

use std::collections::BTreeSet;

use kcl_core::lease::LeaseChange;
use kcl_core::model::Checkpoint;

use super::records::Records;
use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What};
use crate::fleet_sim::names::ShardNo;

#[derive(Debug, Default)]
pub(super) struct CommitsCoverWork {
    records: Records,
    closed: BTreeSet<ShardNo>,
}

impl Invariant for CommitsCoverWork {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        self.records.observe(fact);
        match fact.what {
            What::Closed { shard } => {
                self.closed.insert(shard);
            }
            What::Wrote(write) => {
                let Action::Change(
                    LeaseChange::Checkpoint { checkpoint, .. }
                    | LeaseChange::HandOver { checkpoint: Some(checkpoint), .. },
                ) = write.action
                else {
                    return Ok(());
                };
                if *checkpoint == Checkpoint::ShardEnd && !self.closed.contains(&write.shard) {
                    return Err(Violation::new("U5", "the end of an open shard was committed"));
                }
                let Some(records) = self.records.of(write.shard) else { return Ok(()) };
                let committed = records.covered_by(checkpoint);
                if committed > records.delivered() {
                    let delivered = records.delivered();
                    let problem = format!("{committed} records were committed, and {delivered} processed");
                    return Err(Violation::new("U5", problem));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
