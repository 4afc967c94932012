//! L7: a shard is consumed only while the rows of all its parents are finished or gone; and a row is gone only once it is
//! of no use.

use std::collections::{BTreeMap, BTreeSet};

use kcl_core::lease::{Lease, LeaseChange};

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::ShardNo;

#[derive(Debug, Default)]
pub(super) struct ParentsFirst {
    parents: BTreeMap<ShardNo, Vec<ShardNo>>,
    /// Shards that the stream lists.
    listed: BTreeSet<ShardNo>,
    /// Shards whose rows said once that they are processed to their end.
    finished: BTreeSet<ShardNo>,
    /// Shards whose rows said once that they have begun.
    begun: BTreeSet<ShardNo>,
}

impl ParentsFirst {
    fn check_take(&self, shard: ShardNo) -> Result<(), Violation> {
        let parents = self.parents.get(&shard).into_iter().flatten();
        let mut unfinished = parents.filter(|parent| self.holds_up(**parent));
        match unfinished.next() {
            Some(parent) => {
                Err(Violation::new("L7", format!("its parent {parent} was never processed to its end")))
            }
            None => Ok(()),
        }
    }

    fn holds_up(&self, parent: ShardNo) -> bool {
        self.listed.contains(&parent) && !self.finished.contains(&parent)
    }

    fn check_delete(&self, shard: ShardNo, before: Option<&Lease>) -> Result<(), Violation> {
        if before.is_some_and(|row| !row.is_finished()) {
            return Err(Violation::new("L7", "a row was deleted that was not finished"));
        }
        if self.listed.contains(&shard) {
            return Err(Violation::new("L7", "a row was deleted whose shard is still listed"));
        }
        let follows = |child: &ShardNo| self.parents.get(child).is_some_and(|of| of.contains(&shard));
        let mut waiting = self.listed.iter().filter(|child| follows(child) && !self.begun.contains(child));
        match waiting.next() {
            Some(child) => Err(Violation::new(
                "L7",
                format!("a row was deleted although its child {child} had not begun"),
            )),
            None => Ok(()),
        }
    }

    fn take_note(&mut self, write: &Write<'_>) {
        let Some(row) = write.after else { return };
        if row.checkpoint.has_begun() {
            self.begun.insert(write.shard);
        }
        if row.is_finished() {
            self.finished.insert(write.shard);
        }
    }
}

impl Invariant for ParentsFirst {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Opened { shard, parents } => {
                self.listed.insert(shard);
                self.parents.insert(shard, parents.to_vec());
            }
            What::Trimmed { gone } => self.listed.retain(|shard| !gone.contains(shard)),
            What::Wrote(write) => {
                self.take_note(&write);
                match write.action {
                    Action::Change(LeaseChange::Take { .. }) => return self.check_take(write.shard),
                    Action::Delete => return self.check_delete(write.shard, write.before),
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }
}
