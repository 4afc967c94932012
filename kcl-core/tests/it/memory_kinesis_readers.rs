//! Whatever is put, split, merged and trimmed meanwhile, a reader by polling and one by subscription get every record of
//! a shard once and in order, unless it was trimmed before they came to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{ConsumerArn, Record, Shard, ShardId, ShardKey, StreamId, Timestamp};
use kcl_core::stream::{IteratorPosition, Kinesis, ShardIterator, Subscription};
use kcl_core::{Error, ErrorKind};
use proptest::prelude::*;
use tokio::time::{advance, timeout};

/// Longer than any subscription of these tests is silent.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Indices choose among the shards that fit, modulo their number.
#[derive(Debug, Clone)]
enum Step {
    Put { hash_key: u128 },
    Split { shard: usize },
    Merge { shard: usize },
    Wait { ms: u64 },
    Trim { ms_ago: u64 },
    Poll { shard: usize, limit: u32 },
    Listen { shard: usize, ms: u64 },
    Subscribe { shard: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let shard = any::<usize>;
    prop_oneof![
        12 => any::<u128>().prop_map(|hash_key| Step::Put { hash_key }),
        1 => shard().prop_map(|shard| Step::Split { shard }),
        1 => shard().prop_map(|shard| Step::Merge { shard }),
        2 => (0..500_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..1_000_u64).prop_map(|ms_ago| Step::Trim { ms_ago }),
        6 => (shard(), 1..5_u32).prop_map(|(shard, limit)| Step::Poll { shard, limit }),
        6 => (shard(), 0..100_u64).prop_map(|(shard, ms)| Step::Listen { shard, ms }),
        3 => shard().prop_map(|shard| Step::Subscribe { shard }),
    ]
}

/// What one reader has got of one shard.
#[derive(Default)]
struct Reader {
    /// How many of the shard's records lie behind it: got, or trimmed before it came to them.
    passed: usize,
    iterator: Option<ShardIterator>,
    subscription: Option<Box<dyn Subscription>>,
    resumption: Option<IteratorPosition>,
    is_done: bool,
}

#[derive(Default)]
struct ShardRun {
    /// What was put: label and arrival, in order.
    put: Vec<(u32, Timestamp)>,
    poller: Reader,
    subscriber: Reader,
}

struct Run {
    kinesis: MemoryKinesis,
    stream: StreamId,
    consumer: ConsumerArn,
    shards: BTreeMap<ShardId, ShardRun>,
    horizon: Timestamp,
    next_label: u32,
}

impl Run {
    async fn new() -> Self {
        let fan_out = MemoryFanOutSettings {
            consumer_transition: Duration::ZERO,
            heartbeat_interval: Duration::from_millis(300),
            subscription_lifetime: Duration::from_secs(2),
            take_over_after: Duration::from_millis(200),
            ..MemoryFanOutSettings::default()
        };
        let limits = MemoryKinesisLimits::none();
        let kinesis = MemoryKinesis::new(MemoryKinesisSettings { fan_out, limits, ..Default::default() });
        let stream = StreamId::named("orders").unwrap();
        kinesis.create_stream(&stream, 2).unwrap();
        let arn = kinesis.describe_stream(&stream).await.unwrap().arn;
        let consumer = kinesis.register_consumer(&arn, "billing").await.unwrap().arn;
        let horizon = Timestamp::from_millis(0);
        let mut run = Self { kinesis, stream, consumer, shards: BTreeMap::new(), horizon, next_label: 0 };
        run.meet_shards();
        run
    }

    /// Every shard is known before it can be trimmed.
    fn meet_shards(&mut self) {
        for shard in self.kinesis.shards(&self.stream).unwrap() {
            self.shards.entry(shard.shard_id).or_default();
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Put { hash_key } => self.put(hash_key),
            Step::Split { shard } => self.split(shard),
            Step::Merge { shard } => self.merge(shard),
            Step::Wait { ms } => advance(Duration::from_millis(ms)).await,
            Step::Trim { ms_ago } => self.trim(ms_ago),
            Step::Poll { shard, limit } => self.poll(&self.choose(shard), limit).await,
            Step::Listen { shard, ms } => self.listen(&self.choose(shard), Duration::from_millis(ms)).await,
            Step::Subscribe { shard } => self.subscribe(&self.choose(shard)).await,
        }
    }

    fn put(&mut self, hash_key: u128) {
        let label = self.next_label;
        self.next_label += 1;
        let data = Bytes::copy_from_slice(&label.to_be_bytes());
        let put = self.kinesis.put_record(&self.stream, "key", Some(hash_key), data).unwrap();
        self.shards.get_mut(&put.shard_id).unwrap().put.push((label, self.kinesis.now()));
    }

    fn split(&mut self, shard: usize) {
        let open = self.open_shards();
        let chosen = &open[shard % open.len()];
        let range = chosen.hash_key_range;
        let middle = range.start + (range.end - range.start) / 2;
        self.kinesis.split_shard(&self.stream, &chosen.shard_id, middle).unwrap();
        self.meet_shards();
    }

    fn merge(&mut self, shard: usize) {
        let open = self.open_shards();
        let index = shard % open.len();
        if let Some(adjacent) = open.get(index + 1) {
            let (one, other) = (&open[index].shard_id, &adjacent.shard_id);
            self.kinesis.merge_shards(&self.stream, one, other).unwrap();
            self.meet_shards();
        }
    }

