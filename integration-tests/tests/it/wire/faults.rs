//! What breaks between the service and the adapter: its kind, that it ends the subscription, and that nothing is lost.

use std::time::Duration;

use integration_tests::wire::{StreamFault, Transport, WireFault};
use kcl_core::ErrorKind;
use kcl_core::model::{ConsumerArn, ShardKey};
use kcl_core::stream::{IteratorPosition, Kinesis, Subscription};

use super::world::{NEVER, Wire, next_event, numbers, quick, subscribe, take};
use crate::backend::until;

/// Long enough for an answer of this machine, if one came.
const A_WHILE: Duration = Duration::from_millis(200);

const TRANSPORTS: [Transport; 2] = [Transport::Plain, Transport::Tls];

/// A subscription with a fault at its second event. The first one, with the records 0 and 1, has arrived.
struct Scene {
    wire: Wire,
    consumer: ConsumerArn,
    shard: ShardKey,
    subscription: Box<dyn Subscription>,
    /// Everything until here has been delivered.
    position: IteratorPosition,
}

impl Scene {
    async fn new(transport: Transport, fault: StreamFault) -> Self {
        let wire = Wire::with(quick(), transport).await;
        let shard = wire.one_shard();
        wire.put(&shard.stream, 0..2);
        let consumer = wire.consumer(&shard.stream).await;
        wire.front.inject(move |call| match (call.operation, call.nth) {
            ("SubscribeToShard", 0) => WireFault::AtEvent(1, fault),
            _ => WireFault::None,
        });
        let mut subscription = subscribe(&wire.kinesis(), &consumer, &shard).await.unwrap();
        let first = next_event(&mut *subscription).await.unwrap().unwrap();
        assert_eq!(first.records.len(), 2);
        let position = IteratorPosition::AfterSequenceNumber(first.continuation.unwrap());
        Self { wire, consumer, shard, subscription, position }
    }

    fn put(&self, numbers: std::ops::Range<usize>) {
        self.wire.put(&self.shard.stream, numbers);
    }

    /// Another subscription from where the broken one was delivers everything that followed.
    async fn check_resumed(&self, numbers_left: std::ops::Range<usize>) {
        let kinesis = self.wire.kinesis();
        let resumed = kinesis.subscribe_to_shard(&self.consumer, &self.shard, &self.position).await;
        assert_eq!(take(&mut *resumed.unwrap(), numbers_left.len()).await, numbers(numbers_left));
        assert_eq!(self.wire.front.counts().calls("SubscribeToShard"), 2);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_once_and_is_over() {
    let table = [
        (StreamFault::CutMidFrame, ErrorKind::Transient),
        (StreamFault::CorruptFrame, ErrorKind::Transient),
        (StreamFault::Reset, ErrorKind::Transient),
        (StreamFault::DropConnection, ErrorKind::Transient),
        (StreamFault::ErrorEvent("ResourceInUseException"), ErrorKind::InUse),
        (StreamFault::ErrorEvent("ResourceNotFoundException"), ErrorKind::NotFound),
        (StreamFault::ErrorEvent("InternalFailureException"), ErrorKind::Transient),
        (StreamFault::ErrorEvent("KMSThrottlingException"), ErrorKind::Throttled),
        (StreamFault::ErrorEvent("KMSDisabledException"), ErrorKind::Refused),
        (StreamFault::ErrorEvent("SomethingNewException"), ErrorKind::Transient),
    ];
    for transport in TRANSPORTS {
        for (fault, kind) in table {
            let mut scene = Scene::new(transport, fault).await;
            scene.put(2..3);
            let error = next_event(&mut *scene.subscription).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{transport:?} {fault:?}: {error}");
            assert!(error.to_string().contains(&scene.shard.to_string()), "{error}");
            // What a broken frame hides is not to be stepped over.
            scene.put(3..4);
            for _ in 0..3 {
                let event = next_event(&mut *scene.subscription).await;
                assert!(matches!(event, Ok(None)), "{transport:?} {fault:?}: {event:?}");
            }
            scene.check_resumed(2..4).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_in_good_order() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, StreamFault::End).await;
        scene.put(2..3);
        for _ in 0..3 {
            assert!(next_event(&mut *scene.subscription).await.unwrap().is_none());
        }
        scene.check_resumed(2..3).await;
    }
}

#[tokio::test]
async fn an_event_of_an_unknown_type_is_passed_over() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, StreamFault::UnknownEvent).await;
        scene.put(2..3);
        assert_eq!(take(&mut *scene.subscription, 1).await, ["2"]);
        scene.put(3..4);
        assert_eq!(take(&mut *scene.subscription, 1).await, ["3"]);
    }
}

/// To tell the two apart is the business of whoever knows what came before.
#[tokio::test]
async fn an_event_that_comes_twice_is_delivered_twice() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, StreamFault::DuplicateEvent).await;
        scene.put(2..3);
        assert_eq!(take(&mut *scene.subscription, 2).await, ["2", "2"]);
    }
}

#[tokio::test]
async fn a_server_that_takes_no_more_requests_finishes_its_streams() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, StreamFault::GoAway).await;
        scene.put(2..3);
        assert_eq!(take(&mut *scene.subscription, 1).await, ["2"]);
        scene.put(3..4);
        assert_eq!(take(&mut *scene.subscription, 1).await, ["3"]);
    }
}

