//! L5: a write whose answer was lost is recognised, so that no worker loses a lease to itself.

use std::collections::BTreeMap;

use kcl_core::Event;
use kcl_core::lease::LeaseLoss;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, ShardNo};

#[derive(Debug, Default)]
pub(super) struct LostAnswers {
    last_writer: BTreeMap<ShardNo, ProcessNo>,
}

impl LostAnswers {
    fn check(&self, process: ProcessNo, shard: ShardNo, loss: &LeaseLoss) -> Result<(), Violation> {
        match loss {
            // That it had no answers for a while is a fact, and no mistake about whose the writes were.
            LeaseLoss::Expired => Ok(()),
            LeaseLoss::Namesake => {
                Err(Violation::new("L5", "a worker took itself for another of the same name"))
            }
            _ if self.last_writer.get(&shard) == Some(&process) => {
                Err(Violation::new("L5", "a worker lost a lease to a write of its own"))
            }
            _ => Ok(()),
        }
    }
}

impl Invariant for LostAnswers {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            // Rows are made and deleted whoever owned them, also by the owner's own process.
            What::Wrote(Write { shard, action: Action::Create | Action::Delete, .. })
            | What::RowRemoved { shard } => {
                self.last_writer.remove(&shard);
            }
            What::Wrote(Write { action: Action::Request(_), .. }) => {}
            What::Wrote(write) => {
                self.last_writer.insert(write.shard, write.process);
            }
            What::Reported { process, event: Event::LeaseLost { shard, loss } } => {
                return self.check(process, ShardNo::of(&shard.shard_id), loss);
            }
            _ => {}
        }
        Ok(())
    }
}
