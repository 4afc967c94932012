//! Pins: a lease that is pinned to a worker moves to it without a duplicate and stays, and never stands still for its sake.

use std::collections::BTreeMap;

use kcl_core::lease::Conditional;
use kcl_core::model::ShardKey;
use kcl_core::testing::{Fault, KinesisCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{Fleet, faulty_kinesis, secs, shard_id};
use super::slow::worker;

async fn pin(fleet: &Fleet, shard: usize, to: Option<&str>) {
    let row = fleet.row(&shard_id(shard)).await;
    let written = fleet.leases.pin(&row, to.map(worker).as_ref()).await.unwrap();
    assert!(matches!(written, Conditional::Applied(_)), "{written:?}");
}

async fn is_owned_by(fleet: &Fleet, shard: usize, name: &str) -> bool {
    fleet.row(&shard_id(shard)).await.is_owned_by(&worker(name))
}

async fn shares_are(fleet: &Fleet, expected: &[(&str, usize)]) {
    let expected: BTreeMap<String, usize> =
        expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(fleet.shares().await, expected);
}

/// Records come all the time, so that a move in the wrong way would show.
async fn feed(fleet: &mut Fleet, seconds: u64) {
    for _ in 0..seconds {
        fleet.put(10);
        sleep(secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pinned_leases_move_and_stay_and_are_balanced_again_when_they_are_unpinned() {
    let mut fleet = Fleet::new(6);
    fleet.start("a");
    feed(&mut fleet, 5).await;
    fleet.start("b");
    feed(&mut fleet, 20).await;
    shares_are(&fleet, &[("a", 3), ("b", 3)]).await;
    let mut of_a = Vec::new();
    for shard in 0..6 {
        if is_owned_by(&fleet, shard, "a").await {
            of_a.push(shard);
        }
    }
    let moves = fleet.count_events("LeaseTaken");
    pin(&fleet, of_a[0], Some("b")).await;
    feed(&mut fleet, 5).await;
    assert!(is_owned_by(&fleet, of_a[0], "b").await);
    shares_are(&fleet, &[("a", 3), ("b", 3)]).await;
    assert_eq!(fleet.count_events("LeaseTaken") - moves, 2, "one for the pin, and one in its place");

    for shard in 0..6 {
        pin(&fleet, shard, Some("b")).await;
    }
    feed(&mut fleet, 30).await;
    shares_are(&fleet, &[("b", 6)]).await;
    for shard in 0..4 {
        pin(&fleet, shard, None).await;
    }
    feed(&mut fleet, 30).await;
    shares_are(&fleet, &[("a", 3), ("b", 3)]).await;
    assert!(is_owned_by(&fleet, 4, "b").await && is_owned_by(&fleet, 5, "b").await);
    fleet.drain().await;
    assert_eq!((fleet.assert_good(), fleet.count_events("LeaseLost")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_pinned_to_a_worker_that_goes_is_everybody_s_until_it_comes_back() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    fleet.start("b");
    feed(&mut fleet, 20).await;
    for shard in 0..3 {
        pin(&fleet, shard, Some("b")).await;
    }
    feed(&mut fleet, 10).await;
    shares_are(&fleet, &[("a", 1), ("b", 3)]).await;
    fleet.stop("b").await;
    feed(&mut fleet, 5).await;
    shares_are(&fleet, &[("a", 4)]).await;
    feed(&mut fleet, 60).await;
    let moves = fleet.count_events("LeaseTaken");
    fleet.start("b");
    feed(&mut fleet, 10).await;
    for shard in 0..3 {
        assert!(is_owned_by(&fleet, shard, "b").await, "{shard}");
    }
    assert_eq!(fleet.count_events("LeaseTaken") - moves, 3, "the first that it asks for is pinned to it");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_the_pinned_worker_cannot_read_is_read_by_another() {
    let mut fleet = Fleet::new(6);
    fleet.start("a");
    let is_broken = |shard: &ShardKey| shard.shard_id == shard_id(0) || shard.shard_id == shard_id(1);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::GetShardIterator(shard, _) if is_broken(shard) => Fault::Fail(ErrorKind::Refused),
        _ => Fault::None,
    });
    feed(&mut fleet, 10).await;
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    feed(&mut fleet, 60).await;
    pin(&fleet, 0, Some("b")).await;
    pin(&fleet, 1, Some("b")).await;
    feed(&mut fleet, 120).await;
    fleet.drain().await;
    assert!(is_owned_by(&fleet, 0, "a").await && is_owned_by(&fleet, 1, "a").await);
    shares_are(&fleet, &[("a", 3), ("b", 3)]).await;
    let moves = fleet.count_events("LeaseTaken");
    feed(&mut fleet, 600).await;
    // What failed is tried again when it is five minutes old: the two move there and back, and so do two in their place.
    let moves = fleet.count_events("LeaseTaken") - moves;
    assert!(moves <= 2 * 8, "{moves} moves");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_at_a_limit_of_its_own_gets_no_more_for_a_pin_and_the_fleet_rests() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    let settings = WorkerSettings { max_leases_for_worker: 1, ..fleet.settings("b") };
    fleet.start_with("b", settings, fleet.ports(), fleet.recorder());
    feed(&mut fleet, 60).await;
    shares_are(&fleet, &[("a", 3), ("b", 1)]).await;
    for shard in 0..4 {
        pin(&fleet, shard, Some("b")).await;
    }
    feed(&mut fleet, 60).await;
    shares_are(&fleet, &[("a", 3), ("b", 1)]).await;
    let moves = fleet.count_events("LeaseTaken");
    feed(&mut fleet, 300).await;
    assert_eq!(fleet.count_events("LeaseTaken"), moves);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}
