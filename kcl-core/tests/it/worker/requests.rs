//! What asking for leases may cost: no call is made again and again without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kcl_core::ErrorKind;
use kcl_core::lease::{Consistency, HandOverRequest, Lease, LeaseChange, RequestForm};
use kcl_core::model::{Checkpoint, ShardKey};
use kcl_core::testing::{Fault, FaultyLeaseStore, LeaseCall};
use kcl_core::worker::Ports;
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_leases, secs, shard_id};
use super::laggy::LaggyStore;
use super::slow::{start_slow_with, worker};

/// A table 20 ms away that decides about each call.
fn distant(fleet: &Fleet, decide: impl Fn(LeaseCall<'_>) -> Fault + Send + Sync + 'static) -> Ports {
    let faulty = Arc::new(FaultyLeaseStore::new(Arc::clone(&fleet.leases), decide));
    let leases = Arc::new(LaggyStore::new(faulty, Duration::from_millis(20), Duration::ZERO));
    Ports { leases, ..fleet.ports() }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_is_not_made_again_at_once() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    sleep(secs(10)).await;
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let ports = distant(&fleet, move |call| match call {
        LeaseCall::Request(_, Some(_)) => {
            seen.fetch_add(1, Ordering::Relaxed);
            Fault::Fail(ErrorKind::Corrupt)
        }
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(60)).await;
    let requests = requests.load(Ordering::Relaxed);
    assert!(requests <= 60, "{requests} refused requests in a minute");
}

#[tokio::test(start_paused = true)]
async fn while_requests_are_refused_the_rest_of_the_worker_goes_on() {
    let mut fleet = Fleet::new(150);
    fleet.start("a");
    sleep(secs(20)).await;
    let scans = Arc::new(AtomicUsize::new(0));
    let (seen, introduced) = (Arc::clone(&scans), AtomicUsize::new(0));
    let ports = distant(&fleet, move |call| match call {
        LeaseCall::List(Consistency::Eventual) => {
            seen.fetch_add(1, Ordering::Relaxed);
            Fault::None
        }
        // The permission is withdrawn a moment after the worker has begun.
        LeaseCall::Request(_, Some(_)) if introduced.fetch_add(1, Ordering::Relaxed) >= 66 => {
            Fault::Fail(ErrorKind::Refused)
        }
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(60)).await;
    let (failures, scans) = (fleet.count_events("b: CoordinationFailed"), scans.load(Ordering::Relaxed));
    assert_eq!(fleet.ended(), 0);
    assert!(failures <= 1_000, "{failures} failures reported in a minute, {scans} scans");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_a_java_leader_is_slow_to_move_is_not_asked_for_in_a_loop() {
    let mut fleet = Fleet::new(2);
    fleet.leases.prepare().await.unwrap();
    for number in 0..2 {
        let shard = ShardKey::new(fleet.stream.clone(), shard_id(number));
        let mut row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
        row.owner = Some(worker("java"));
        row.request = Some(HandOverRequest { by: worker("java2"), form: RequestForm::CheckpointOwner });
        fleet.leases.create(&row).await.unwrap();
    }
    let leases = Arc::clone(&fleet.leases);
    let java = tokio::spawn(async move {
        loop {
            for row in leases.list(Consistency::Strong).await.unwrap() {
                if row.is_owned_by(&worker("java")) {
                    leases.update(&row, &LeaseChange::Renew).await.unwrap();
                }
            }
            sleep(secs(3)).await;
        }
    });
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let ports = distant(&fleet, move |call| {
        seen.fetch_add(usize::from(matches!(call, LeaseCall::Request(..))), Ordering::Relaxed);
        Fault::None
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(100)).await;
    java.abort();
    let requests = requests.load(Ordering::Relaxed);
    assert!(requests <= 100, "{requests} requests that no condition permits");
}

#[tokio::test(start_paused = true)]
async fn slow_owners_are_looked_at_less_often() {
    let mut fleet = Fleet::new(128);
    let ports = fleet.ports();
    start_slow_with(&mut fleet, "a", ports, secs(28));
    sleep(secs(10)).await;
    fleet.put(5_000);
    sleep(secs(2)).await;
    let gets = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&gets);
    let ports = faulty_leases(&fleet, move |call| {
        seen.fetch_add(usize::from(matches!(call, LeaseCall::Get(_))), Ordering::Relaxed);
        Fault::None
    });
    start_slow_with(&mut fleet, "b", ports, secs(28));
    sleep(secs(20)).await;
    let per_second = gets.load(Ordering::Relaxed) / 20;
    assert!(per_second <= 90, "{per_second} reads a second of 64 rows that do not change");
}

/// Semantics: "Passing trouble (throttling, [...]) is waited out with growing, jittered delays".
#[tokio::test(start_paused = true)]
async fn throttled_requests_back_off() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    sleep(secs(10)).await;
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let ports = distant(&fleet, move |call| match call {
        LeaseCall::Request(..) => {
            seen.fetch_add(1, Ordering::Relaxed);
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    sleep(secs(60)).await;
    let requests = requests.load(Ordering::Relaxed);
    assert!(requests <= 40, "{requests} throttled requests for one lease in a minute");
}

/// It was asked a second ago, whenever the asker began to try.
#[tokio::test(start_paused = true)]
async fn the_hand_over_timeout_counts_from_when_the_request_is_in_the_row() {
    let mut fleet = Fleet::new(2);
    let ports = fleet.ports();
    start_slow_with(&mut fleet, "a", ports, secs(6));
    fleet.put(20);
    sleep(secs(3)).await;
    let throttled_until = Instant::now() + secs(29);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Request(..) if Instant::now() < throttled_until => Fault::Fail(ErrorKind::Throttled),
        _ => Fault::None,
    });
    start_slow_with(&mut fleet, "b", ports, secs(6));
    for _ in 0..30 {
        fleet.put(10);
        sleep(secs(2)).await;
    }
    fleet.drain().await;
    let lost = fleet.count_events("a: LeaseLost");
    assert_eq!(
        (fleet.assert_good(), lost),
        (0, 0),
        "records repeated, leases taken from an owner that answers"
    );
}
