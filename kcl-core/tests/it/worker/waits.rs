//! No shard stands still for longer than it must, and no worker is left without a share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kcl_core::lease::{Consistency, HandOverRequest, Lease, LeaseChange, RequestForm};
use kcl_core::model::{Checkpoint, ShardKey};
use kcl_core::processor::{Processor, ProcessorFactory, ShardStart};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_leases, secs, shard_id};
use super::slow::{Slow, start_slow_with, worker};

/// Parents with a backlog: the rows of the children are old when they become free.
async fn reshard_with_a_backlog() -> Fleet {
    let mut fleet = Fleet::new(2);
    for name in ["a", "b"] {
        let ports = fleet.ports();
        start_slow_with(&mut fleet, name, ports, secs(100));
        sleep(secs(5)).await;
    }
    fleet.put(20);
    sleep(secs(2)).await;
    fleet.split(&shard_id(0));
    fleet.split(&shard_id(1));
    fleet
        .until_rows("the children have begun", |rows| {
            rows.len() == 6 && rows.iter().filter(|row| row.owner.is_some()).count() == 4
        })
        .await;
    sleep(secs(20)).await;
    fleet
}

/// One shard is split, and its children are split again, while it has a backlog.
#[tokio::test(start_paused = true)]
async fn children_that_have_waited_for_long_are_taken_by_fair_shares() {
    let mut fleet = Fleet::new(2);
    for name in ["a", "b"] {
        let ports = fleet.ports();
        start_slow_with(&mut fleet, name, ports, secs(100));
        sleep(Duration::from_millis(5_250)).await;
    }
    fleet.put(20);
    sleep(secs(2)).await;
    let parent = shard_id(0);
    for child in fleet.split(&parent) {
        fleet.split(&child);
    }
    sleep(secs(60)).await;
    assert_eq!(fleet.rows().await.len(), 8, "the rows are there, and wait for their parents");
    fleet.put(100);
    fleet.until("all have begun", || fleet.count_events("LeaseTaken") >= 3 + 2 + 4).await;
    sleep(secs(150)).await;
    let (asked, lost) = (fleet.count_events("LeaseRequested"), fleet.count_events("LeaseLost"));
    assert_eq!((asked, lost), (1, 0), "one to b at its start; the free children need no move");
}

#[tokio::test(start_paused = true)]
async fn children_that_have_waited_for_long_are_not_reported_as_unclaimed() {
    let fleet = reshard_with_a_backlog().await;
    assert_eq!(fleet.count_events("LeaseUnclaimed"), 0);
}

/// Panics for one shard, always.
struct Poisoned<P>(P);

