//! A processor that fails, panics or hangs: nothing is skipped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::{LeaseChange, LeaseStore};
use kcl_core::model::{Record, ShardKey};
use kcl_core::processor::{
    Checkpointer, FailurePolicy, ProcessorError, RecordBatch, StartOver, WhenExhausted, for_each_record,
};
use kcl_core::testing::DeliveryOracle;
use kcl_core::{Checkpointing, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::aggregates::put_aggregate;
use super::fleet::{AsyncScript, Fleet, Scripted, shard_id};

/// Fails some calls by an error and some by a panic, and then takes the batch.
struct FailsAtFirst {
    oracle: Arc<DeliveryOracle>,
    calls: usize,
    seen: Arc<Mutex<Vec<Vec<Record>>>>,
}

#[async_trait]
impl AsyncScript for FailsAtFirst {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        self.calls += 1;
        self.seen.lock().unwrap().push(batch.records.clone());
        match self.calls % 3 {
            1 => return Err("not yet".into()),
            2 => panic!("not yet either"),
            _ => {}
        }
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_or_panics_is_delivered_again_and_nothing_is_skipped() {
    let mut fleet = Fleet::new(1);
    fleet.put(50);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (oracle, batches) = (Arc::clone(&fleet.oracle), Arc::clone(&seen));
    let factory = move |_: &ShardKey| Scripted {
        process: FailsAtFirst { oracle: Arc::clone(&oracle), calls: 0, seen: Arc::clone(&batches) },
        calls: Arc::default(),
    };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    fleet.drain().await;
    fleet.put(50);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ProcessorFailed"), 4);
    for attempts in seen.lock().unwrap().chunks(3) {
        assert!(attempts.iter().all(|records| *records == attempts[0]), "the same batch each time");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_committed_while_the_processor_fails() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let factory = for_each_record(|_: Record| async { Err("never".into()) });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(Duration::from_secs(120)).await;
    assert!(!fleet.rows().await[0].checkpoint.has_begun());
    assert_eq!(fleet.count_events("LeaseLost"), 0, "a failing processor keeps its lease");
    assert!(fleet.count_events("ProcessorFailed") > 3, "and its failures can be read");
}

#[tokio::test(start_paused = true)]
async fn the_closure_form_goes_on_at_the_record_that_failed() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    let factory = for_each_record(move |record: Record| {
        let log = Arc::clone(&log);
        async move {
            let mut log = log.lock().unwrap();
            log.push(record.data.clone());
            if log.len() == 4 { Err("the fourth call fails".into()) } else { Ok(()) }
        }
    });
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    fleet.until("all are handled", || calls.lock().unwrap().len() == 11).await;
    let calls = calls.lock().unwrap();
    assert_eq!(calls[3], calls[4]);
    let numbers: Vec<_> = calls.iter().collect();
    let expected: Vec<_> = [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9].map(|n| format!("record {n}")).to_vec();
    assert_eq!(numbers, expected.iter().map(String::as_bytes).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_repeats_nothing_that_the_closure_form_has_finished_with() {
    for checkpointing in [Checkpointing::Every(Duration::from_secs(3_600)), Checkpointing::Manual] {
        let mut fleet = Fleet::new(1);
        fleet.put(10);
        let factory = for_each_record(|record: Record| async move {
            if &*record.data == b"record 4" { Err("not this one".into()) } else { Ok(()) }
        });
        let settings = WorkerSettings { checkpointing, ..fleet.settings("a") };
        fleet.start_with("a", settings, fleet.ports(), factory);
        fleet.until("it fails", || fleet.count_events("ProcessorFailed") > 1).await;
        fleet.stop("a").await;
        fleet.start("b");
        fleet.until("the others are delivered", || fleet.oracle.outstanding() == 4).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(fleet.oracle.outstanding(), 4);
    }
}

/// Never returns from its first batch.
struct Hangs;

#[async_trait]
impl AsyncScript for Hangs {
    async fn run(&mut self, _: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_processor_keeps_its_lease() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    let factory = |_: &ShardKey| Scripted { process: Hangs, calls: Arc::default() };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    fleet.start("b");
    sleep(Duration::from_secs(300)).await;
    assert_eq!(fleet.count_events("LeaseLost"), 0);
    assert_eq!(fleet.shares().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn losing_the_lease_does_not_wait_for_the_processor() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    let factory = move |_: &ShardKey| Scripted { process: Hangs, calls: Arc::clone(&log) };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    sleep(Duration::from_secs(5)).await;
    let row = fleet.rows().await.remove(0);
    let by = kcl_core::model::WorkerId::new("thief").unwrap();
    fleet.leases.update(&row, &LeaseChange::Take { by }).await.unwrap();
    let stolen_at = Instant::now();
    fleet.until("lease_lost is called", || calls.lock().unwrap().contains(&"lease_lost".to_owned())).await;
    assert!(stolen_at.elapsed() < fleet.settings("a").failover_time);
}

/// Has the lease taken from its owner in its first batch, and never gives way to another task.
struct Robbed {
    leases: Arc<dyn LeaseStore>,
    batches: Arc<AtomicUsize>,
}

#[async_trait]
impl AsyncScript for Robbed {
    async fn run(&mut self, batch: &RecordBatch, _: &Checkpointer) -> Result<(), ProcessorError> {
        if self.batches.fetch_add(1, Ordering::Relaxed) == 0 {
            let row = self.leases.get(&batch.shard).await?.ok_or("no row")?;
            let by = kcl_core::model::WorkerId::new("thief")?;
            let _taken = self.leases.update(&row, &LeaseChange::Take { by }).await?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn neither_the_rest_of_a_page_nor_the_end_is_delivered_once_the_lease_is_known_to_be_lost() {
    for user_records in [1, 25_000] {
        let mut fleet = Fleet::new(1);
        put_aggregate(&fleet, &vec!["key"; user_records], b"");
        fleet.split(&shard_id(0));
        let (batches, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (leases, count, log) = (Arc::clone(&fleet.leases), Arc::clone(&batches), Arc::clone(&calls));
        let factory = move |_: &ShardKey| Scripted {
            process: Robbed { leases: Arc::clone(&leases), batches: Arc::clone(&count) },
            calls: Arc::clone(&log),
        };
        fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
        fleet.until("it knows", || calls.lock().unwrap().contains(&"lease_lost".to_owned())).await;
        assert_eq!(batches.load(Ordering::Relaxed), 1);
        assert_eq!(*calls.lock().unwrap(), ["initialize TRIM_HORIZON", "lease_lost"]);
    }
}

/// Holds everything back; the first of its kind loses it with its third batch.
struct Forgetful {
    oracle: Arc<DeliveryOracle>,
    is_first: bool,
    batches: usize,
}

#[async_trait]
impl AsyncScript for Forgetful {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        self.batches += 1;
        for record in &batch.records {
            self.oracle.deliver(&batch.shard, record);
        }
        match self.batches {
            1 if self.is_first => Ok(checkpointer.checkpoint().await?),
            3 if self.is_first => Err(StartOver::new("it is all gone").into()),
            _ if self.is_first => Ok(()),
            _ => Ok(checkpointer.checkpoint().await?),
        }
    }
}

/// Whatever the policy says: no record is to blame.
#[tokio::test(start_paused = true)]
async fn a_processor_that_cannot_go_on_is_followed_by_one_that_begins_at_the_checkpoint() {
    let mut fleet = Fleet::new(1);
    let (oracle, made) = (Arc::clone(&fleet.oracle), Arc::new(AtomicUsize::new(0)));
    let (count, calls) = (Arc::clone(&made), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&calls);
    let factory = move |_: &ShardKey| Scripted {
        process: Forgetful {
            oracle: Arc::clone(&oracle),
            is_first: count.fetch_add(1, Ordering::Relaxed) == 0,
            batches: 0,
        },
        calls: Arc::clone(&log),
    };
    let policy = FailurePolicy {
        maximum_retry_attempts: Some(0),
        when_exhausted: WhenExhausted::Skip,
        ..FailurePolicy::default()
    };
    let settings = WorkerSettings {
        checkpointing: Checkpointing::Manual,
        failure_policy: policy,
        ..fleet.settings("a")
    };
    fleet.start_with("a", settings, fleet.ports(), factory);
    let mut last = None;
    for _ in 1..=3 {
        last = Some(fleet.put_one());
        fleet.drain().await;
    }
    fleet.until_rows("all is committed", |rows| last.as_ref() == Some(&rows[0].checkpoint)).await;
    assert_eq!(fleet.assert_good(), 2, "what was taken since the checkpoint comes again");
    assert_eq!(made.load(Ordering::Relaxed), 2);
    assert!(!calls.lock().unwrap().contains(&"shutdown_requested".to_owned()), "it would have committed");
    assert_eq!((fleet.count_events("ShardFailed"), fleet.count_events("RecordsSkipped")), (1, 0));
    assert_eq!(
        fleet.count_events("it is all gone"),
        2,
        "in the failure of the call and in that of the shard"
    );
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_panics_fails_its_shard_and_not_the_worker() {
    let mut fleet = Fleet::new(2);
    fleet.put(100);
    let (recorder, panics) = (fleet.recorder(), AtomicUsize::new(0));
    let factory = PanicsOnce { recorder, panics };
    fleet.start_with("a", fleet.settings("a"), fleet.ports(), factory);
    fleet.drain().await;
    assert_eq!(fleet.count_events("ShardFailed"), 1);
    fleet.assert_good();
}

struct PanicsOnce<P> {
    recorder: P,
    panics: AtomicUsize,
}

impl<P: kcl_core::processor::ProcessorFactory> kcl_core::processor::ProcessorFactory for PanicsOnce<P> {
    fn create(&self, start: &kcl_core::processor::ShardStart) -> kcl_core::processor::Processor {
        assert!(self.panics.fetch_add(1, Ordering::Relaxed) > 0, "the first processor cannot be made");
        self.recorder.create(start)
    }
}
