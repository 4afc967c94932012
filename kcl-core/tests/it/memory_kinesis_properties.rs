//! Whatever is put, split, merged and trimmed, the in-memory Kinesis loses, repeats and reorders nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::memory::{MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{Record, Shard, ShardId, ShardKey, StreamId, Timestamp};
use kcl_core::stream::{IteratorPosition, Kinesis};
use proptest::prelude::*;

/// What an operator or a producer does. Indices choose among the open shards, modulo their number.
#[derive(Debug, Clone)]
enum Step {
    Put { key: u8 },
    Split { shard: usize, at: u128 },
    Merge { shard: usize },
    Wait { ms: u64 },
    Trim { ms_ago: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<u8>().prop_map(|key| Step::Put { key: key % 16 }),
        2 => (any::<usize>(), any::<u128>()).prop_map(|(shard, at)| Step::Split { shard, at }),
        2 => any::<usize>().prop_map(|shard| Step::Merge { shard }),
        2 => (0..2_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..3_000_u64).prop_map(|ms_ago| Step::Trim { ms_ago }),
    ]
}

/// The service, and what a producer remembers of it.
struct Run {
    kinesis: MemoryKinesis,
    stream: StreamId,
    /// Every record that is still kept: its label, which counts up, with its key and time.
    kept: BTreeMap<u32, (String, Timestamp)>,
    next_label: u32,
}

impl Run {
    fn new() -> Self {
        let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::none(), ..Default::default() };
        let (kinesis, stream) = (MemoryKinesis::new(settings), StreamId::named("orders").unwrap());
        kinesis.create_stream(&stream, 2).unwrap();
        Self { kinesis, stream, kept: BTreeMap::new(), next_label: 0 }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Put { key } => self.put(&format!("key-{key}")),
            Step::Split { shard, at } => self.split(*shard, *at),
            Step::Merge { shard } => self.merge(*shard),
            Step::Wait { ms } => tokio::time::advance(Duration::from_millis(*ms)).await,
            Step::Trim { ms_ago } => self.trim(*ms_ago),
        }
    }

    fn put(&mut self, key: &str) {
        let label = self.next_label;
        self.next_label += 1;
        let data = Bytes::copy_from_slice(&label.to_be_bytes());
        self.kinesis.put_record(&self.stream, key, None, data).unwrap();
        self.kept.insert(label, (key.to_owned(), self.kinesis.now()));
    }

    fn split(&self, shard: usize, at: u128) {
        let open = self.open_shards();
        let chosen = &open[shard % open.len()];
        let range = chosen.hash_key_range;
        let inside = range.start + at % (range.end - range.start).max(1);
        if inside > range.start.saturating_add(1) {
            self.kinesis.split_shard(&self.stream, &chosen.shard_id, inside).unwrap();
        }
    }

    fn merge(&self, shard: usize) {
        let open = self.open_shards();
        let index = shard % open.len();
        if let Some(adjacent) = open.get(index + 1) {
            let (one, other) = (&open[index].shard_id, &adjacent.shard_id);
            self.kinesis.merge_shards(&self.stream, one, other).unwrap();
        }
    }

    fn trim(&mut self, ms_ago: u64) {
        let now = self.kinesis.now().as_millis();
        let horizon = Timestamp::from_millis(now - i64::try_from(ms_ago).unwrap());
        self.kinesis.trim(&self.stream, horizon).unwrap();
        self.kept.retain(|_, (_, arrival)| *arrival >= horizon);
    }

    /// By hash key range.
    fn open_shards(&self) -> Vec<Shard> {
        let mut shards = self.kinesis.shards(&self.stream).unwrap();
        shards.retain(Shard::is_open);
        shards.sort_by_key(|shard| shard.hash_key_range);
        shards
    }

    /// The records of one shard, `limit` a call; and the children that its end names.
    async fn read(&self, shard_id: &ShardId, limit: u32) -> (Vec<Record>, BTreeSet<ShardId>) {
        let shard = ShardKey::new(self.stream.clone(), shard_id.clone());
        let position = IteratorPosition::TrimHorizon;
        let mut iterator = self.kinesis.get_shard_iterator(&shard, &position).await.unwrap();
        let mut records = Vec::new();
        loop {
            let output = self.kinesis.get_records(&iterator, limit).await.unwrap();
            let at_tip = output.millis_behind_latest == 0;
            records.extend(output.records);
            match output.next {
                Some(next) if !at_tip => iterator = next,
                _ => {
                    return (records, output.children.into_iter().map(|child| child.shard_id).collect());
                }
            }
        }
    }

    fn check_open_shards_divide_the_hash_keys(&self) {
        let mut next = Some(0);
        for shard in self.open_shards() {
            assert_eq!(Some(shard.hash_key_range.start), next);
            next = shard.hash_key_range.end.checked_add(1);
        }
        assert_eq!(next, None);
    }

    /// Parents first, as a fleet reads.
    async fn check_everything_can_be_read(&self, limit: u32) {
        let shards = self.kinesis.shards(&self.stream).unwrap();
        let mut read = Vec::new();
        for shard in &shards {
            let (records, children) = self.read(&shard.shard_id, limit).await;
            check_numbers(shard, &records);
            let listed = |child: &&Shard| child.parents().any(|parent| *parent == shard.shard_id);
            let expected = shards.iter().filter(listed).map(|child| child.shard_id.clone()).collect();
            assert_eq!(children, expected, "the children of {}", shard.shard_id);
            read.extend(records);
        }
        check_numbers_of_children(&shards);
        assert_eq!(labels_by_key(&read), self.kept_labels_by_key());
    }

    fn kept_labels_by_key(&self) -> BTreeMap<String, Vec<u32>> {
        let mut labels = BTreeMap::<_, Vec<_>>::new();
        for (label, (key, _)) in &self.kept {
            labels.entry(key.clone()).or_default().push(*label);
        }
        labels
    }
}

fn check_numbers(shard: &Shard, records: &[Record]) {
    let start = std::iter::once(&shard.starting_sequence_number);
    let numbers = records.iter().map(|record| &record.position.sequence_number);
    let all: Vec<_> = start.chain(numbers).chain(&shard.ending_sequence_number).collect();
    assert!(all.is_sorted_by(|a, b| a < b), "{}: {all:?}", shard.shard_id);
}

fn check_numbers_of_children(shards: &[Shard]) {
    for child in shards {
        for parent in shards.iter().filter(|shard| child.parents().any(|id| *id == shard.shard_id)) {
            assert!(parent.shard_id < child.shard_id, "parents are listed first");
            assert!(parent.ending_sequence_number.as_ref() < Some(&child.starting_sequence_number));
            assert!(!parent.is_open());
        }
    }
}

fn labels_by_key(records: &[Record]) -> BTreeMap<String, Vec<u32>> {
    let mut labels = BTreeMap::<_, Vec<_>>::new();
    for record in records {
        let label = u32::from_be_bytes(record.data[..].try_into().unwrap());
        labels.entry(record.partition_key.to_string()).or_default().push(label);
    }
    labels
}

proptest! {
    #[test]
    fn nothing_is_lost_repeated_or_reordered(
        steps in prop::collection::vec(step(), 0..120),
        limit in 1..8_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut run = Run::new();
            for step in &steps {
                run.take(step).await;
                run.check_open_shards_divide_the_hash_keys();
            }
            run.check_everything_can_be_read(limit).await;
        });
    }
}
