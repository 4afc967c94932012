//! Subscriptions that do not come about, and other calls that fail: the worker asks again, and not too often.

use std::time::Duration;

use futures_util::future::join_all;
use integration_tests::wire::{Transport, WireFault};

use super::wire_fleet::{TRANSPORTS, WireFleet, by_fan_out};
use crate::wire::world::{NEVER, Wire, quick};

/// How often a subscription fails before it comes about.
const FAILURES: usize = 2;

/// The most that a call may take, with which a test can wait for one that hangs.
const CALL_MAX: Duration = Duration::from_secs(1);

async fn play(transport: Transport, fault: WireFault, failures: usize) {
    let what = format!("{fault:?} over {transport:?}");
    let wire = Wire::with(quick(), transport).await;
    let mut fleet = WireFleet::read_by(wire, |wire| wire.kinesis_within(CALL_MAX), 1);
    fleet.front().inject(move |call| match (call.operation, call.nth) {
        ("SubscribeToShard", 0..FAILURES) => fault,
        _ => WireFault::None,
    });
    fleet.put(20).await;
    fleet.start(by_fan_out(fleet.settings("a")));
    fleet.drain().await;
    fleet.put(20).await;
    fleet.drain().await;
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0, "{what}");
    assert_eq!(fleet.subscribes(), failures + 1, "{what}");
    let trouble = fleet.count_events("ReadFailed") + fleet.count_events("SubscriptionInUse");
    assert_eq!(trouble, failures, "{what}");
    fleet.assert_no_storm_of_connections(&what);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_fails_is_asked_for_again() {
    let faults = [
        WireFault::Refuse(500, "InternalFailure"),
        WireFault::Refuse(503, "ServiceUnavailable"),
        WireFault::Refuse(400, "LimitExceededException"),
        WireFault::Refuse(400, "ProvisionedThroughputExceededException"),
        WireFault::Refuse(400, "ResourceInUseException"),
        WireFault::DropConnection,
        WireFault::Hang,
        WireFault::LateStream(NEVER),
    ];
    let cases = TRANSPORTS
        .into_iter()
        .flat_map(|transport| faults.map(|fault| tokio::spawn(play(transport, fault, FAILURES))));
    for case in join_all(cases).await {
        case.unwrap();
    }
}

/// The adapter waits for the first frame, which no time-out of the SDK bounds.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_frame_that_is_late_costs_nothing() {
    for transport in TRANSPORTS {
        play(transport, WireFault::LateStream(CALL_MAX / 4), 0).await;
    }
}

async fn begin(transport: Transport, (status, code): (u16, &'static str)) {
    let mut fleet = WireFleet::over(quick(), transport, 2).await;
    fleet.front().inject(move |call| match call.nth {
        0 => WireFault::Refuse(status, code),
        _ => WireFault::None,
    });
    fleet.put(20).await;
    fleet.start(by_fan_out(fleet.settings("a")));
    fleet.drain().await;
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0, "{code} over {transport:?}");
    assert_eq!(fleet.count_events("ConsumerRegistered"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_begins_although_every_call_fails_at_first() {
    let codes = [(500, "InternalFailure"), (503, "ServiceUnavailable"), (400, "LimitExceededException")];
    let cases =
        TRANSPORTS.into_iter().flat_map(|transport| codes.map(|code| tokio::spawn(begin(transport, code))));
    for case in join_all(cases).await {
        case.unwrap();
    }
}