    fn trim(&mut self, ms_ago: u64) {
        let horizon = self.kinesis.now().saturating_sub(Duration::from_millis(ms_ago));
        self.kinesis.trim(&self.stream, horizon).unwrap();
        self.horizon = self.horizon.max(horizon);
    }

    async fn poll(&mut self, shard: &ShardKey, limit: u32) {
        let horizon = self.horizon;
        let ShardRun { put, poller, .. } = self.shards.get_mut(&shard.shard_id).unwrap();
        if poller.is_done {
            return;
        }
        let iterator = match poller.iterator.take() {
            Some(iterator) => Ok(iterator),
            None => self.kinesis.get_shard_iterator(shard, &IteratorPosition::TrimHorizon).await,
        };
        let Ok(iterator) = iterator.or_else(|error| poller.gone(put, horizon, &error)) else { return };
        match self.kinesis.get_records(&iterator, limit).await {
            Ok(output) => {
                poller.receive(put, horizon, &output.records);
                poller.is_done = output.next.is_none();
                poller.iterator = output.next;
            }
            Err(error) => poller.gone(put, horizon, &error).unwrap_or_default(),
        }
    }

    async fn listen(&mut self, shard: &ShardKey, patience: Duration) {
        let horizon = self.horizon;
        let ShardRun { put, subscriber, .. } = self.shards.get_mut(&shard.shard_id).unwrap();
        let Some(subscription) = &mut subscriber.subscription else { return };
        let Ok(outcome) = timeout(patience, subscription.next_event()).await else { return };
        match outcome {
            Ok(Some(event)) => {
                subscriber.receive(put, horizon, &event.records);
                subscriber.is_done = event.is_shard_end;
                subscriber.resumption = event.continuation.map(IteratorPosition::AfterSequenceNumber);
            }
            Ok(None) => subscriber.subscription = None,
            Err(error) => subscriber.gone(put, horizon, &error).unwrap_or_default(),
        }
    }

    /// Opens a subscription, or takes over from the one there is.
    async fn subscribe(&mut self, shard: &ShardKey) {
        let horizon = self.horizon;
        let ShardRun { put, subscriber, .. } = self.shards.get_mut(&shard.shard_id).unwrap();
        if subscriber.is_done {
            return;
        }
        let position = subscriber.resumption.clone().unwrap_or(IteratorPosition::TrimHorizon);
        match self.kinesis.subscribe_to_shard(&self.consumer, shard, &position).await {
            Ok(subscription) => subscriber.subscription = Some(subscription),
            Err(error) if error.kind() == ErrorKind::InUse => {}
            Err(error) => subscriber.gone(put, horizon, &error).unwrap_or_default(),
        }
    }

    /// Lets both readers come to the end of every shard, or to its tip.
    async fn finish(&mut self) {
        let names: Vec<_> = self.shards.keys().cloned().collect();
        for _ in 0..4 {
            advance(Duration::from_millis(300)).await;
            for name in &names {
                let shard = ShardKey::new(self.stream.clone(), name.clone());
                self.poll(&shard, 1_000).await;
                self.subscribe(&shard).await;
                self.listen(&shard, SILENCE_MAX).await;
            }
        }
        for (name, ShardRun { put, poller, subscriber }) in &self.shards {
            for (way, reader) in [("polling", poller), ("subscription", subscriber)] {
                let missed = put[reader.passed..].iter().find(|(_, arrival)| *arrival >= self.horizon);
                assert_eq!(missed, None, "missed in {name} by {way}");
            }
        }
    }

    fn choose(&self, index: usize) -> ShardKey {
        let shard = self.shards.keys().nth(index % self.shards.len()).unwrap();
        ShardKey::new(self.stream.clone(), shard.clone())
    }

    /// By hash key range.
    fn open_shards(&self) -> Vec<Shard> {
        let mut shards = self.kinesis.shards(&self.stream).unwrap();
        shards.retain(Shard::is_open);
        shards.sort_by_key(|shard| shard.hash_key_range);
        shards
    }
}

impl Reader {
    /// Each record must be the next that was put, but for those that are trimmed.
    fn receive(&mut self, put: &[(u32, Timestamp)], horizon: Timestamp, records: &[Record]) {
        for record in records {
            let label = u32::from_be_bytes(record.data[..].try_into().unwrap());
            let rest = &put[self.passed..];
            let skipped = rest.iter().position(|(put, _)| *put == label);
            let skipped =
                skipped.unwrap_or_else(|| panic!("{label} comes again, or not from here: {rest:?}"));
            let lost = rest[..skipped].iter().find(|(_, arrival)| *arrival >= horizon);
            assert_eq!(lost, None, "lost before {label}");
            self.passed += skipped + 1;
        }
    }

    /// A shard is gone only when all that it held is trimmed.
    fn gone<T>(&mut self, put: &[(u32, Timestamp)], horizon: Timestamp, error: &Error) -> Result<T, ()> {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(put.iter().find(|(_, arrival)| *arrival >= horizon), None, "gone with records");
        self.is_done = true;
        self.subscription = None;
        Err(())
    }
}

proptest! {
    #[test]
    fn both_ways_of_reading_get_every_record_once_and_in_order(
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in &steps {
                run.take(step).await;
            }
            run.finish().await;
        });
    }
}