impl<P: ProcessorFactory> ProcessorFactory for Poisoned<P> {
    fn create(&self, start: &ShardStart) -> Processor {
        assert!(start.shard.shard_id != shard_id(0), "this shard cannot be processed");
        self.0.create(start)
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_nobody_can_process_does_not_keep_a_newcomer_from_its_share() {
    let mut fleet = Fleet::new(9);
    // A scan takes longer than a write, as it does.
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::List(_) => Fault::Delay(Duration::from_millis(50)),
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports.clone(), Poisoned(fleet.recorder()));
    sleep(secs(100)).await;
    fleet.start_with("b", fleet.settings("b"), ports, Poisoned(fleet.recorder()));
    sleep(secs(3_600)).await;
    let shares = fleet.shares().await;
    assert!(shares.get("b").is_some_and(|share| *share >= 3), "after an hour: {shares:?}");
}

/// A row of a shard whose parent's row is cleaned up, as in every stream that was resharded a while ago.
async fn with_rows_of_old_children(fleet: &Fleet, shards: usize) {
    fleet.leases.prepare().await.unwrap();
    for number in 0..shards {
        let shard = ShardKey::new(fleet.stream.clone(), shard_id(number));
        let row = Lease::unowned(shard, Checkpoint::TrimHorizon, vec![shard_id(900 + number)]);
        fleet.leases.create(&row).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_while_it_takes_up_a_lease_gives_it_back() {
    let mut fleet = Fleet::new(2);
    with_rows_of_old_children(&fleet, 2).await;
    fleet.start("a");
    sleep(secs(5)).await;
    // A slow read, of the kind that comes before a take.
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Get(shard) if shard.shard_id >= shard_id(900) => Fault::Delay(secs(1)),
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    fleet.until("b was handed a lease", || fleet.count_events("a: LeaseHandedOver") == 1).await;
    sleep(Duration::from_millis(500)).await;
    fleet.stop("b").await;
    let stopped_at = Instant::now();
    fleet.until_rows("a has both", |rows| rows.iter().all(|row| row.is_owned_by(&worker("a")))).await;
    assert!(stopped_at.elapsed() < secs(1), "a planned stop cost {:?}", stopped_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_while_the_table_throttles_for_a_moment_withdraws_its_requests() {
    let mut fleet = Fleet::new(2);
    let ports = fleet.ports();
    start_slow_with(&mut fleet, "a", ports, secs(8));
    fleet.put(20);
    sleep(secs(3)).await;
    let throttled_until = Instant::now() + Duration::from_millis(3_000);
    let throttled_from = Instant::now() + Duration::from_millis(2_000);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Get(_) | LeaseCall::Request(..)
            if (throttled_from..throttled_until).contains(&Instant::now()) =>
        {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    fleet.until("b has asked", || fleet.count_events("b: LeaseRequested") == 1).await;
    sleep(Duration::from_millis(2_200)).await;
    fleet.stop("b").await;
    assert!(Instant::now() < throttled_until + secs(1));
    fleet.put(20);
    sleep(secs(9)).await;
    let rows = fleet.rows().await;
    assert!(
        rows.iter().all(|row| row.is_owned_by(&worker("a"))),
        "handed to a worker that has gone: {rows:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_stopping_worker_releases_does_not_wait_for_java() {
    let mut fleet = Fleet::new(8);
    fleet.leases.prepare().await.unwrap();
    for number in 0..2 {
        let shard = ShardKey::new(fleet.stream.clone(), shard_id(number));
        let mut row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
        row.owner = Some(worker("java"));
        row.counter = 100;
        fleet.leases.create(&row).await.unwrap();
    }
    let leases = Arc::clone(&fleet.leases);
    // It renews, and looks at the table once in twenty seconds.
    let java = tokio::spawn(async move {
        loop {
            for row in leases.list(Consistency::Strong).await.unwrap_or_default() {
                if row.is_owned_by(&worker("java")) {
                    leases.update(&row, &LeaseChange::Renew).await.unwrap();
                }
            }
            sleep(Duration::from_millis(3_308)).await;
        }
    });
    fleet.start("a");
    fleet.start("b");
    sleep(secs(60)).await;
    assert_eq!(fleet.shares().await.values().sum::<usize>(), 8, "{:?}", fleet.shares().await);
    fleet.stop("b").await;
    let stopped_at = Instant::now();
    fleet.until_rows("somebody has all", |rows| rows.iter().all(|row| row.owner.is_some())).await;
    java.abort();
    assert!(stopped_at.elapsed() < secs(12), "free for {:?}", stopped_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn children_wait_for_a_worker_that_is_stopping_no_longer_than_a_failover_time() {
    let mut fleet = Fleet::new(2);
    for name in ["a", "b"] {
        let oracle = Arc::clone(&fleet.oracle);
        let batch_time = if name == "a" { secs(25) } else { Duration::ZERO };
        let processors = move |_: &ShardKey| Slow { oracle: Arc::clone(&oracle), batch_time };
        fleet.start_with(name, fleet.settings(name), fleet.ports(), processors);
        sleep(secs(5)).await;
    }
    fleet.put(20);
    sleep(secs(2)).await;
    let rows = fleet.rows().await;
    let of_b = rows.iter().find(|row| row.is_owned_by(&worker("b"))).unwrap().shard.shard_id.clone();
    let stopping = fleet.begin_stop("a");
    fleet.split(&of_b);
    fleet.until("the parent has ended", || fleet.count_events("b: ShardEnded") == 1).await;
    let ended_at = Instant::now();
    fleet.until("its children have begun", || fleet.count_events("b: LeaseTaken") == 3).await;
    assert!(ended_at.elapsed() < secs(12), "a child waited for {:?}", ended_at.elapsed());
    stopping.await;
}

#[tokio::test(start_paused = true)]
async fn what_is_released_waits_for_a_full_worker_no_longer_than_a_failover_time() {
    let mut fleet = Fleet::new(6);
    let settings = WorkerSettings { max_leases_for_worker: 1, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), fleet.recorder());
    sleep(secs(5)).await;
    for name in ["b", "c"] {
        fleet.start(name);
        sleep(secs(60)).await;
    }
    fleet.stop("c").await;
    let stopped_at = Instant::now();
    fleet.until_rows("somebody has all", |rows| rows.iter().all(|row| row.owner.is_some())).await;
    assert!(stopped_at.elapsed() < secs(12), "free for {:?}", stopped_at.elapsed());
}

/// A worker of ours had the lease once, then a Java worker took it, whose leader now gives it back.
#[tokio::test(start_paused = true)]
async fn a_lease_that_a_java_fleet_moves_back_to_us_is_taken_up_at_once() {
    let mut fleet = Fleet::new(1);
    fleet.leases.prepare().await.unwrap();
    let shard = ShardKey::new(fleet.stream.clone(), shard_id(0));
    let mut row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
    row.owner = Some(worker("java"));
    row.hand_over_owner = Some(worker("a"));
    row.request = Some(HandOverRequest { by: worker("a"), form: RequestForm::CheckpointOwner });
    fleet.leases.create(&row).await.unwrap();
    fleet.start("a");
    sleep(secs(3)).await;
    let assigned = LeaseChange::HandOver { to: worker("a"), checkpoint: None };
    fleet.leases.update(&row, &assigned).await.unwrap();
    let assigned_at = Instant::now();
    fleet.until("a has taken it up", || fleet.count_events("LeaseTaken") == 1).await;
    assert!(assigned_at.elapsed() <= secs(1), "{:?}", assigned_at.elapsed());
}

/// The table is in trouble for a moment, when the timeout of a request is just over.
async fn taken_from_a_hung_owner_after(
    is_in_trouble: impl Fn(LeaseCall<'_>) -> bool + Send + Sync + 'static,
) -> Duration {
    let mut fleet = Fleet::new(2);
    let ports = fleet.ports();
    start_slow_with(&mut fleet, "a", ports, secs(1_000_000));
    fleet.put(20);
    sleep(secs(10)).await;
    let trouble =
        Instant::now() + Duration::from_millis(29_900)..Instant::now() + Duration::from_millis(30_600);
    let ports = faulty_leases(&fleet, move |call| {
        if trouble.contains(&Instant::now()) && is_in_trouble(call) {
            Fault::Fail(ErrorKind::Throttled)
        } else {
            Fault::None
        }
    });
    fleet.start_with("b", fleet.settings("b"), ports, fleet.recorder());
    let before = Instant::now();
    fleet.until("b has its share", || fleet.count_events("b: LeaseTaken") == 1).await;
    before.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_throttled_at_the_end_of_the_timeout_costs_a_moment() {
    let elapsed = taken_from_a_hung_owner_after(|call| matches!(call, LeaseCall::Get(_))).await;
    assert!(elapsed < secs(35), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_take_that_is_throttled_at_the_end_of_the_timeout_costs_a_moment() {
    let is_take = |call: LeaseCall<'_>| matches!(call, LeaseCall::Update(_, LeaseChange::Take { .. }));
    let elapsed = taken_from_a_hung_owner_after(is_take).await;
    assert!(elapsed < secs(35), "{elapsed:?}");
}

/// `LeaseStore::update`: "the new row is `seen.after(change)`". The DynamoDB store computes its expression from `seen`
/// alone, and removes `handOverTo` if `seen` has no request; the protocol needs it to stay, as the mark of a hand-over.
#[tokio::test(start_paused = true)]
async fn an_owner_that_learned_of_a_request_by_a_scan_leaves_the_mark_of_the_hand_over() {
    let mut fleet = Fleet::new(4);
    let unmarked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen_unmarked = Arc::clone(&unmarked);
    let ports = faulty_leases(&fleet, move |call| {
        if let LeaseCall::Update(seen, change @ LeaseChange::HandOver { .. }) = call
            && !seen.after(change).is_handed_over()
        {
            seen_unmarked.lock().unwrap().push(seen.shard.to_string());
        }
        Fault::None
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(5)).await;
    fleet.start("b");
    sleep(secs(10)).await;
    assert_eq!(fleet.count_events("LeaseHandedOver"), 2);
    let unmarked = unmarked.lock().unwrap();
    assert!(unmarked.is_empty(), "hand-overs without the mark: {unmarked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_table_is_looked_at_twice_as_often_while_a_lease_has_just_come_free() {
    let mut fleet = Fleet::new(2);
    let looks = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&looks);
    let ports = faulty_leases(&fleet, move |call| {
        seen.fetch_add(
            usize::from(matches!(call, LeaseCall::List(Consistency::Eventual))),
            Ordering::Relaxed,
        );
        Fault::None
    });
    let settings = WorkerSettings { max_leases_for_worker: 1, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    fleet.start("b");
    sleep(secs(10)).await;
    let looks_in_two_seconds = async || {
        let before = looks.load(Ordering::Relaxed);
        sleep(secs(2)).await;
        looks.load(Ordering::Relaxed) - before
    };
    assert_eq!(looks_in_two_seconds().await, 4);
    fleet.stop("b").await;
    assert!((7..=8).contains(&looks_in_two_seconds().await), "what it gives back is too much for a");
    sleep(secs(1)).await;
    assert_eq!(looks_in_two_seconds().await, 4);
}
