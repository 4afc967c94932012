use std::collections::{BTreeMap, BTreeSet};

use kcl_core::Event;

use super::fact::{Fact, What};
use super::names::{ProcessNo, RecordNo, ShardNo};

/// Where every record of a run is accounted for: settled, or outstanding in a shard that may say that it is blocked.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    outstanding: BTreeMap<ShardNo, BTreeSet<RecordNo>>,
    parents: BTreeMap<ShardNo, Vec<ShardNo>>,
    blocked: BTreeSet<(ProcessNo, ShardNo)>,
}

impl Accounts {
    /// Takes in a fact.
    pub(super) fn observe(&mut self, fact: &Fact<'_>) {
        match fact.what {
            What::Opened { shard, parents } => {
                self.parents.insert(shard, parents.to_vec());
            }
            What::Put { shard, record, .. } => {
                self.outstanding.entry(shard).or_default().insert(record);
            }
            What::Reported { process, event: Event::ShardBlocked { shard, .. } } => {
                self.blocked.insert((process, ShardNo::of(&shard.shard_id)));
            }
            What::Reported { process, event: Event::ShardUnblocked { shard, .. } } => {
                self.blocked.remove(&(process, ShardNo::of(&shard.shard_id)));
            }
            What::Crashed { process } => self.blocked.retain(|(blocked, _)| *blocked != process),
            _ => {}
        }
        if let Some((_, shard, record)) = fact.what.settled()
            && let Some(outstanding) = self.outstanding.get_mut(&shard)
        {
            outstanding.remove(&record);
            if outstanding.is_empty() {
                self.outstanding.remove(&shard);
            }
        }
    }

    /// The shards with records that are not settled, each with how many.
    pub(super) fn outstanding(&self) -> impl Iterator<Item = (ShardNo, usize)> {
        self.outstanding.iter().map(|(shard, records)| (*shard, records.len()))
    }

    /// True if the shard has records that are not settled.
    pub(super) fn has_outstanding(&self, shard: ShardNo) -> bool {
        self.outstanding.contains_key(&shard)
    }

    /// The shards that somebody says are blocked.
    pub(super) fn blocked(&self) -> BTreeSet<ShardNo> {
        self.blocked.iter().map(|(_, shard)| *shard).collect()
    }

    /// What cannot come to its end while nobody takes the records that are `in_the_way`.
    pub(super) fn held_up(&self, in_the_way: impl Fn(RecordNo) -> bool) -> HeldUp {
        let mut held_up = HeldUp::default();
        // Ascending, so that parents come before their children.
        for (shard, parents) in &self.parents {
            let of_shard = self.outstanding.get(shard);
            if parents.iter().any(|parent| held_up.has(*parent)) {
                held_up.waiting.insert(*shard);
            } else if of_shard.is_some_and(|records| records.iter().any(|record| in_the_way(*record))) {
                held_up.stuck.insert(*shard);
            }
        }
        held_up
    }
}

/// Shards that cannot come to their end.
#[derive(Debug, Default)]
pub(super) struct HeldUp {
    /// Those that have such a record, and that can be read.
    pub(super) stuck: BTreeSet<ShardNo>,
    /// Those that follow one of these.
    pub(super) waiting: BTreeSet<ShardNo>,
}

impl HeldUp {
    /// True if the shard is one of them.
    pub(super) fn has(&self, shard: ShardNo) -> bool {
        self.stuck.contains(&shard) || self.waiting.contains(&shard)
    }
}
