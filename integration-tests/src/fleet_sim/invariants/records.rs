use std::collections::{BTreeMap, BTreeSet};

use kcl_core::model::{Checkpoint, RecordPosition};

use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::{RecordNo, ShardNo};

/// The records of a run by shard, and which have been settled: what several invariants look things up in.
#[derive(Debug, Default)]
pub(super) struct Records {
    shards: BTreeMap<ShardNo, ShardRecords>,
    places: BTreeMap<RecordNo, usize>,
}

/// Up to which place everything has been passed, in whatever order.
#[derive(Debug, Clone, Default)]
pub(super) struct Front {
    pub(super) reached: usize,
    beyond: BTreeSet<usize>,
}

impl Front {
    /// Everything before `place` has been passed.
    pub(super) fn at(place: usize) -> Self {
        Self { reached: place, beyond: BTreeSet::new() }
    }

    /// True if this place has been passed.
    pub(super) fn has_passed(&self, place: usize) -> bool {
        place < self.reached || self.beyond.contains(&place)
    }

    pub(super) fn pass(&mut self, place: usize) {
        if place >= self.reached {
            self.beyond.insert(place);
        }
        while self.beyond.remove(&self.reached) {
            self.reached += 1;
        }
    }
}

/// The records of one shard.
#[derive(Debug, Default)]
pub(super) struct ShardRecords {
    /// Ascending.
    positions: Vec<RecordPosition>,
    settled: Front,
}

impl ShardRecords {
    /// True if everything put so far has been delivered.
    pub(super) fn are_delivered(&self) -> bool {
        self.delivered() == self.positions.len()
    }

    /// How many from the front have been settled without a gap.
    pub(super) fn delivered(&self) -> usize {
        self.settled.reached
    }

    /// How many records a checkpoint covers.
    pub(super) fn covered_by(&self, checkpoint: &Checkpoint) -> usize {
        match checkpoint {
            Checkpoint::ShardEnd => self.positions.len(),
            Checkpoint::At(position) => self.positions.partition_point(|known| known <= position),
            Checkpoint::AtTimestamp | Checkpoint::TrimHorizon | Checkpoint::Latest => 0,
        }
    }
}

impl Records {
    /// Takes in a fact.
    pub(super) fn observe(&mut self, fact: &Fact<'_>) {
        if let What::Put { shard, record, position, .. } = fact.what {
            let records = self.shards.entry(shard).or_default();
            self.places.insert(record, records.positions.len());
            records.positions.push(position.clone());
        } else if let Some((_, shard, record)) = fact.what.settled() {
            let place = self.place(record);
            self.shards.entry(shard).or_default().settled.pass(place);
        }
    }

    /// The place of a record in its shard.
    pub(super) fn place(&self, record: RecordNo) -> usize {
        self.places.get(&record).copied().unwrap_or_default()
    }

    /// The records of a shard; `None` if there never was one.
    pub(super) fn of(&self, shard: ShardNo) -> Option<&ShardRecords> {
        self.shards.get(&shard)
    }
}
