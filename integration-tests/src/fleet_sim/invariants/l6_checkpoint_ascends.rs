//! L6: a checkpoint in a row never moves back, also not by a row that is made again.

use std::collections::BTreeMap;

use kcl_core::model::Checkpoint;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::ShardNo;

#[derive(Debug, Default)]
pub(super) struct CheckpointAscends {
    highest: BTreeMap<ShardNo, Checkpoint>,
}

impl Invariant for CheckpointAscends {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            // What an operator removed is read again from its beginning.
            What::RowRemoved { shard } => {
                self.highest.remove(&shard);
            }
            What::Wrote(write) => {
                let Some(row) = write.after else { return Ok(()) };
                let highest = self.highest.entry(write.shard).or_insert_with(|| row.checkpoint.clone());
                if row.checkpoint < *highest {
                    return Err(Violation::new("L6", format!("the row had been at {highest}")));
                }
                highest.clone_from(&row.checkpoint);
            }
            _ => {}
        }
        Ok(())
    }
}
