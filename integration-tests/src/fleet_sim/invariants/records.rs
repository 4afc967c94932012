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

/// The records of one shard.
#[derive(Debug, Default)]
pub(super) struct ShardRecords {
    /// Ascending.
    positions: Vec<RecordPosition>,
    /// How many from the front have been settled without a gap.
    pub(super) delivered: usize,
    /// Those that have been settled beyond that.
    beyond: BTreeSet<usize>,
}

impl ShardRecords {
    /// True if everything put so far has been delivered.
    pub(super) fn are_delivered(&self) -> bool {
        self.delivered == self.positions.len()
    }

    fn settle(&mut self, place: usize) {
        if place >= self.delivered {
            self.beyond.insert(place);
        }
        while self.beyond.remove(&self.delivered) {
            self.delivered += 1;
        }
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
            self.shards.entry(shard).or_default().settle(place);
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
