//! Time-outs bound the opening of a stream and never the stream; a reader that gives up waiting loses nothing.

use std::time::Duration;

use bytes::Bytes;
use integration_tests::wire::{Transport, WireFault};
use kcl_core::ErrorKind;

use super::world::{NEVER, Wire, next_event, quick, subscribe, take};
use crate::backend::WAIT_MAX;

/// Long enough to open a stream on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);

/// The only events are heartbeats, the first of which comes after the limit of a call.
#[tokio::test]
async fn the_time_outs_of_a_call_do_not_cut_its_stream() {
    let mut settings = quick();
    settings.fan_out.heartbeat_interval = 2 * LIMIT;
    for transport in [Transport::Plain, Transport::Tls] {
        let wire = Wire::with(settings.clone(), transport).await;
        let shard = wire.one_shard();
        let consumer = wire.consumer(&shard.stream).await;
        let mut subscription = subscribe(&wire.kinesis_within(LIMIT), &consumer, &shard).await.unwrap();
        assert_eq!(next_event(&mut *subscription).await.unwrap().unwrap().records.len(), 0);
        wire.put(&shard.stream, 0..1);
        assert_eq!(take(&mut *subscription, 1).await, ["0"]);
    }
}

#[tokio::test]
async fn a_stream_that_does_not_begin_is_given_up() {
    for transport in [Transport::Plain, Transport::Tls] {
        let wire = Wire::with(quick(), transport).await;
        let shard = wire.one_shard();
        let consumer = wire.consumer(&shard.stream).await;
        let kinesis = wire.kinesis_within(LIMIT / 5);
        for fault in [WireFault::LateStream(NEVER), WireFault::Hang] {
            wire.front.inject(move |_| fault);
            let opening = tokio::time::timeout(WAIT_MAX, subscribe(&kinesis, &consumer, &shard)).await;
            let error = opening.expect("nobody gave it up").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Transient, "{fault:?}: {error}");
            // Two timers run, the SDK's and the adapter's, and either may be the one that says it.
            for part in [&shard.to_string(), "200ms"] {
                assert!(error.to_string().contains(part), "no '{part}' in: {error}");
            }
        }
        assert_eq!(wire.front.counts().calls("SubscribeToShard"), 2);
    }
}

#[tokio::test]
async fn a_stream_that_begins_late_is_whole() {
    let wire = Wire::with(quick(), Transport::Tls).await;
    let shard = wire.one_shard();
    wire.put(&shard.stream, 0..1);
    let consumer = wire.consumer(&shard.stream).await;
    wire.front.inject(|_| WireFault::LateStream(Duration::from_millis(50)));
    let mut subscription = subscribe(&wire.kinesis(), &consumer, &shard).await.unwrap();
    assert_eq!(take(&mut *subscription, 1).await, ["0"]);
}

/// Frames of 200 KiB arrive in many pieces, and the reader turns away after each.
#[tokio::test]
async fn a_reader_that_gives_up_waiting_loses_nothing() {
    const RECORDS: u8 = 20;
    for transport in [Transport::Plain, Transport::Tls] {
        let wire = Wire::with(quick(), transport).await;
        let shard = wire.one_shard();
        let consumer = wire.consumer(&shard.stream).await;
        let mut subscription = subscribe(&wire.kinesis(), &consumer, &shard).await.unwrap();
        let (mut seen, mut given_up) = (Vec::new(), 0);
        for number in 0..RECORDS {
            wire.put_data(&shard.stream, Bytes::from(vec![number; 200 * 1024]));
            while seen.len() <= usize::from(number) {
                tokio::select! {
                    biased;
                    event = next_event(&mut *subscription) => {
                        seen.extend(event.unwrap().unwrap().records.iter().map(|record| record.data[0]));
                    }
                    () = tokio::task::yield_now() => given_up += 1,
                }
            }
        }
        assert!(seen.iter().copied().eq(0..RECORDS), "{seen:?}");
        assert!(given_up > usize::from(RECORDS), "it gave up {given_up} times only");
    }
}
