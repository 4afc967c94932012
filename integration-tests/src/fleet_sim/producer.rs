use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kcl_core::Result;
use kcl_core::aggregation::{Aggregator, NewUserRecord, hash_key_of};
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{RecordPosition, Shard, ShardId, StreamId};

use super::fact::What;
use super::names::{RecordNo, ShardNo};
use super::world::World;

/// The keys that records are spread over.
const KEYS: u32 = 200;

/// The most user records of an aggregate.
const AGGREGATE_RECORDS_MAX: usize = 8;

/// The other side of the stream: puts records, splits, merges, and lets retention take what was delivered.
#[derive(Debug)]
pub(super) struct Producer {
    world: Arc<World>,
    kinesis: Arc<MemoryKinesis>,
    stream: StreamId,
    records_put: u64,
}

impl Producer {
    /// A new stream of `shards` shards.
    pub(super) fn new(world: Arc<World>, stream: StreamId, shards: usize) -> Result<Self> {
        let clock = Arc::clone(&world);
        let settings = MemoryKinesisSettings {
            retention: Duration::from_hours(24 * 365),
            limits: MemoryKinesisLimits::of_reads(),
            ..Default::default()
        };
        let kinesis = Arc::new(MemoryKinesis::with_clock(settings, move || clock.now()));
        kinesis.create_stream(&stream, shards)?;
        let producer = Self { world, kinesis, stream, records_put: 0 };
        for shard in producer.shards() {
            producer.tell_opened(&shard);
        }
        Ok(producer)
    }

    /// The backend.
    pub(super) fn kinesis(&self) -> &Arc<MemoryKinesis> {
        &self.kinesis
    }

    /// Puts a record of a key drawn from `rng`, or in so many cases of a hundred an aggregate.
    pub(super) fn put(&mut self, aggregate_percent: u32, rng: &mut fastrand::Rng) -> Result<()> {
        if aggregate_percent > 0 && rng.u32(..100) < aggregate_percent {
            return self.put_aggregate(rng);
        }
        self.put_with_key(rng.u32(..KEYS), None)
    }

    /// Puts an aggregate of a few user records whose keys all belong to one shard.
    fn put_aggregate(&mut self, rng: &mut fastrand::Rng) -> Result<()> {
        let Some(shard) = rng.choice(self.open_shards()) else { return Ok(()) };
        let is_of_shard = |key: &u32| shard.hash_key_range.contains(hash_key_of(&name(*key)));
        let keys: Vec<u32> = (0..KEYS).filter(is_of_shard).collect();
        let mut aggregator = Aggregator::default();
        let mut records = Vec::new();
        for _ in 0..rng.usize(2..=AGGREGATE_RECORDS_MAX) {
            let Some(key) = rng.choice(&keys).copied() else { return Ok(()) };
            let record = self.next_record();
            let (partition_key, data) = (name(key), record.0.to_be_bytes());
            let user_record =
                NewUserRecord { partition_key: &partition_key, data: &data, ..Default::default() };
            aggregator.add(&user_record)?;
            records.push((key, record));
        }
        let Some(put) = aggregator.take() else { return Ok(()) };
        let output =
            self.kinesis.put_record(&self.stream, &put.partition_key, put.explicit_hash_key, put.data)?;
        let shard = ShardNo::of(&output.shard_id);
        for (sub_sequence_number, (key, record)) in (0..).zip(records) {
            let sequence_number = output.sequence_number.clone();
            let position = RecordPosition { sequence_number, sub_sequence_number };
            self.world.tell(What::Put { shard, key, record, position: &position });
        }
        Ok(())
    }

    fn next_record(&mut self) -> RecordNo {
        self.records_put += 1;
        RecordNo(self.records_put - 1)
    }

    /// Puts a record into each open shard. Its key is the shard's own, so that it follows no other.
    pub(super) fn put_into_each(&mut self) -> Result<()> {
        for shard in self.open_shards() {
            self.put_with_key(KEYS + ShardNo::of(&shard.shard_id).0, Some(shard.hash_key_range.start))?;
        }
        Ok(())
    }

    fn put_with_key(&mut self, key: u32, hash_key: Option<u128>) -> Result<()> {
        let record = self.next_record();
        let data = Bytes::copy_from_slice(&record.0.to_be_bytes());
        let output = self.kinesis.put_record(&self.stream, &name(key), hash_key, data)?;
        let shard = ShardNo::of(&output.shard_id);
        let position = RecordPosition { sequence_number: output.sequence_number, sub_sequence_number: 0 };
        self.world.tell(What::Put { shard, key, record, position: &position });
        Ok(())
    }

    /// Splits an open shard in its middle.
    pub(super) fn split(&mut self, rng: &mut fastrand::Rng) -> Result<()> {
        let Some(shard) = rng.choice(self.open_shards()) else { return Ok(()) };
        let range = shard.hash_key_range;
        let middle = range.start + (range.end - range.start) / 2;
        let children = self.kinesis.split_shard(&self.stream, &shard.shard_id, middle)?;
        self.tell_resharded(&[shard.shard_id], &children);
        Ok(())
    }

    /// Merges two open shards that lie side by side.
    pub(super) fn merge(&mut self, rng: &mut fastrand::Rng) -> Result<()> {
        let mut open = self.open_shards();
        open.sort_by_key(|shard| shard.hash_key_range);
        let pairs: Vec<&[Shard]> = open.windows(2).collect();
        let Some(pair) = rng.choice(pairs) else { return Ok(()) };
        let parents = [pair[0].shard_id.clone(), pair[1].shard_id.clone()];
        let child = self.kinesis.merge_shards(&self.stream, &parents[0], &parents[1])?;
        self.tell_resharded(&parents, &[child]);
        Ok(())
    }

    /// Retention takes every record there is.
    pub(super) fn trim(&mut self) -> Result<()> {
        let before = self.shards();
        self.kinesis.trim(&self.stream, self.kinesis.now())?;
        let after = self.shards();
        let gone = before.iter().filter(|shard| !after.contains(shard));
        let gone: Vec<ShardNo> = gone.map(|shard| ShardNo::of(&shard.shard_id)).collect();
        self.world.tell(What::Trimmed { gone: &gone });
        Ok(())
    }

    /// The shards that take records.
    pub(super) fn open_shards(&self) -> Vec<Shard> {
        self.shards().into_iter().filter(Shard::is_open).collect()
    }

    /// Every shard that is listed.
    pub(super) fn shards(&self) -> Vec<Shard> {
        self.kinesis.shards(&self.stream).unwrap_or_default()
    }

    fn tell_resharded(&self, parents: &[ShardId], children: &[ShardId]) {
        for shard in self.shards().iter().filter(|shard| children.contains(&shard.shard_id)) {
            self.tell_opened(shard);
        }
        for parent in parents {
            self.world.tell(What::Closed { shard: ShardNo::of(parent) });
        }
    }

    fn tell_opened(&self, shard: &Shard) {
        let parents: Vec<ShardNo> = shard.parents().map(ShardNo::of).collect();
        self.world.tell(What::Opened { shard: ShardNo::of(&shard.shard_id), parents: &parents });
    }
}

fn name(key: u32) -> String {
    format!("key-{key}")
}
