//! A reader whose worker has no room to spare.

use bytes::Bytes;
use tokio::time::sleep;

use super::super::{FanOutConsumer, FanOutSettings};
use super::*;
use crate::memory::{MemoryKinesis, MemoryKinesisSettings};
use crate::model::{SequenceNumber, ShardId, StreamId, WorkerId};
use crate::stream::fetch_budget::FetchBudget;
use crate::stream::{IteratorPosition, StartPosition};

/// A stream of one shard with ten records of 50 kB, and a reader of it.
fn reader() -> (Arc<MemoryKinesis>, FanOutSource, Vec<SequenceNumber>) {
    let stream = StreamId::named("orders").unwrap();
    let kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings::default()));
    kinesis.create_stream(&stream, 1).unwrap();
    let put = |_| kinesis.put_record(&stream, "key", None, Bytes::from(vec![b'.'; 50_000])).unwrap();
    let records = (0..10).map(put).map(|put| put.sequence_number).collect();
    let events = Events::new(WorkerId::new("a").unwrap(), None);
    let settings = FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()));
    let port: Arc<dyn Kinesis> = Arc::<MemoryKinesis>::clone(&kinesis);
    let registration = Registration::new(Arc::clone(&port), stream.clone(), settings, events.clone(), 0);
    let shard = ShardKey::new(stream, ShardId::new("shardId-000000000000"));
    let position = ReadPosition::new(StartPosition::TrimHorizon);
    let source = FanOutSource::new(port, shard, position, Arc::new(registration), events, 0);
    (kinesis, source, records)
}

/// Reads ten records where there is room for one at a time, and each is held for a while. Returns how long it took.
async fn read_one_by_one(held_for: Duration) -> Duration {
    let (_, mut source, expected) = reader();
    let budget = FetchBudget::new(4 * 1024 * 1024);
    let (other, own) = (budget.join(), budget.join());
    let mut all_else = other.reserve(1, None).await;
    all_else.try_grow(usize::MAX / 2);
    let mut read = Vec::new();
    let started = Instant::now();
    while read.len() < expected.len() {
        let mut batch = source.next_batch(&own).await.unwrap();
        assert!(batch.records.len() <= 1, "there is room for one record at most");
        read.extend(batch.records.drain(..).map(|record| record.position.sequence_number));
        tokio::spawn(async move {
            sleep(held_for).await;
            drop(batch);
        });
    }
    assert_eq!(read, expected);
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_of_an_event_does_not_fit_is_read_when_there_is_room() {
    let elapsed = read_one_by_one(UNREAD_TIME_MAX / 2).await;
    assert!(elapsed < Duration::from_secs(10), "subscribing again takes five seconds each time: {elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_of_an_event_does_not_fit_for_long_is_asked_for_again() {
    let elapsed = read_one_by_one(2 * UNREAD_TIME_MAX).await;
    assert!(elapsed > Duration::from_secs(40), "it was not dropped: {elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_waits_to_be_subscribed_to_leaves_the_common_half_to_others() {
    let (kinesis, mut source, _) = reader();
    let consumer = source.registration.arn().await.unwrap();
    let start = IteratorPosition::TrimHorizon;
    let _last_owners = kinesis.subscribe_to_shard(&consumer, &source.shard, &start).await.unwrap();
    let budget = FetchBudget::new(4 * 1024 * 1024);
    let (other, own) = (budget.join(), budget.join());
    let waiting = tokio::spawn(async move { source.next_batch(&own).await.map(|batch| batch.records.len()) });
    sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    let mut all_else = other.reserve(1, None).await;
    all_else.try_grow(usize::MAX / 2);
    assert!(all_else.bytes() > 2 * 1024 * 1024, "{} of two MiB were left", all_else.bytes());
}
