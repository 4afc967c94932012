//! What a subscription shows that is made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::ErrorKind;
use kcl_core::memory::{MemoryFanOutSettings, MemoryKinesis, MemoryKinesisSettings};
use kcl_core::model::{ShardId, ShardKey, StreamId};
use kcl_core::stream::{IteratorPosition, Kinesis, Subscription};
use kcl_core::testing::{Fault, FaultyKinesis, KinesisCall};
use tokio::time::{sleep, timeout};

/// A subscription to a shard into which `a`, `b` and `c` are put, 100 ms apart; `fault` strikes its second event.
async fn subscription(fault: Fault) -> Box<dyn Subscription> {
    let consumer_transition = Duration::ZERO;
    let fan_out = MemoryFanOutSettings { consumer_transition, ..Default::default() };
    let memory = Arc::new(MemoryKinesis::new(MemoryKinesisSettings { fan_out, ..Default::default() }));
    let stream = StreamId::named("orders").unwrap();
    memory.create_stream(&stream, 1).unwrap();
    let events = AtomicUsize::new(0);
    let decide = move |call: KinesisCall<'_>| match call {
        KinesisCall::NextEvent(_) if events.fetch_add(1, Ordering::Relaxed) == 1 => fault,
        _ => Fault::None,
    };
    let kinesis = FaultyKinesis::new(Arc::clone(&memory) as Arc<dyn Kinesis>, decide);
    let arn = kinesis.describe_stream(&stream).await.unwrap().arn;
    let consumer = kinesis.register_consumer(&arn, "billing").await.unwrap().arn;
    let shard = ShardKey::new(stream.clone(), ShardId::new("shardId-000000000000"));
    let position = IteratorPosition::TrimHorizon;
    let subscription = kinesis.subscribe_to_shard(&consumer, &shard, &position).await.unwrap();
    tokio::spawn(async move {
        for label in ["a", "b", "c"] {
            memory.put_record(&stream, "key", None, Bytes::from_static(label.as_bytes())).unwrap();
            sleep(Duration::from_millis(100)).await;
        }
    });
    subscription
}

/// The next `count` outcomes: the record's label, the kind of an error, or that the subscription has ended.
async fn outcomes(subscription: &mut dyn Subscription, count: usize) -> Vec<String> {
    let mut outcomes = Vec::new();
    for _ in 0..count {
        outcomes.push(match subscription.next_event().await {
            Ok(Some(event)) => String::from_utf8(event.records[0].data.to_vec()).unwrap(),
            Ok(None) => "end".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        });
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn each_fault_shows_its_own_trouble() {
    let troubles = [
        (Fault::None, ["a", "b", "c"]),
        (Fault::Fail(ErrorKind::InUse), ["a", "InUse", "b"]),
        (Fault::LoseAnswer, ["a", "Transient", "c"]),
        (Fault::Cut, ["a", "Transient", "end"]),
        (Fault::Repeat, ["a", "b", "b"]),
        (Fault::Delay(Duration::from_millis(1)), ["a", "b", "c"]),
    ];
    for (fault, expected) in troubles {
        assert_eq!(outcomes(&mut *subscription(fault).await, 3).await, expected, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_event_survives_waits_that_are_dropped() {
    let mut subscription = subscription(Fault::Delay(Duration::from_secs(1))).await;
    assert_eq!(outcomes(&mut *subscription, 1).await, ["a"]);
    let mut dropped = 0;
    let event = loop {
        match timeout(Duration::from_millis(10), subscription.next_event()).await {
            Ok(event) => break event.unwrap().unwrap(),
            Err(_) => dropped += 1,
        }
    };
    assert_eq!(event.records[0].data, "b");
    assert!((100..120).contains(&dropped), "the delay counts from the first wait on: {dropped}");
    assert_eq!(outcomes(&mut *subscription, 1).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_event_never_comes() {
    let mut subscription = subscription(Fault::Hang).await;
    assert_eq!(outcomes(&mut *subscription, 1).await, ["a"]);
    for _ in 0..2 {
        timeout(Duration::from_hours(1), subscription.next_event()).await.unwrap_err();
    }
}
