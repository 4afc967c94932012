//! Calls that do not return: reported, and given up together with the shard where they have a deadline.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::WorkerSettings;
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{
    CallDeadlines, Checkpointer, ProcessorError, RecordBatch, RecordProcessor, ShardStart, for_each_record,
};
use kcl_core::worker::ShardOutcome;
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, secs, shard_id};
use super::slow::Slow;

/// Hangs in one call, and counts what it is told besides.
struct HangsIn {
    call: &'static str,
    told: Arc<Mutex<Vec<&'static str>>>,
}

impl HangsIn {
    async fn called(&self, call: &'static str) -> Result<(), ProcessorError> {
        self.told.lock().unwrap().push(call);
        if call == self.call {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl RecordProcessor for HangsIn {
    async fn initialize(&mut self, _: &ShardStart) -> Result<(), ProcessorError> {
        self.called("initialize").await
    }

    async fn process_records(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        self.called("process_records").await
    }

    async fn lease_lost(&mut self) {
        let _returned = self.called("lease_lost").await;
    }

    async fn shard_ended(&mut self) -> Result<(), ProcessorError> {
        self.called("shard_ended").await
    }

    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        self.called("shutdown_requested").await
    }
}

fn start_hanging(
    fleet: &mut Fleet,
    call: &'static str,
    deadlines: CallDeadlines,
) -> Arc<Mutex<Vec<&'static str>>> {
    let told = Arc::default();
    let log = Arc::clone(&told);
    let factory = move |_: &ShardKey| HangsIn { call, told: Arc::clone(&log) };
    let settings = WorkerSettings { call_deadlines: deadlines, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), factory);
    told
}

fn ten_seconds() -> CallDeadlines {
    let deadline = Some(secs(10));
    CallDeadlines {
        initialize: deadline,
        process_records: deadline,
        shard_ended: deadline,
        shutdown_requested: deadline,
        lease_lost: secs(10),
        ..CallDeadlines::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_call_is_past_its_deadline_goes_to_another_worker() {
    for call in ["initialize", "process_records", "shard_ended"] {
        let mut fleet = Fleet::new(1);
        fleet.put(10);
        if call == "shard_ended" {
            fleet.split(&shard_id(0));
        }
        let told = start_hanging(&mut fleet, call, ten_seconds());
        fleet.until("the call hangs", || told.lock().unwrap().contains(&call)).await;
        let hung_at = Instant::now();
        fleet.start("b");
        fleet.until("it is given up", || fleet.count_events("ProcessorOverran") == 1).await;
        fleet.until("another has it", || fleet.count_events("b: LeaseTaken") > 0).await;
        assert!((secs(10)..secs(20)).contains(&hung_at.elapsed()), "{call}: {:?}", hung_at.elapsed());
        assert_eq!(fleet.count_events("LeaseLost"), 0, "{call}: it is given back, not left to expire");
        if call == "shard_ended" {
            fleet.until("the shard ends", || fleet.count_events("b: ShardEnded") == 1).await;
        } else {
            fleet.drain().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_call_that_hangs_is_reported_and_keeps_its_shard() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    let deadlines = CallDeadlines { report_after: secs(7), ..CallDeadlines::default() };
    start_hanging(&mut fleet, "process_records", deadlines);
    sleep(secs(72)).await;
    let reports = fleet.count_events("ProcessorBusy");
    assert!((9..=10).contains(&reports), "{reports} reports");
    assert_eq!(fleet.count_events("ProcessorOverran") + fleet.count_events("LeaseReleased"), 0);
}

#[tokio::test(start_paused = true)]
async fn last_words_have_a_deadline_too() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    let told = start_hanging(&mut fleet, "shutdown_requested", ten_seconds());
    fleet.until("it is processed", || fleet.count_events("Checkpointed") == 1).await;
    let asked_at = Instant::now();
    fleet.stop("a").await;
    assert!((secs(10)..secs(16)).contains(&asked_at.elapsed()), "{:?}", asked_at.elapsed());
    assert!(fleet.rows().await[0].owner.is_none(), "the lease is given back all the same");
    assert!(told.lock().unwrap().contains(&"shutdown_requested"));
    assert_eq!(fleet.count_events("ShutdownForced"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_records_goes_on_where_its_batch_came_to_the_deadline() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let oracle = Arc::clone(&fleet.oracle);
    let factory = move |shard: &ShardKey| {
        let (oracle, shard) = (Arc::clone(&oracle), shard.clone());
        for_each_record(move |record: Record| {
            let (oracle, shard) = (Arc::clone(&oracle), shard.clone());
            async move {
                sleep(secs(3)).await;
                oracle.deliver(&shard, &record);
                Ok(())
            }
        })
    };
    let settings = WorkerSettings { call_deadlines: ten_seconds(), ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), factory);
    fleet.drain().await;
    assert!(fleet.count_events("ProcessorOverran") > 0);
    assert_eq!(fleet.assert_good(), 0, "what was handled is committed when the shard is given up");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_of_calls_that_were_dropped_at_their_deadline() {
    for call in ["process_records", "shutdown_requested"] {
        let mut fleet = Fleet::new(1);
        fleet.put(1);
        let told = start_hanging(&mut fleet, call, ten_seconds());
        fleet.until("it is processed", || told.lock().unwrap().contains(&"process_records")).await;
        let report = fleet.begin_stop("a").await;
        assert_eq!(fleet.count_events("ProcessorOverran"), 1, "{call}");
        assert_eq!(report.shards.into_values().collect::<Vec<_>>(), [ShardOutcome::Forced], "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_returns_in_time_is_left_alone() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let settings = WorkerSettings { call_deadlines: ten_seconds(), ..fleet.settings("a") };
    let oracle = Arc::clone(&fleet.oracle);
    let factory = move |_: &ShardKey| Slow { oracle: Arc::clone(&oracle), batch_time: secs(9) };
    fleet.start_with("a", settings, fleet.ports(), factory);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ProcessorOverran"), 0);
}