/// The adapter waits with its reader, who alone knows for how long.
#[tokio::test]
async fn silence_lasts_until_the_reader_leaves() {
    for transport in TRANSPORTS {
        let mut scene = Scene::new(transport, StreamFault::Silence).await;
        scene.put(2..3);
        assert!(tokio::time::timeout(A_WHILE, scene.subscription.next_event()).await.is_err());
        assert_eq!(scene.wire.front.counts().open_streams, 1);
        drop(scene.subscription);
        let front = &scene.wire.front;
        until("the stream is closed", || async { front.counts().open_streams == 0 }).await;
    }
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_asked_for_once() {
    let table = [
        (WireFault::Refuse(400, "ResourceInUseException"), ErrorKind::InUse),
        (WireFault::Refuse(400, "ResourceNotFoundException"), ErrorKind::NotFound),
        (WireFault::Refuse(400, "LimitExceededException"), ErrorKind::Throttled),
        (WireFault::Refuse(400, "ProvisionedThroughputExceededException"), ErrorKind::Throttled),
        (WireFault::Refuse(400, "AccessDeniedException"), ErrorKind::Refused),
        (WireFault::Refuse(500, "InternalFailure"), ErrorKind::Transient),
        (WireFault::Refuse(503, "ServiceUnavailable"), ErrorKind::Transient),
        (WireFault::DropConnection, ErrorKind::Transient),
    ];
    for transport in TRANSPORTS {
        let wire = Wire::with(quick(), transport).await;
        let shard = wire.one_shard();
        let consumer = wire.consumer(&shard.stream).await;
        for (number, (fault, kind)) in (1..).zip(table) {
            wire.front.inject(move |_| fault);
            let error = subscribe(&wire.kinesis(), &consumer, &shard).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{transport:?} {fault:?}: {error}");
            assert!(error.to_string().contains(&shard.to_string()), "{error}");
            assert_eq!(wire.front.counts().calls("SubscribeToShard"), number);
        }
    }
}

#[tokio::test]
async fn throttles_and_outages_of_other_calls_have_their_kinds() {
    let wire = Wire::with(quick(), Transport::Tls).await;
    let shard = wire.one_shard();
    let kinesis = wire.kinesis();
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await.unwrap();
    for (fault, kind) in [
        (WireFault::Refuse(400, "ProvisionedThroughputExceededException"), ErrorKind::Throttled),
        (WireFault::Refuse(500, "InternalFailure"), ErrorKind::Transient),
        (WireFault::Refuse(503, "ServiceUnavailable"), ErrorKind::Transient),
        (WireFault::DropConnection, ErrorKind::Transient),
    ] {
        wire.front.inject(move |_| fault);
        let error = kinesis.get_records(&iterator, 1).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
    }
}

/// The subscription that lost the shard is told, and the one that took it is not disturbed.
#[tokio::test]
async fn a_subscription_that_is_taken_over_is_in_use() {
    for transport in TRANSPORTS {
        let wire = Wire::with(quick(), transport).await;
        let shard = wire.one_shard();
        let consumer = wire.consumer(&shard.stream).await;
        let kinesis = wire.kinesis();
        let mut first = subscribe(&kinesis, &consumer, &shard).await.unwrap();
        let mut second = subscribe(&kinesis, &consumer, &shard).await.unwrap();
        assert_eq!(next_event(&mut *first).await.unwrap_err().kind(), ErrorKind::InUse);
        assert!(matches!(next_event(&mut *first).await, Ok(None)));
        wire.put(&shard.stream, 0..1);
        assert_eq!(take(&mut *second, 1).await, ["0"]);
    }
}

#[tokio::test]
async fn a_subscription_that_comes_too_early_is_in_use() {
    let mut settings = quick();
    settings.fan_out.take_over_after = NEVER;
    let wire = Wire::with(settings, Transport::Tls).await;
    let shard = wire.one_shard();
    let consumer = wire.consumer(&shard.stream).await;
    let kinesis = wire.kinesis();
    let mut first = subscribe(&kinesis, &consumer, &shard).await.unwrap();
    let error = subscribe(&kinesis, &consumer, &shard).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    wire.put(&shard.stream, 0..1);
    assert_eq!(take(&mut *first, 1).await, ["0"]);
}

#[tokio::test]
async fn the_end_of_a_shard_names_its_children() {
    for transport in TRANSPORTS {
        let wire = Wire::with(quick(), transport).await;
        let shard = wire.one_shard();
        wire.put(&shard.stream, 0..2);
        let consumer = wire.consumer(&shard.stream).await;
        let mut subscription = subscribe(&wire.kinesis(), &consumer, &shard).await.unwrap();
        assert_eq!(take(&mut *subscription, 2).await, numbers(0..2));
        let children = wire.front.kinesis().split_shard(&shard.stream, &shard.shard_id, 1 << 127).unwrap();
        let mut last = next_event(&mut *subscription).await.unwrap().unwrap();
        while !last.is_shard_end {
            last = next_event(&mut *subscription).await.unwrap().unwrap();
        }
        let named: Vec<_> = last.children.iter().map(|child| child.shard_id.clone()).collect();
        assert_eq!((named, last.continuation), (children.to_vec(), None));
        assert!(next_event(&mut *subscription).await.unwrap().is_none());
    }
}
