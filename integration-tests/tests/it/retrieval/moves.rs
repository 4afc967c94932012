//! A shard that moves from one worker to another, whose subscription the service refuses for some seconds.

use kcl_core::memory::MemoryFanOutSettings;

use super::wire_fleet::{TRANSPORTS, WireFleet, by_fan_out};
use crate::wire::world::quick;

/// As the service: within five seconds of the last subscription another one is refused.
async fn fleet(transport: integration_tests::wire::Transport) -> WireFleet {
    let mut settings = quick();
    settings.fan_out.take_over_after = MemoryFanOutSettings::default().take_over_after;
    WireFleet::over(settings, transport, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_joins_waits_for_the_subscription_of_the_last_owner() {
    let joined = async |transport| {
        let mut fleet = fleet(transport).await;
        fleet.start(by_fan_out(fleet.settings("a")));
        fleet.put(40).await;
        fleet.drain().await;
        fleet.start(by_fan_out(fleet.settings("b")));
        fleet.until_shares(&[("a", 1), ("b", 1)]).await;
        fleet.put(40).await;
        fleet.drain().await;
        assert!(fleet.deliveries("b") > 0);
        assert!(fleet.count_events("SubscriptionInUse") >= 1, "the shard moved within five seconds");
        assert_eq!(fleet.count_events("ReadFailed"), 0);
        assert_eq!(fleet.count_events("ConsumerRegistered"), 1);
        fleet.stop("a").await;
        fleet.stop("b").await;
        assert_eq!(fleet.assert_good(), 0, "{transport:?}");
        // Two of the first worker, and at most one a second for the shard that moved.
        assert!(fleet.subscribes() <= 2 + 6, "{:?}", fleet.counts());
        fleet.assert_no_storm_of_connections("a move");
    };
    let [plain, tls] = TRANSPORTS;
    tokio::join!(joined(plain), joined(tls));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_waits_for_the_subscriptions_that_it_left() {
    let restarted = async |transport| {
        let mut fleet = fleet(transport).await;
        fleet.put(40).await;
        fleet.start(by_fan_out(fleet.settings("a")));
        fleet.drain().await;
        fleet.stop("a").await;
        fleet.put(40).await;
        fleet.start(by_fan_out(fleet.settings("a")));
        fleet.drain().await;
        assert!(fleet.count_events("SubscriptionInUse") >= 1, "it came back within five seconds");
        assert_eq!(fleet.count_events("ReadFailed"), 0);
        fleet.stop("a").await;
        assert_eq!(fleet.assert_good(), 0, "{transport:?}");
    };
    let [plain, tls] = TRANSPORTS;
    tokio::join!(restarted(plain), restarted(tls));
}
