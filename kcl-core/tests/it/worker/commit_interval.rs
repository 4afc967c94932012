//! `Checkpointing::Every`: how often it writes, and what is repeated.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, Record, ShardKey};
use kcl_core::processor::{Checkpointer, ProcessorError, RecordBatch, for_each_record};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{AsyncScript, Fleet, Scripted, faulty_leases, secs, shard_id};

const HOUR: Duration = Duration::from_hours(1);

fn every(fleet: &Fleet, name: &str, interval: Duration) -> WorkerSettings {
    WorkerSettings { checkpointing: Checkpointing::Every(interval), ..fleet.settings(name) }
}

fn start_every(fleet: &mut Fleet, name: &str, interval: Duration) {
    fleet.start_with(name, every(fleet, name, interval), fleet.ports(), fleet.recorder());
}

/// The row's writes.
#[derive(Default)]
struct Writes(Mutex<Vec<&'static str>>);

impl Writes {
    fn count(&self, kind: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|write| **write == kind).count()
    }

    /// Starts a worker whose writes are counted, from when it is settled.
    async fn start(fleet: &mut Fleet, interval: Duration) -> Arc<Self> {
        let writes = Arc::new(Self::default());
        let counted = Arc::clone(&writes);
        let ports = faulty_leases(fleet, move |call| {
            if let LeaseCall::Update(_, change) = call {
                let kind = match change {
                    LeaseChange::Checkpoint { .. } => "checkpoint",
                    LeaseChange::Renew => "renewal",
                    _ => "other",
                };
                counted.0.lock().unwrap().push(kind);
            }
            Fault::None
        });
        fleet.start_with("a", every(fleet, "a", interval), ports, fleet.recorder());
        put_for(fleet, secs(60)).await;
        writes.0.lock().unwrap().clear();
        writes
    }
}

