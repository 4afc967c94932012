//! A planned stop in the midst of trouble.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, InitialPosition, Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart, for_each_record,
};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep, sleep_until};

use super::fleet::{Fleet, faulty_leases, secs, shard_id};
use super::laggy::LaggyStore;

#[tokio::test(start_paused = true)]
async fn a_planned_stop_costs_no_duplicate_when_the_table_throttles_for_a_moment() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let oracle = Arc::clone(&fleet.oracle);
    let factory = for_each_record({
        let stream = fleet.stream.clone();
        move |record: Record| {
            let (oracle, stream) = (Arc::clone(&oracle), stream.clone());
            async move {
                sleep(Duration::from_millis(300)).await;
                oracle.deliver(&ShardKey::new(stream, shard_id(0)), &record);
                Ok(())
            }
        }
    });
    let throttled_until = Instant::now() + Duration::from_millis(3_600);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { .. }) if Instant::now() < throttled_until => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, factory);
    sleep(secs(1)).await;
    fleet.stop("a").await;
    fleet.start("b");
    sleep(secs(30)).await;
    assert_eq!(fleet.assert_good(), 0, "duplicates of a planned stop");
}

#[tokio::test(start_paused = true)]
async fn a_stop_at_the_end_of_a_shard_does_not_wait_out_the_grace_period() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.split(&shard_id(0));
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { checkpoint: Checkpoint::ShardEnd, .. }) => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(20)).await;
    let asked_at = Instant::now();
    fleet.stop("a").await;
    let events = fleet.count_events("ShutdownForced");
    fleet.start("b");
    fleet.drain().await;
    sleep(secs(5)).await;
    assert!(
        asked_at.elapsed() < secs(20) && events == 0,
        "{events} forced, {} duplicates",
        fleet.assert_good()
    );
}

#[tokio::test(start_paused = true)]
async fn a_forced_shutdown_is_bounded() {
    let mut fleet = Fleet::new(60);
    fleet.put(2000);
    let hangs = Arc::new(AtomicBool::new(false));
    let is_hanging = Arc::clone(&hangs);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Release) if is_hanging.load(Ordering::Relaxed) => Fault::Hang,
        _ => Fault::None,
    });
    let factory = for_each_record(|_: Record| std::future::pending());
    fleet.start_with("a", fleet.settings("a"), ports, factory);
    sleep(secs(10)).await;
    hangs.store(true, Ordering::Relaxed);
    let asked_at = Instant::now();
    fleet.stop("a").await;
    let WorkerSettings { shutdown_grace, failover_time, .. } = fleet.settings("a");
    assert!(asked_at.elapsed() <= shutdown_grace + failover_time * 2, "{:?}", asked_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_the_table_to_be_prepared() {
    let mut fleet = Fleet::new(1);
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Prepare => Fault::Hang,
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(1)).await;
    let asked_at = Instant::now();
    fleet.stop("a").await;
    assert!(asked_at.elapsed() <= fleet.settings("a").shutdown_grace, "{:?}", asked_at.elapsed());
}

struct NeverLetsGo;

