//! What breaks an open subscription costs one more subscription, and no record.

use std::time::Duration;

use futures_util::future::join_all;
use integration_tests::wire::{StreamFault, Transport, WireFault};
use kcl_core::WorkerSettings;
use kcl_core::stream::Retrieval;

use super::wire_fleet::{TRANSPORTS, WireFleet, by_fan_out};
use crate::backend::until;
use crate::wire::world::quick;

/// The least that the settings allow.
const SILENCE_MAX: Duration = Duration::from_secs(6);

/// What a worker makes of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Nothing to speak of.
    Nothing,
    /// The event of this name, and another subscription.
    Event(&'static str),
}

/// The second event of a subscription has the fault. Everything before, in and after it is delivered, once.
async fn play(transport: Transport, fault: StreamFault, seen: Seen) {
    let what = format!("{fault:?} over {transport:?}");
    let mut fleet = WireFleet::over(quick(), transport, 1).await;
    fleet.front().inject(move |call| match (call.operation, call.nth) {
        ("SubscribeToShard", 0) => WireFault::AtEvent(1, fault),
        _ => WireFault::None,
    });
    fleet.put(20).await;
    fleet.start(impatient(by_fan_out(fleet.settings("a"))));
    fleet.drain().await;
    for _ in 0..5 {
        fleet.put(20).await;
        tokio::task::yield_now().await;
    }
    fleet.drain().await;
    fleet.put(20).await;
    fleet.drain().await;

    let (subscribes, failures) = match seen {
        Seen::Nothing => (1, 0),
        Seen::Event(_) => (2, 1),
    };
    assert_eq!(fleet.subscribes(), subscribes, "{what}");
    let trouble = fleet.count_events("ReadFailed") + fleet.count_events("SubscriptionInUse");
    assert_eq!(trouble, failures, "{what}");
    if let Seen::Event(name) = seen {
        assert_eq!(fleet.count_events(name), 1, "{what}");
    }
    fleet.assert_no_storm_of_connections(&what);
    fleet.stop("a").await;
    assert_eq!(fleet.assert_good(), 0, "{what}");
    until(&format!("nothing is left open after {what}"), || async { fleet.counts().open_streams == 0 }).await;
}

/// As soon as it may, gives up a subscription from which nothing comes.
fn impatient(mut settings: WorkerSettings) -> WorkerSettings {
    if let Retrieval::FanOut(fan_out) = &mut settings.retrieval {
        fan_out.silence_max = SILENCE_MAX;
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_a_subscription_costs_one_more_and_no_record() {
    let table = [
        (StreamFault::CutMidFrame, "ReadFailed"),
        (StreamFault::CorruptFrame, "ReadFailed"),
        (StreamFault::Reset, "ReadFailed"),
        (StreamFault::DropConnection, "ReadFailed"),
        (StreamFault::End, "ReadFailed"),
        (StreamFault::Silence, "ReadFailed"),
        (StreamFault::ErrorEvent("InternalFailureException"), "ReadFailed"),
        (StreamFault::ErrorEvent("KMSThrottlingException"), "ReadFailed"),
        (StreamFault::ErrorEvent("SomethingNewException"), "ReadFailed"),
        (StreamFault::ErrorEvent("ResourceInUseException"), "SubscriptionInUse"),
    ];
    let cases = TRANSPORTS.into_iter().flat_map(|transport| {
        table.map(|(fault, event)| tokio::spawn(play(transport, fault, Seen::Event(event))))
    });
    for case in join_all(cases).await {
        case.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_nothing_is_not_noticed() {
    for transport in TRANSPORTS {
        for fault in [StreamFault::DuplicateEvent, StreamFault::UnknownEvent, StreamFault::GoAway] {
            play(transport, fault, Seen::Nothing).await;
        }
    }
}

/// The service ends each subscription after its life. Six seconds of it, since a consumer may subscribe once in five.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_renewed_at_the_end_of_their_lives_and_nobody_notices() {
    let renewed = async |transport| {
        let mut settings = quick();
        settings.fan_out.take_over_after = Duration::from_secs(5);
        settings.fan_out.subscription_lifetime = Duration::from_secs(6);
        let mut fleet = WireFleet::over(settings, transport, 2).await;
        fleet.start(by_fan_out(fleet.settings("a")));
        // Records are on their way whenever a subscription ends.
        until("both subscriptions were renewed", || async {
            fleet.put(10).await;
            fleet.subscribes() >= 4
        })
        .await;
        fleet.drain().await;
        fleet.stop("a").await;
        assert_eq!(fleet.assert_good(), 0, "{transport:?}");
        assert_eq!((fleet.count_events("ReadFailed"), fleet.count_events("SubscriptionInUse")), (0, 0));
        assert!(fleet.subscribes() <= 5, "{:?}", fleet.counts());
        fleet.assert_no_storm_of_connections("renewal");
    };
    let [plain, tls] = TRANSPORTS;
    tokio::join!(renewed(plain), renewed(tls));
}
