use std::collections::BTreeMap;

use kcl_core::model::{Checkpoint, SequenceNumber};

use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::{RecordNo, ShardNo};

/// The records of a run by shard, and which have been delivered: what several invariants look things up in.
#[derive(Debug, Default)]
pub(super) struct Records {
    shards: BTreeMap<ShardNo, ShardRecords>,
    places: BTreeMap<RecordNo, usize>,
}

/// The records of one shard.
#[derive(Debug, Default)]
pub(super) struct ShardRecords {
    /// Ascending.
    numbers: Vec<SequenceNumber>,
    /// How many from the front have been delivered.
    pub(super) delivered: usize,
}

impl ShardRecords {
    /// True if everything put so far has been delivered.
    pub(super) fn are_delivered(&self) -> bool {
        self.delivered == self.numbers.len()
    }

    /// How many records a checkpoint covers.
    pub(super) fn covered_by(&self, checkpoint: &Checkpoint) -> usize {
        match checkpoint {
            Checkpoint::ShardEnd => self.numbers.len(),
            Checkpoint::At(position) => {
                self.numbers.partition_point(|number| *number <= position.sequence_number)
            }
            Checkpoint::AtTimestamp | Checkpoint::TrimHorizon | Checkpoint::Latest => 0,
        }
    }
}

impl Records {
    /// Takes in a fact.
    pub(super) fn observe(&mut self, fact: &Fact<'_>) {
        match fact.what {
            What::Put { shard, record, number, .. } => {
                let records = self.shards.entry(shard).or_default();
                self.places.insert(record, records.numbers.len());
                records.numbers.push(number.clone());
            }
            What::Delivered { shard, record, .. } => {
                let place = self.place(record);
                let records = self.shards.entry(shard).or_default();
                records.delivered = records.delivered.max(place + 1);
            }
            _ => {}
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

    /// All shards that ever had a record.
    pub(super) fn shards(&self) -> impl Iterator<Item = (ShardNo, &ShardRecords)> {
        self.shards.iter().map(|(shard, records)| (*shard, records))
    }
}
