//! What the in-memory Kinesis pushes, on its own clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::ErrorKind;
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisLimits, MemoryKinesisSettings};
use kcl_core::model::{ConsumerArn, ShardId, ShardKey, StreamId};
use kcl_core::stream::{ConsumerRef, ConsumerStatus, IteratorPosition, Kinesis, Subscription};
use tokio::time::{Instant, advance, sleep, timeout};

/// A consumer of the stream `orders`, which has one shard.
struct FanOut {
    kinesis: MemoryKinesis,
    shard: ShardKey,
    consumer: ConsumerArn,
}

impl FanOut {
    async fn new() -> Self {
        Self::of(MemoryKinesis::default()).await
    }

    async fn of(kinesis: MemoryKinesis) -> Self {
        let stream = StreamId::named("orders").unwrap();
        kinesis.create_stream(&stream, 1).unwrap();
        let arn = kinesis.describe_stream(&stream).await.unwrap().arn;
        let consumer = kinesis.register_consumer(&arn, "billing").await.unwrap().arn;
        advance(MemoryFanOutSettings::default().consumer_transition).await;
        let shard = ShardKey::new(stream, ShardId::new("shardId-000000000000"));
        Self { kinesis, shard, consumer }
    }

    fn put(&self, data: impl Into<Bytes>) {
        self.kinesis.put_record(&self.shard.stream, "key", None, data.into()).unwrap();
    }

    async fn subscribe(&self) -> Box<dyn Subscription> {
        let position = IteratorPosition::TrimHorizon;
        self.kinesis.subscribe_to_shard(&self.consumer, &self.shard, &position).await.unwrap()
    }
}

