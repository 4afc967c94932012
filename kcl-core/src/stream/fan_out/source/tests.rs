//! A reader whose worker has no room to spare.

use bytes::Bytes;

use super::super::{FanOutConsumer, FanOutSettings};
use super::*;
use crate::memory::{MemoryKinesis, MemoryKinesisSettings};
use crate::model::{ShardId, StreamId, WorkerId};
use crate::stream::StartPosition;
use crate::stream::fetch_budget::FetchBudget;

#[tokio::test(start_paused = true)]
async fn what_of_an_event_does_not_fit_is_asked_for_again() {
    let stream = StreamId::named("orders").unwrap();
    let kinesis = Arc::new(MemoryKinesis::new(MemoryKinesisSettings::default()));
    kinesis.create_stream(&stream, 1).unwrap();
    let mut expected = Vec::new();
    for _ in 0..10 {
        let put = kinesis.put_record(&stream, "key", None, Bytes::from(vec![b'.'; 50_000])).unwrap();
        expected.push(put.sequence_number);
    }
    let events = Events::new(WorkerId::new("a").unwrap(), None);
    let settings = FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()));
    let kinesis: Arc<dyn Kinesis> = kinesis;
    let registration = Registration::new(Arc::clone(&kinesis), stream.clone(), settings, events.clone(), 0);
    let shard = ShardKey::new(stream, ShardId::new("shardId-000000000000"));
    let position = ReadPosition::new(StartPosition::TrimHorizon);
    let mut source = FanOutSource::new(kinesis, shard, position, Arc::new(registration), events, 0);
    let budget = FetchBudget::new(4 * 1024 * 1024);
    let (other, own) = (budget.join(), budget.join());
    let mut all_else = other.reserve(1, None).await;
    all_else.try_grow(usize::MAX / 2);
    let mut read = Vec::new();
    for _ in 0..50 {
        let batch = source.next_batch(&own).await.unwrap();
        assert!(batch.records.len() <= 1, "there is room for one record at most");
        read.extend(batch.records.into_iter().map(|record| record.position.sequence_number));
    }
    assert_eq!(read, expected);
}