/// Puts ten records a second.
async fn put_for(fleet: &mut Fleet, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        fleet.put(1);
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_shard_costs_one_write_for_each_interval_up_to_half_the_failover_time() {
    for interval in [2, 3, 5] {
        let mut fleet = Fleet::new(1);
        let writes = Writes::start(&mut fleet, secs(interval)).await;
        put_for(&mut fleet, secs(600)).await;
        let expected = 600 / usize::try_from(interval).unwrap();
        let checkpoints = writes.count("checkpoint");
        assert!((expected - 2..=expected).contains(&checkpoints), "{checkpoints} each {interval} s");
        assert_eq!((writes.count("renewal"), writes.count("other")), (0, 0), "each {interval} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_interval_is_filled_with_renewals_and_costs_no_lease() {
    let mut fleet = Fleet::new(1);
    let writes = Writes::start(&mut fleet, secs(60)).await;
    put_for(&mut fleet, secs(600)).await;
    assert!((9..=10).contains(&writes.count("checkpoint")));
    assert!((90..=120).contains(&writes.count("renewal")), "{}", writes.count("renewal"));
    assert_eq!(fleet.count_events("LeaseLost"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_what_was_processed_in_one_interval_at_most() {
    let mut most = 0;
    for crash_after_ms in (20_000..30_000).step_by(700) {
        let mut fleet = Fleet::new(1);
        start_every(&mut fleet, "a", secs(5));
        put_for(&mut fleet, Duration::from_millis(crash_after_ms)).await;
        fleet.crash("a").await;
        fleet.put(10);
        start_every(&mut fleet, "b", secs(5));
        fleet.drain().await;
        let repeated = fleet.assert_good();
        // Ten a second, for an interval and for the read that was in hand.
        assert!(repeated <= 10 * (5 + 1), "{repeated} after {crash_after_ms} ms");
        most = most.max(repeated);
    }
    assert!(most > 30, "it does commit at intervals, and not after each batch: {most}");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_committed_when_the_worker_stops_and_when_the_lease_moves() {
    let mut fleet = Fleet::new(4);
    start_every(&mut fleet, "a", HOUR);
    put_for(&mut fleet, secs(30)).await;
    assert!(fleet.rows().await.iter().all(|row| !row.checkpoint.has_begun()), "nothing was due");
    start_every(&mut fleet, "b", HOUR);
    put_for(&mut fleet, secs(30)).await;
    assert_eq!(fleet.count_events("LeaseHandedOver"), 2);
    fleet.stop("a").await;
    put_for(&mut fleet, secs(5)).await;
    fleet.stop("b").await;
    fleet.put(20);
    start_every(&mut fleet, "c", HOUR);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_shard_waits_for_no_interval() {
    let mut fleet = Fleet::new(1);
    start_every(&mut fleet, "a", HOUR);
    fleet.put(50);
    fleet.split(&shard_id(0));
    fleet.put(50);
    fleet.drain().await;
    assert_eq!(fleet.row(&shard_id(0)).await.checkpoint, Checkpoint::ShardEnd);
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_quiet_time_the_first_record_is_committed_at_once() {
    let mut fleet = Fleet::new(1);
    start_every(&mut fleet, "a", secs(60));
    sleep(secs(70)).await;
    let (put_at, checkpoint) = (Instant::now(), fleet.put_one());
    fleet.until_rows("it is committed", |rows| rows[0].checkpoint == checkpoint).await;
    assert!(put_at.elapsed() < secs(2), "{:?}", put_at.elapsed());
    // The next has to wait for its turn, though no batch follows it.
    let checkpoint = fleet.put_one();
    fleet.until_rows("it is committed", |rows| rows[0].checkpoint == checkpoint).await;
    assert!((secs(59)..secs(62)).contains(&put_at.elapsed()), "{:?}", put_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_failed_does_not_wait_for_the_next_interval() {
    let mut fleet = Fleet::new(1);
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { .. }) if failing.swap(false, Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    let started_at = Instant::now();
    fleet.start_with("a", every(&fleet, "a", secs(60)), ports, fleet.recorder());
    let checkpoint = fleet.put_one();
    fleet
        .until_rows("the position is in the row", |rows| !rows.is_empty() && rows[0].checkpoint == checkpoint)
        .await;
    assert!(!fails.load(Ordering::Relaxed), "a commit failed");
    assert!(started_at.elapsed() < secs(63), "{:?}", started_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_closure_form_keeps_to_the_interval() {
    let mut fleet = Fleet::new(1);
    let closure = for_each_record(|_: Record| async { Ok(()) });
    fleet.start_with("a", every(&fleet, "a", secs(30)), fleet.ports(), closure);
    for _ in 0..100 {
        fleet.put(1);
        sleep(secs(1)).await;
    }
    let commits = fleet.count_events("Checkpointed");
    assert!((3..=4).contains(&commits), "{commits}");
}

#[test]
fn an_interval_that_cannot_work_is_refused() {
    let fleet = Fleet::new(1);
    for (interval, named) in [(Duration::ZERO, "Every(0s)"), (secs(24 * 3600 + 1), "checkpointing")] {
        let error = every(&fleet, "a", interval).validate().unwrap_err();
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains(named), "{error}");
    }
    for interval in [Duration::from_millis(1), secs(24 * 3600)] {
        every(&fleet, "a", interval).validate().unwrap();
    }
}

/// Writes the row itself again and again, and commits nothing.
struct Prepares;

#[async_trait]
impl AsyncScript for Prepares {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        for record in &batch.records {
            let _never_committed = checkpointer.prepare(&record.position, Bytes::new()).await?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_falls_due_while_the_processor_writes_waits_for_it() {
    let mut fleet = Fleet::new(1);
    let ports = faulty_leases(&fleet, |call| match call {
        LeaseCall::Update(..) => Fault::Delay(Duration::from_millis(200)),
        _ => Fault::None,
    });
    let factory = |_: &ShardKey| Scripted { process: Prepares, calls: Arc::default() };
    fleet.start_with("a", every(&fleet, "a", secs(5)), ports, factory);
    put_for(&mut fleet, secs(120)).await;
    assert_eq!(fleet.count_events("LeaseLost") + fleet.count_events("CheckpointFailed"), 0);
    assert!(fleet.count_events(": Checkpointed") > 10);
}
