//! U4: the first record of a shard is delivered after every record of the shards that it follows, however far back.

use std::collections::BTreeMap;

use super::records::Records;
use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::ShardNo;

#[derive(Debug, Default)]
pub(super) struct ChildrenAfterParents {
    records: Records,
    parents: BTreeMap<ShardNo, Vec<ShardNo>>,
}

impl ChildrenAfterParents {
    /// An ancestor with records that were not delivered.
    fn unfinished_ancestor(&self, shard: ShardNo) -> Option<ShardNo> {
        let mut open: Vec<ShardNo> = self.parents.get(&shard).cloned().unwrap_or_default();
        while let Some(ancestor) = open.pop() {
            match self.records.of(ancestor) {
                Some(records) if !records.are_delivered() => return Some(ancestor),
                // Its own first record came after those of its ancestors.
                Some(_) => {}
                None => open.extend(self.parents.get(&ancestor).into_iter().flatten()),
            }
        }
        None
    }
}

impl Invariant for ChildrenAfterParents {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        self.records.observe(fact);
        if let What::Opened { shard, parents } = fact.what {
            self.parents.insert(shard, parents.to_vec());
        } else if let Some((_, shard, record)) = fact.what.settled()
            && self.records.place(record) == 0
            && let Some(ancestor) = self.unfinished_ancestor(shard)
        {
            let problem = format!("{ancestor}, which {shard} follows, has records not delivered");
            return Err(Violation::new("U4", problem));
        }
        Ok(())
    }
}