async fn next_label(subscription: &mut dyn Subscription) -> String {
    let event = subscription.next_event().await.unwrap().unwrap();
    String::from_utf8(event.records[0].data.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_record_is_pushed_after_the_push_delay_with_what_followed_it() {
    let fan_out = FanOut::new().await;
    let mut subscription = fan_out.subscribe().await;
    let start = Instant::now();
    let puts = async {
        sleep(Duration::from_millis(1_000)).await;
        fan_out.put("a");
        sleep(Duration::from_millis(69)).await;
        fan_out.put("b");
    };
    let (event, ()) = tokio::join!(subscription.next_event(), puts);
    assert_eq!(event.unwrap().unwrap().records.len(), 2);
    assert_eq!(start.elapsed(), Duration::from_millis(1_070));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_records_says_that_some_are_on_their_way() {
    let heartbeat_interval = Duration::from_millis(50);
    let fan_out = MemoryFanOutSettings { heartbeat_interval, ..Default::default() };
    let settings = MemoryKinesisSettings { fan_out, ..Default::default() };
    let fan_out = FanOut::of(MemoryKinesis::new(settings)).await;
    let mut subscription = fan_out.subscribe().await;
    fan_out.put("a");
    let first = subscription.next_event().await.unwrap().unwrap();
    assert_eq!((first.records.len(), first.millis_behind_latest), (0, 50));
    let second = subscription.next_event().await.unwrap().unwrap();
    assert_eq!((second.records.len(), second.millis_behind_latest), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_nothing() {
    let fan_out = FanOut::new().await;
    let mut subscription = fan_out.subscribe().await;
    for label in ["a", "b", "c"] {
        fan_out.put(label);
        for _ in 0..7 {
            timeout(Duration::from_millis(9), subscription.next_event()).await.unwrap_err();
        }
        assert_eq!(next_label(&mut *subscription).await, label);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_before_it_is_asked_for() {
    let fan_out = FanOut::new().await;
    fan_out.put("a");
    let mut subscription = fan_out.subscribe().await;
    advance(Duration::from_secs(1)).await;
    fan_out.kinesis.trim(&fan_out.shard.stream, fan_out.kinesis.now()).unwrap();
    fan_out.put("b");
    assert_eq!(next_label(&mut *subscription).await, "b");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_gets_two_mebibytes_a_second() {
    let settings = MemoryKinesisSettings { limits: MemoryKinesisLimits::of_reads(), ..Default::default() };
    let fan_out = FanOut::of(MemoryKinesis::new(settings)).await;
    for _ in 0..10 {
        fan_out.put(vec![0; 1_000_000]);
    }
    let mut subscription = fan_out.subscribe().await;
    advance(Duration::from_secs(1)).await;
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(subscription.next_event().await.unwrap().unwrap().records.len(), 1);
    }
    // Nine records lie before the tenth.
    let expected = Duration::from_millis(9 * 1_000_003 * 1_000 / (2 * 1024 * 1024));
    assert!(start.elapsed().abs_diff(expected) < Duration::from_millis(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_event_without_records_makes_nothing_come_sooner() {
    let heartbeat_interval = Duration::from_millis(50);
    let fan_out = MemoryFanOutSettings { heartbeat_interval, ..Default::default() };
    let limits = MemoryKinesisLimits::of_reads();
    let settings = MemoryKinesisSettings { fan_out, limits, ..Default::default() };
    let fan_out = FanOut::of(MemoryKinesis::new(settings)).await;
    for _ in 0..2 {
        fan_out.put(vec![0; 1_000_000]);
    }
    advance(Duration::from_secs(1)).await;
    let mut subscription = fan_out.subscribe().await;
    assert_eq!(subscription.next_event().await.unwrap().unwrap().records.len(), 1);
    let start = Instant::now();
    while subscription.next_event().await.unwrap().unwrap().records.is_empty() {}
    assert!(start.elapsed() >= Duration::from_millis(476), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_created_and_deleted_in_its_time() {
    let kinesis = MemoryKinesis::default();
    let stream = StreamId::named("orders").unwrap();
    kinesis.create_stream(&stream, 1).unwrap();
    let arn = kinesis.describe_stream(&stream).await.unwrap().arn;
    let registered = kinesis.register_consumer(&arn, "billing").await.unwrap();
    let by_arn = ConsumerRef::Arn(registered.arn.clone());
    let status = async || kinesis.describe_consumer(&by_arn).await.map(|described| described.status);
    assert_eq!(registered.status, ConsumerStatus::Creating);
    advance(Duration::from_millis(499)).await;
    assert_eq!(status().await.unwrap(), ConsumerStatus::Creating);
    let shard = ShardKey::new(stream.clone(), ShardId::new("shardId-000000000000"));
    let subscribe =
        async || kinesis.subscribe_to_shard(&registered.arn, &shard, &IteratorPosition::Latest).await;
    assert_eq!(subscribe().await.unwrap_err().kind(), ErrorKind::InUse);
    advance(Duration::from_millis(1)).await;
    assert_eq!(status().await.unwrap(), ConsumerStatus::Active);
    subscribe().await.unwrap();

    kinesis.deregister_consumer(&registered.arn).await.unwrap();
    assert_eq!(status().await.unwrap(), ConsumerStatus::Deleting);
    assert_eq!(kinesis.register_consumer(&arn, "billing").await.unwrap_err().kind(), ErrorKind::InUse);
    advance(Duration::from_millis(500)).await;
    assert_eq!(status().await.unwrap_err().kind(), ErrorKind::NotFound);
    let again = kinesis.register_consumer(&arn, "billing").await.unwrap();
    assert_ne!(again.arn, registered.arn);
}

/// A clock that is not the runtime's stands still, and then jumps: the subscription notices.
#[tokio::test(start_paused = true)]
async fn a_subscription_follows_a_clock_that_is_not_the_runtimes() {
    let elapsed = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&elapsed);
    let kinesis = MemoryKinesis::with_clock(MemoryKinesisSettings::default(), move || {
        Duration::from_millis(clock.load(Ordering::Relaxed))
    });
    let pass = |ms| elapsed.fetch_add(ms, Ordering::Relaxed);
    let stream = StreamId::named("orders").unwrap();
    kinesis.create_stream(&stream, 1).unwrap();
    let arn = kinesis.describe_stream(&stream).await.unwrap().arn;
    let consumer = kinesis.register_consumer(&arn, "billing").await.unwrap().arn;
    pass(500);
    let shard = ShardKey::new(stream.clone(), ShardId::new("shardId-000000000000"));
    let position = IteratorPosition::TrimHorizon;
    let mut subscription = kinesis.subscribe_to_shard(&consumer, &shard, &position).await.unwrap();
    kinesis.put_record(&stream, "key", None, Bytes::from_static(b"a")).unwrap();
    timeout(Duration::from_mins(1), subscription.next_event()).await.unwrap_err();
    for (ms, records) in [(70, Some(1)), (300_000, None)] {
        let start = Instant::now();
        let jump = async {
            sleep(Duration::from_millis(10)).await;
            pass(ms);
        };
        let (event, ()) = tokio::join!(subscription.next_event(), jump);
        assert_eq!(event.unwrap().map(|event| event.records.len()), records);
        assert!(start.elapsed() <= Duration::from_millis(60), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_reader_is_woken_by_the_end_of_its_shard() {
    let fan_out = FanOut::new().await;
    let mut subscription = fan_out.subscribe().await;
    let start = Instant::now();
    let split = async {
        sleep(Duration::from_millis(10)).await;
        fan_out.kinesis.split_shard(&fan_out.shard.stream, &fan_out.shard.shard_id, 1_000).unwrap();
    };
    let (event, ()) = tokio::join!(subscription.next_event(), split);
    assert!(event.unwrap().unwrap().is_shard_end);
    assert_eq!(start.elapsed(), Duration::from_millis(10));
}

/// News comes by the shard's own signal, so that a reader of an idle shard costs nothing.
#[tokio::test(start_paused = true)]
async fn a_waiting_reader_is_woken_by_a_take_over_and_by_deregistration() {
    let fan_out = FanOut::new().await;
    let mut first = fan_out.subscribe().await;
    advance(Duration::from_secs(5)).await;
    assert!(first.next_event().await.unwrap().unwrap().records.is_empty());
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = first.next_event();
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    let start = Instant::now();
    let (error, mut second) = tokio::join!(waiting, fan_out.subscribe());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InUse);
    assert_eq!(start.elapsed(), Duration::ZERO);

    let (error, deregistered) =
        tokio::join!(second.next_event(), fan_out.kinesis.deregister_consumer(&fan_out.consumer));
    deregistered.unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let next = poll_once(&mut second);
    assert!(matches!(next, Poll::Ready(Err(_))));
}

fn poll_once(
    subscription: &mut Box<dyn Subscription>,
) -> Poll<kcl_core::Result<Option<kcl_core::stream::SubscriptionEvent>>> {
    let mut context = Context::from_waker(Waker::noop());
    subscription.next_event().as_mut().poll(&mut context)
}
