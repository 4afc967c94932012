//! Handlers that fail, panic or hang on some records of a shard while others go on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl_core::WorkerSettings;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, Record};
use kcl_core::processor::{CallDeadlines, FailurePolicy, WhenExhausted, for_each_record};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::worker::ShardOutcome;
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_leases, secs, shard_id};
use super::lane_script::{Does, Script, is_key_3, takes_ms};

fn fails_on_key_3(record: &Record) -> Does {
    if is_key_3(record) { Does::Fails } else { takes_ms(5) }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_holds_up_its_lane_alone_until_the_window_is_full() {
    let mut fleet = Fleet::new(1);
    fleet.put(1_000);
    let script = Script::new(&fleet, fails_on_key_3);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes_within(8, 200));
    sleep(secs(60)).await;
    assert_eq!(
        script.handled(),
        3 + 200 - 10,
        "those before the one that fails, and a window without its key"
    );
    assert!(fleet.count_events("ProcessorFailed") > 3);
    let Checkpoint::At(committed) = fleet.row(&shard_id(0)).await.checkpoint else { panic!("no commit") };
    assert_eq!(
        script.seen.lock().unwrap().handled.iter().filter(|handled| **handled <= committed).count(),
        3
    );
}

/// Each page has one record here, and a shard has no more than 16 pages read ahead.
#[tokio::test(start_paused = true)]
async fn records_that_come_one_by_one_fill_the_window_by_their_size_and_not_by_their_pages() {
    let mut fleet = Fleet::new(1);
    fleet.put(4);
    let script = Script::new(&fleet, fails_on_key_3);
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    for _ in 0..60 {
        sleep(secs(2)).await;
        fleet.put(1);
    }
    sleep(secs(2)).await;
    assert_eq!(script.handled(), 64 - 4, "all but those of the key that fails");
}

#[tokio::test(start_paused = true)]
async fn more_keys_than_lanes_may_fail_and_the_others_go_on() {
    let mut fleet = Fleet::new(1);
    fleet.put(400);
    let heals = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&heals);
    let is_even = |record: &Record| record.partition_key.ends_with(['0', '2', '4', '6', '8']);
    let script =
        Script::new(&fleet, move |record| match is_even(record) && !healed.load(Ordering::Relaxed) {
            true if record.partition_key.ends_with('0') => Does::Panics,
            true => Does::Fails,
            false => takes_ms(5),
        });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(4));
    fleet.until("ten of twenty keys are handled", || script.handled() == 200).await;
    sleep(secs(60)).await;
    heals.store(true, Ordering::Relaxed);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    fleet.until_rows("all is committed", |rows| rows[0].checkpoint.has_begun()).await;
}