#[async_trait]
impl RecordProcessor for NeverLetsGo {
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
    async fn lease_lost(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// A backend whose lease table can be cut off, and the switch that does it.
fn with_switch(fleet: &Fleet) -> (Arc<AtomicBool>, Ports) {
    let cut_off = Arc::new(AtomicBool::new(false));
    let is_cut_off = Arc::clone(&cut_off);
    let ports = faulty_leases(fleet, move |_| {
        if is_cut_off.load(Ordering::Relaxed) { Fault::Fail(ErrorKind::Transient) } else { Fault::None }
    });
    (cut_off, ports)
}

#[tokio::test(start_paused = true)]
async fn a_lease_lost_that_hangs_does_not_stick_the_shard() {
    let mut fleet = Fleet::new(1);
    let (cut_off, ports) = with_switch(&fleet);
    fleet.start_with("a", fleet.settings("a"), ports, |_: &ShardKey| NeverLetsGo);
    sleep(secs(5)).await;
    cut_off.store(true, Ordering::Relaxed);
    sleep(secs(30)).await;
    cut_off.store(false, Ordering::Relaxed);
    fleet.until("it is taken again", || fleet.count_events("LeaseTaken") == 2).await;
    assert_eq!(fleet.count_events("ProcessorFailed"), 1, "and the call that was dropped can be read");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_holds_is_not_reported_as_released() {
    let mut fleet = Fleet::new(1);
    let (cut_off, ports) = with_switch(&fleet);
    fleet.start_with("a", fleet.settings("a"), ports, |_: &ShardKey| NeverLetsGo);
    sleep(secs(5)).await;
    fleet.start("b");
    cut_off.store(true, Ordering::Relaxed);
    fleet.until("b has it", || fleet.count_events("b: LeaseTaken") == 1).await;
    cut_off.store(false, Ordering::Relaxed);
    fleet.stop("a").await;
    assert_eq!(fleet.count_events("a: LeaseReleased"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_get_that_hangs_holds_up_a_shutdown_only_for_a_moment() {
    let mut fleet = Fleet::new(1);
    fleet.split(&shard_id(0));
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Get(_) => Fault::Hang,
        _ => Fault::None,
    });
    let settings = WorkerSettings { initial_position: InitialPosition::Latest, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, fleet.recorder());
    sleep(secs(5)).await;
    let at = Instant::now();
    fleet.stop("a").await;
    assert!(at.elapsed() < secs(5), "{:?}", at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_released_once_though_its_consumer_ends_at_the_end_of_the_grace_period() {
    let mut fleet = Fleet::new(8);
    fleet.put(100);
    let grace = fleet.settings("a").shutdown_grace;
    let stopped_at: Arc<Mutex<Option<Instant>>> = Arc::default();
    let at = Arc::clone(&stopped_at);
    let factory = for_each_record(move |_: Record| {
        let at = Arc::clone(&at);
        async move {
            loop {
                let until = *at.lock().unwrap();
                if let Some(until) = until {
                    sleep_until(until + grace).await;
                    return Ok(());
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
    });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(secs(10)).await;
    *stopped_at.lock().unwrap() = Some(Instant::now());
    fleet.stop("a").await;
    let (released, forced, lost) = (
        fleet.count_events("LeaseReleased"),
        fleet.count_events("ShutdownForced"),
        fleet.count_events("LeaseLost"),
    );
    assert!(released == 8, "{released} released, {forced} forced, {lost} lost");
}

struct SlowToBegin {
    begun: Arc<AtomicUsize>,
}

#[async_trait]
impl RecordProcessor for SlowToBegin {
    async fn initialize(&mut self, _: &ShardStart) -> Result<(), ProcessorError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        sleep(secs(20)).await;
        Ok(())
    }
    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stopping_begins_no_shard() {
    let mut fleet = Fleet::new(4);
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    fleet.start("b");
    sleep(secs(5)).await;
    fleet.stop("b").await;
    let laggy = Arc::new(LaggyStore::new(Arc::clone(&fleet.leases), secs(1), Duration::ZERO));
    fleet.start_with(
        "a",
        fleet.settings("a"),
        Ports { leases: laggy, ..fleet.ports() },
        move |_: &ShardKey| SlowToBegin { begun: Arc::clone(&count) },
    );
    sleep(Duration::from_millis(1_300)).await;
    assert_eq!(begun.load(Ordering::Relaxed), 0);
    let at = Instant::now();
    fleet.stop("a").await;
    assert!(
        begun.load(Ordering::Relaxed) == 0,
        "{} begun, stopped after {:?}",
        begun.load(Ordering::Relaxed),
        at.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_was_lost_is_a_release() {
    let mut fleet = Fleet::new(1);
    let once = AtomicBool::new(true);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Release) if once.swap(false, Ordering::Relaxed) => {
            Fault::LoseAnswer
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(5)).await;
    fleet.stop("a").await;
    let events: Vec<_> = fleet.events.lock().unwrap().iter().map(|(_, e)| e.clone()).collect();
    assert!(fleet.count_events("LeaseReleased") == 1 && fleet.count_events("LeaseLost") == 0, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_was_lost_is_a_release_though_another_took_the_lease() {
    let mut fleet = Fleet::new(1);
    let store = Arc::clone(&fleet.leases);
    let _ = store;
    let once = AtomicBool::new(true);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Release) if once.swap(false, Ordering::Relaxed) => {
            Fault::LoseAnswer
        }
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    sleep(secs(5)).await;
    let settings = WorkerSettings { lease_scan_interval: Duration::from_millis(10), ..fleet.settings("b") };
    fleet.start_with("b", settings, fleet.ports(), fleet.recorder());
    sleep(secs(5)).await;
    let at = Instant::now();
    fleet.stop("a").await;
    assert!(fleet.count_events("LeaseLost") == 0, "{:?}", at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn leases_on_their_way_when_a_worker_stops_are_given_back() {
    let mut fleet = Fleet::new(4);
    fleet.start("b");
    fleet.until("the rows are there", || fleet.count_events("LeaseTaken") == 4).await;
    fleet.stop("b").await;
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(_, LeaseChange::Take { .. }) => Fault::Delay(secs(1)),
        _ => Fault::None,
    });
    fleet.start_with("a", fleet.settings("a"), ports, fleet.recorder());
    // The first lease makes the worker known; the others follow.
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(fleet.shares().await["a"], 4, "the takes are in the table, and their answers on the way");
    fleet.stop("a").await;
    assert!(fleet.shares().await.is_empty());
}
