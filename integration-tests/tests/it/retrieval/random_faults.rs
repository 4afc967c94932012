//! All troubles together, in an order that a seed decides.

use std::hash::{DefaultHasher, Hash, Hasher};

use fastrand::Rng;
use futures_util::future::join_all;
use integration_tests::wire::{StreamFault, Transport, WireCall, WireFault};

use super::wire_fleet::{TRANSPORTS, WireFleet, by_fan_out};
use crate::backend::until;
use crate::wire::world::quick;

/// The subscriptions that may fail; those after them do not, so that a run ends.
const TROUBLED: usize = 12;

const STREAM_FAULTS: [StreamFault; 10] = [
    StreamFault::CutMidFrame,
    StreamFault::CorruptFrame,
    StreamFault::ErrorEvent("ResourceInUseException"),
    StreamFault::ErrorEvent("InternalFailureException"),
    StreamFault::DuplicateEvent,
    StreamFault::UnknownEvent,
    StreamFault::Reset,
    StreamFault::DropConnection,
    StreamFault::GoAway,
    StreamFault::End,
];

const CALL_FAULTS: [WireFault; 4] = [
    WireFault::Refuse(500, "InternalFailure"),
    WireFault::Refuse(503, "ServiceUnavailable"),
    WireFault::Refuse(400, "LimitExceededException"),
    WireFault::DropConnection,
];

/// Depends on nothing but the seed, the operation and its number.
fn decide(seed: u64, call: WireCall<'_>) -> WireFault {
    let mut hasher = DefaultHasher::new();
    (seed, call.operation, call.nth).hash(&mut hasher);
    let mut rng = Rng::with_seed(hasher.finish());
    let is_troubled = call.operation != "SubscribeToShard" || call.nth < TROUBLED;
    match rng.u8(..8) {
        _ if !is_troubled => WireFault::None,
        0 => CALL_FAULTS[rng.usize(..CALL_FAULTS.len())],
        1..5 if call.operation == "SubscribeToShard" => {
            WireFault::AtEvent(rng.usize(..6), STREAM_FAULTS[rng.usize(..STREAM_FAULTS.len())])
        }
        _ => WireFault::None,
    }
}

async fn play(seed: u64, transport: Transport) {
    let mut fleet = WireFleet::over(quick(), transport, 4).await;
    fleet.front().inject(move |call| decide(seed, call));
    fleet.start(by_fan_out(fleet.settings("a")));
    fleet.start(by_fan_out(fleet.settings("b")));
    let parent = fleet.shard_ids().await.remove(0);
    let put_until_subscribed = async |count| {
        until("enough subscriptions were tried", || async {
            fleet.put(10).await;
            fleet.subscribes() >= count
        })
        .await;
    };
    put_until_subscribed(4).await;
    fleet.split(&parent).await;
    put_until_subscribed(8).await;
    fleet.drain().await;
    fleet.put(100).await;
    fleet.drain().await;
    let what = format!("seed {seed} over {transport:?}");
    assert_eq!(fleet.assert_good(), 0, "{what}");
    assert_eq!(fleet.count_events("LeaseLost"), 0, "{what}");
    // Those that were in trouble, and for each shard one to replace the last of them and one after its move.
    assert!(fleet.subscribes() <= TROUBLED + 12, "{what}: {:?}", fleet.counts());
    fleet.stop("a").await;
    fleet.stop("b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_every_kind_costs_no_record_and_no_order() {
    let cases = (0..4).flat_map(|seed| TRANSPORTS.map(|transport| tokio::spawn(play(seed, transport))));
    for case in join_all(cases).await {
        case.unwrap();
    }
}