#[tokio::test(start_paused = true)]
async fn records_that_are_exhausted_are_left_out_one_by_one_if_the_policy_says_so() {
    let mut fleet = Fleet::new(1);
    fleet.put(200);
    let script = Script::new(&fleet, fails_on_key_3);
    let failure_policy = FailurePolicy {
        maximum_retry_attempts: Some(2),
        when_exhausted: WhenExhausted::Skip,
        ..FailurePolicy::default()
    };
    let settings = WorkerSettings { failure_policy, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), script.lanes(8));
    sleep(secs(60)).await;
    assert_eq!((script.handled(), fleet.count_events("RecordsSkipped")), (190, 10));
    assert_eq!(fleet.count_events("ProcessorFailed"), 30);
    assert_eq!(fleet.oracle.outstanding(), 10);
    let checkpoint = fleet.put_one();
    fleet.until_rows("nothing stands in the way", |rows| rows[0].checkpoint == checkpoint).await;
    assert_eq!(fleet.records_processed(), 191, "what is given up is not processed");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_blocks_is_reported_once_for_the_shard_and_until_all_have_recovered() {
    let mut fleet = Fleet::new(1);
    fleet.put(200);
    let heals = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&heals);
    let script = Script::new(&fleet, move |record| {
        let fails = record.partition_key.ends_with('3') && !healed.load(Ordering::Relaxed);
        if fails { Does::Fails } else { takes_ms(5) }
    });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), script.lanes(8));
    sleep(secs(600)).await;
    let reported = |fleet: &Fleet| (fleet.count_events("ShardBlocked"), fleet.count_events("ShardUnblocked"));
    assert_eq!(reported(&fleet), (1, 0), "for two keys");
    heals.store(true, Ordering::Relaxed);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    let (blocked, unblocked) = reported(&fleet);
    assert!(blocked == unblocked && blocked <= 2, "{blocked} and {unblocked}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_the_policy_stops_repeats_nothing_below_the_record_that_fails() {
    let mut fleet = Fleet::new(1);
    fleet.put(200);
    let script = Script::new(&fleet, fails_on_key_3);
    let failure_policy = FailurePolicy {
        maximum_retry_attempts: Some(0),
        when_exhausted: WhenExhausted::StopWorker,
        ..FailurePolicy::default()
    };
    let settings = WorkerSettings { failure_policy, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), script.lanes(8));
    let error = fleet.outcome("a").await.unwrap_err();
    assert!(error.to_string().contains("stop the worker"), "{error}");
    let row = fleet.row(&shard_id(0)).await;
    let Checkpoint::At(committed) = row.checkpoint else { panic!("nothing is committed") };
    let handled = script.seen.lock().unwrap().handled.clone();
    assert_eq!((handled.iter().filter(|handled| **handled <= committed).count(), row.owner), (3, None));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_return_is_reported_and_given_up_with_its_shard_at_the_deadline() {
    let mut fleet = Fleet::new(1);
    fleet.put(200);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let script = Script::new(&fleet, move |record| {
        let hangs = is_key_3(record) && counted.fetch_add(1, Ordering::Relaxed) == 0;
        if hangs { Does::Hangs } else { takes_ms(5) }
    });
    let call_deadlines =
        CallDeadlines { process_records: Some(Duration::from_secs(90)), ..CallDeadlines::default() };
    let settings = WorkerSettings { call_deadlines, ..fleet.settings("a") };
    let (running_at_release, calls_of) = (Arc::new(Mutex::new(Vec::new())), script.clone());
    let log = Arc::clone(&running_at_release);
    let ports = faulty_leases(&fleet, move |call| {
        if let LeaseCall::Update(_, LeaseChange::Release) = call {
            log.lock().unwrap().push(calls_of.running());
        }
        Fault::None
    });
    fleet.start_with("a", settings, ports, script.lanes(8));
    sleep(secs(80)).await;
    assert_eq!((fleet.count_events("ProcessorBusy"), script.handled()), (2, 190));
    fleet.drain().await;
    assert_eq!(fleet.count_events("ProcessorOverran"), 1);
    assert_eq!(*running_at_release.lock().unwrap(), [0], "no call runs on when the shard is released");
    assert_eq!(calls.load(Ordering::Relaxed), 1 + 10, "its lane was not gone on with before");
}

#[tokio::test(start_paused = true)]
async fn calls_end_when_the_lease_is_lost_or_the_grace_of_a_shutdown_is_over() {
    for is_stopped in [false, true] {
        let mut fleet = Fleet::new(1);
        fleet.put(20);
        let script = Script::new(&fleet, |_| Does::Hangs);
        let settings = WorkerSettings { shutdown_grace: secs(7), ..fleet.settings("a") };
        fleet.start_with("a", settings, fleet.ports(), script.lanes(8));
        sleep(secs(5)).await;
        assert_eq!(script.running(), 8);
        let began = Instant::now();
        if is_stopped {
            fleet.stop("a").await;
        } else {
            let row = fleet.row(&shard_id(0)).await;
            let by = kcl_core::model::WorkerId::new("thief").unwrap();
            fleet.leases.update(&row, &LeaseChange::Take { by }).await.unwrap();
            fleet.until("no call runs", || script.running() == 0).await;
        }
        assert_eq!(script.running(), 0);
        assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_of_calls_that_were_dropped_for_a_move_that_had_begun_before() {
    let mut fleet = Fleet::new(2);
    fleet.put(100);
    let script = Script::new(&fleet, |_| Does::Hangs);
    let settings = WorkerSettings { hand_over_timeout: secs(60), ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), script.lanes(8));
    fleet.until("both shards hang", || script.running() == 16).await;
    fleet.start_with("b", fleet.settings("b"), fleet.ports(), script.lanes(8));
    fleet.until("one is asked for", || fleet.count_events("b: LeaseRequested") == 1).await;
    sleep(secs(10)).await;
    let report = fleet.begin_stop("a").await;
    assert_eq!(fleet.count_events("a: LeaseHandedOver"), 1);
    assert_eq!(report.shards.into_values().collect::<Vec<_>>(), [ShardOutcome::Forced, ShardOutcome::Forced]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_before_there_is_a_future_fails_its_record_alone() {
    let mut fleet = Fleet::new(1);
    let checkpoint = fleet.put_one();
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = for_each_record(move |_: Record| {
        assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "not at first");
        async { Ok(()) }
    });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), handler.concurrency(8));
    fleet.until_rows("it is handled", |rows| rows.iter().any(|row| row.checkpoint == checkpoint)).await;
    assert_eq!((fleet.count_events("ProcessorFailed"), fleet.count_events("ShardFailed")), (1, 0));
}
