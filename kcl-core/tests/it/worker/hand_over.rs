//! Planned moves: asked for, drained, committed, moved in one write. Nothing is repeated, and nothing waits for an expiry.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl_core::lease::{HandOverRequest, Lease, LeaseChange, LeaseStore, RequestForm};
use kcl_core::model::{Checkpoint, InitialPosition, ShardKey};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_leases, secs, shard_id};
use super::laggy::LaggyStore;
use super::slow::{Slow, start_slow, start_slow_with, worker};

async fn until_shares(fleet: &Fleet, expected: &[(&str, usize)]) {
    let share = |rows: &[Lease], name: &str| {
        rows.iter().filter(|row| !row.is_finished() && row.is_owned_by(&worker(name))).count()
    };
    fleet
        .until_rows("the shares are right", |rows| {
            expected.iter().all(|(name, count)| share(rows, name) == *count)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_is_handed_its_share_of_busy_shards_and_nothing_is_repeated() {
    for batch_time_ms in [0, 700, 4_000] {
        let mut fleet = Fleet::new(8);
        let ports = Ports {
            leases: Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), Duration::from_millis(30), secs(1))),
            ..fleet.ports()
        };
        let batch_time = Duration::from_millis(batch_time_ms);
        start_slow_with(&mut fleet, "a", ports.clone(), batch_time);
        for second in 0..60 {
            fleet.put(16);
            sleep(secs(1)).await;
            if second % 10 == 9 {
                let Some(name) = ["b", "c", "d", "e"].get(second / 10) else { continue };
                start_slow_with(&mut fleet, name, ports.clone(), batch_time);
            }
        }
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0, "batches of {batch_time:?}");
        assert_eq!(fleet.count_events("LeaseLost"), 0);
        let shares = fleet.shares().await;
        assert!(shares.len() == 5 && shares.values().all(|share| (1..=2).contains(share)), "{shares:?}");
        assert_eq!(fleet.count_events("LeaseHandedOver"), 4 + 2 + 2 + 1, "the fewest moves");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_handed_over_stands_still_for_less_than_a_second() {
    let mut fleet = Fleet::new(4);
    fleet.start("a");
    sleep(secs(5)).await;
    fleet.start("b");
    sleep(secs(5)).await;
    let events = fleet.events.lock().unwrap();
    let at = |needle: &str| {
        let found = events.iter().filter(|(_, event)| event.contains(needle));
        found.map(|(at, event)| (*at, event[event.find("shardId").unwrap()..][..20].to_owned())).collect()
    };
    let handed_over: Vec<(Instant, String)> = at("a: LeaseHandedOver");
    let taken: Vec<(Instant, String)> = at("b: LeaseTaken");
    assert_eq!((handed_over.len(), taken.len()), (2, 2));
    for (at, shard) in handed_over {
        let (taken_at, _) = taken.iter().find(|(_, taken)| *taken == shard).unwrap();
        assert!(*taken_at - at <= Duration::from_millis(250), "{shard} stood still for {:?}", *taken_at - at);
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_processor_hangs_is_taken_from_in_the_end() {
    let mut fleet = Fleet::new(2);
    start_slow(&mut fleet, "a", secs(1_000_000));
    fleet.put(20);
    sleep(secs(10)).await;
    fleet.start("b");
    let before = Instant::now();
    fleet.until("b has its share", || fleet.count_events("b: LeaseTaken") == 1).await;
    assert!((secs(30)..secs(40)).contains(&before.elapsed()), "{:?}", before.elapsed());
    assert_eq!(fleet.count_events("LeaseHandedOver"), 0);
    until_shares(&fleet, &[("a", 1), ("b", 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_owner_that_answers_in_time_is_waited_for() {
    let mut fleet = Fleet::new(2);
    start_slow(&mut fleet, "a", secs(25));
    fleet.put(20);
    sleep(secs(10)).await;
    fleet.start("b");
    sleep(secs(60)).await;
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!((fleet.count_events("LeaseHandedOver"), fleet.count_events("LeaseLost")), (1, 0));
}

/// A worker of the Java KCL 2: it renews its rows by their counters, and knows of no request.
async fn java_renews(leases: Arc<dyn LeaseStore>) {
    loop {
        for row in leases.list(kcl_core::lease::Consistency::Strong).await.unwrap_or_default() {
            if row.is_owned_by(&worker("java")) {
                leases.update(&row, &LeaseChange::Renew).await.unwrap();
            }
        }
        sleep(Duration::from_millis(3_308)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_java_worker_is_taken_from_without_asking() {
    let mut fleet = Fleet::new(6);
    fleet.leases.prepare().await.unwrap();
    for number in 0..6 {
        let shard = ShardKey::new(fleet.stream.clone(), shard_id(number));
        let mut row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
        row.owner = Some(worker("java"));
        row.counter = 100;
        fleet.leases.create(&row).await.unwrap();
    }
    let java = tokio::spawn(java_renews(Arc::clone(&fleet.leases)));
    fleet.start("a");
    sleep(secs(5)).await;
    until_shares(&fleet, &[("a", 3), ("java", 3)]).await;
    assert_eq!(fleet.count_events("LeaseRequested"), 0);
    sleep(secs(100)).await;
    assert_eq!(fleet.count_events("LeaseTaken"), 3, "and then nothing moves");
    java.abort();
    sleep(secs(15)).await;
    until_shares(&fleet, &[("a", 6)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_while_it_waits_withdraws_its_requests() {
    let mut fleet = Fleet::new(4);
    start_slow(&mut fleet, "a", secs(20));
    fleet.put(40);
    sleep(secs(10)).await;
    fleet.start("b");
    sleep(secs(3)).await;
    assert_eq!(fleet.count_events("b: LeaseRequested"), 2);
    fleet.stop("b").await;
    assert!(fleet.rows().await.iter().all(|row| row.request.is_none()), "{:#?}", fleet.rows().await);
    let stopped_at = Instant::now();
    fleet.drain().await;
    assert!(stopped_at.elapsed() < secs(40), "nobody waits for b: {:?}", stopped_at.elapsed());
    until_shares(&fleet, &[("a", 4)]).await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_handed_to_a_worker_that_is_stopping_is_free_at_once() {
    let mut fleet = Fleet::new(2);
    fleet.start("a");
    sleep(secs(5)).await;
    fleet.start("b");
    // It learns of the hand-over only by its next look at the row.
    fleet.until("a has handed over", || fleet.count_events("LeaseHandedOver") == 1).await;
    assert_eq!(fleet.count_events("b: LeaseTaken"), 0);
    fleet.stop("b").await;
    sleep(secs(2)).await;
    assert!(fleet.rows().await.iter().all(|row| row.is_owned_by(&worker("a"))), "{:#?}", fleet.rows().await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_crashes_after_asking_costs_one_failover_time() {
    let mut fleet = Fleet::new(2);
    start_slow(&mut fleet, "a", secs(5));
    fleet.put(20);
    sleep(secs(3)).await;
    fleet.start("b");
    fleet.until("b has asked", || fleet.count_events("b: LeaseRequested") == 1).await;
    fleet.crash("b").await;
    fleet.until("a has given it away", || fleet.count_events("LeaseHandedOver") == 1).await;
    let handed_over_at = Instant::now();
    fleet.put(20);
    fleet.until("a has it back", || fleet.count_events("a: LeaseTaken") == 3).await;
    assert!(handed_over_at.elapsed() < secs(12), "{:?}", handed_over_at.elapsed());
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_table_during_a_hand_over_repeats_nothing() {
    for fault in [Fault::Fail(ErrorKind::Throttled), Fault::LoseAnswer, Fault::Hang] {
        let mut fleet = Fleet::new(4);
        let trouble = Arc::new(Mutex::new(0));
        let ports = faulty_leases(&fleet, move |call| {
            let is_about_a_move = matches!(
                call,
                LeaseCall::Request(..)
                    | LeaseCall::Get(_)
                    | LeaseCall::Update(_, LeaseChange::HandOver { .. })
            );
            let mut count = trouble.lock().unwrap();
            *count += usize::from(is_about_a_move);
            if is_about_a_move && *count % 2 == 1 { fault } else { Fault::None }
        });
        for name in ["a", "b"] {
            let oracle = fleet.recorder();
            fleet.start_with(name, fleet.settings(name), ports.clone(), oracle);
            for _ in 0..20 {
                fleet.put(10);
                sleep(secs(1)).await;
            }
        }
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0, "{fault:?}");
        assert_eq!(fleet.count_events("LeaseLost"), 0, "{fault:?}");
        until_shares(&fleet, &[("a", 2), ("b", 2)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_leader_of_a_java_fleet_can_move_a_lease_of_ours() {
    let mut fleet = Fleet::new(1);
    start_slow(&mut fleet, "a", secs(2));
    sleep(secs(5)).await;
    let newest = fleet.put_one();
    sleep(secs(1)).await;
    // `initiateGracefulLeaseHandoff`: the next owner is written at once, and the counter stays.
    let row = fleet.row(&shard_id(0)).await;
    let request = HandOverRequest { by: worker("java"), form: RequestForm::CheckpointOwner };
    fleet.leases.delete(&row).await.unwrap();
    fleet.leases.create(&Lease { request: Some(request), ..row.clone() }).await.unwrap();
    fleet
        .until_rows("the lease is Java's", |rows| {
            rows[0].is_owned_by(&worker("java")) && rows[0].request.is_none()
        })
        .await;
    let moved = fleet.row(&shard_id(0)).await;
    assert!(moved.counter > row.counter);
    assert_eq!(moved.checkpoint, newest, "everything processed is committed");
    assert_eq!(fleet.count_events("LeaseLost"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_a_java_fleet_moves_to_us_is_taken_up_when_its_owner_has_let_go() {
    let mut fleet = Fleet::new(1);
    fleet.leases.prepare().await.unwrap();
    let shard = ShardKey::new(fleet.stream.clone(), shard_id(0));
    let mut row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
    row.owner = Some(worker("java"));
    row.request = Some(HandOverRequest { by: worker("a"), form: RequestForm::CheckpointOwner });
    fleet.leases.create(&row).await.unwrap();
    fleet.start("a");
    for _ in 0..8 {
        sleep(secs(3)).await;
        row = fleet.row(&shard_id(0)).await;
        fleet.leases.update(&row, &LeaseChange::Renew).await.unwrap();
    }
    assert_eq!(fleet.count_events("LeaseTaken"), 0, "its owner still processes");
    row = fleet.row(&shard_id(0)).await;
    let assigned = LeaseChange::HandOver { to: worker("a"), checkpoint: None };
    fleet.leases.update(&row, &assigned).await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(fleet.count_events("LeaseTaken"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_move_before_the_first_commit_skips_nothing_under_latest() {
    let mut fleet = Fleet::new(2);
    fleet.put(20);
    let early = fleet.oracle.outstanding();
    sleep(secs(60)).await;
    for name in ["a", "b"] {
        let latest = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings(name) };
        // b cannot read for a while, so what is put meanwhile waits for it.
        fleet.start_with(name, latest, fleet.ports(), fleet.recorder());
        sleep(secs(20)).await;
    }
    fleet.crash("b").await;
    fleet.put(20);
    sleep(secs(30)).await;
    assert_eq!(fleet.oracle.outstanding(), early, "what came after the start, and nothing from before");
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_moves_every_lease_within_a_second_and_repeats_nothing() {
    let mut fleet = Fleet::new(9);
    for name in ["a", "b", "c"] {
        fleet.start(name);
        sleep(secs(5)).await;
    }
    for (old, new) in [("a", "d"), ("b", "e"), ("c", "f")] {
        fleet.put(90);
        fleet.stop(old).await;
        sleep(secs(1)).await;
        let free = fleet.rows().await.into_iter().filter(|row| row.owner.is_none()).count();
        assert_eq!(free, 0, "a second after {old} has stopped");
        fleet.start(new);
        sleep(secs(5)).await;
    }
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("LeaseLost"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_stopping_worker_gives_back_is_taken_while_it_still_finishes_another_batch() {
    let mut fleet = Fleet::new(6);
    for name in ["a", "b", "c"] {
        let slow_shard = shard_id(0);
        let oracle = Arc::clone(&fleet.oracle);
        let processors = move |shard: &ShardKey| Slow {
            oracle: Arc::clone(&oracle),
            batch_time: if shard.shard_id == slow_shard { secs(20) } else { Duration::ZERO },
        };
        fleet.start_with(name, fleet.settings(name), fleet.ports(), processors);
        sleep(secs(5)).await;
    }
    fleet.put(60);
    sleep(secs(3)).await;
    let owner = fleet.row(&shard_id(0)).await.owner.unwrap().to_string();
    let stopping = fleet.begin_stop(&owner);
    sleep(secs(2)).await;
    let rows = fleet.rows().await;
    let free = rows.iter().filter(|row| row.owner.is_none()).count();
    assert_eq!(free, 0, "{rows:#?}");
    stopping.await;
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}
