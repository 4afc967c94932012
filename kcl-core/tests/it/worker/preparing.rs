//! Checkpoints in two steps: what the next owner gets, and a sink that has each record once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, PendingCheckpoint, RecordPosition, ShardId, ShardKey};
use kcl_core::processor::{
    CheckpointOutOfRange, Checkpointer, PreparedCheckpoint, ProcessorError, RecordBatch, RecordProcessor,
    ShardStart,
};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::worker::Ports;
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{AsyncScript, Fleet, Scripted, faulty_leases, secs, shard_id};

/// Where a worker hangs until it is crashed or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangs {
    Nowhere,
    BeforePreparing,
    BeforeTheTransaction,
    AfterTheTransaction,
    AfterTheCommit,
}

/// What transactions have put into it. Workers that end here end for good, so that nothing of theirs comes after it was asked for.
#[derive(Debug, Default)]
struct Sink {
    transactions: Mutex<BTreeMap<Bytes, Vec<RecordPosition>>>,
}

impl Sink {
    fn has(&self, transaction: &Bytes) -> bool {
        self.transactions.lock().unwrap().contains_key(transaction)
    }

    /// How many records it has. Fails if it has one twice.
    fn records(&self) -> usize {
        let transactions = self.transactions.lock().unwrap();
        let mut all: Vec<&RecordPosition> = transactions.values().flatten().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "a record is in the sink twice: {transactions:#?}");
        count
    }
}

/// What the documentation of `Checkpointer` shows.
struct ExactlyOnce {
    sink: Arc<Sink>,
    hangs: Hangs,
    open: Option<PendingCheckpoint>,
    done: Option<RecordPosition>,
}

impl ExactlyOnce {
    fn settle(&mut self) {
        if let Some(PendingCheckpoint { checkpoint: Checkpoint::At(position), application_state }) =
            self.open.take()
            && self.sink.has(&application_state)
        {
            self.done = Some(position);
        }
    }

    async fn reach(&self, point: Hangs) {
        if self.hangs == point {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl RecordProcessor for ExactlyOnce {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        self.open.clone_from(&start.pending);
        self.settle();
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.settle();
        if let Some(done) = &self.done {
            checkpointer.checkpoint_at(done).await?;
        }
        let positions = batch.records.iter().map(|record| record.position.clone());
        let new: Vec<_> = positions.filter(|position| Some(position) > self.done.as_ref()).collect();
        let Some(last) = new.last().cloned() else { return Ok(()) };
        self.reach(Hangs::BeforePreparing).await;
        let transaction = Bytes::from(format!("{}/{last}", batch.shard));
        let prepared = checkpointer.prepare(&last, transaction.clone()).await?;
        let checkpoint = Checkpoint::At(last.clone());
        self.open = Some(PendingCheckpoint { checkpoint, application_state: transaction.clone() });
        self.reach(Hangs::BeforeTheTransaction).await;
        self.sink.transactions.lock().unwrap().insert(transaction, new);
        self.reach(Hangs::AfterTheTransaction).await;
        (self.open, self.done) = (None, Some(last));
        prepared.commit().await?;
        self.reach(Hangs::AfterTheCommit).await;
        Ok(())
    }
}

fn start_exactly_once(
    fleet: &mut Fleet,
    name: &str,
    ports: Ports,
    sink: &Arc<Sink>,
    hangs: Hangs,
    checkpointing: Checkpointing,
) {
    let sink = Arc::clone(sink);
    let factory = move |_: &ShardKey| ExactlyOnce { sink: Arc::clone(&sink), hangs, open: None, done: None };
    let settings = WorkerSettings { checkpointing, ..fleet.settings(name) };
    fleet.start_with(name, settings, ports, factory);
}

/// Where workers hang, and how they end; and how the framework commits beside.
fn ends() -> impl Iterator<Item = (Hangs, bool, Checkpointing)> {
    let points = [
        Hangs::BeforePreparing,
        Hangs::BeforeTheTransaction,
        Hangs::AfterTheTransaction,
        Hangs::AfterTheCommit,
    ];
    let modes =
        [Checkpointing::Manual, Checkpointing::AfterEachBatch, Checkpointing::Every(Duration::from_secs(1))];
    points.into_iter().flat_map(move |point| {
        [true, false].into_iter().flat_map(move |crashes| modes.map(|mode| (point, crashes, mode)))
    })
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_transactions_has_each_record_once_wherever_a_worker_ends() {
    for (hangs, crashes, checkpointing) in ends() {
        let mut fleet = Fleet::new(2);
        let (sink, ports) = (Arc::new(Sink::default()), fleet.ports());
        fleet.put(50);
        for name in ["a", "b", "c"] {
            start_exactly_once(&mut fleet, name, ports.clone(), &sink, hangs, checkpointing);
            sleep(secs(15)).await;
            // What the next owner reads at once is not what the last one did.
            fleet.put(7);
            if crashes { fleet.crash(name).await } else { fleet.stop(name).await }
        }
        start_exactly_once(&mut fleet, "d", ports, &sink, Hangs::Nowhere, checkpointing);
        fleet.until("everything is in the sink", || sink.records() == 71).await;
        fleet.until_rows("nothing is pending", |rows| rows.iter().all(|row| row.pending.is_none())).await;
        assert_eq!(sink.records(), 71, "{hangs:?}, crashes: {crashes}, {checkpointing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_transactions_has_each_record_once_whatever_befalls_the_table() {
    for seed in 0..30 {
        let mut fleet = Fleet::new(3);
        let sink = Arc::new(Sink::default());
        let mut rng = fastrand::Rng::with_seed(seed);
        let faults = Mutex::new(rng.fork());
        let ports = faulty_leases(&fleet, move |call| match (call, faults.lock().unwrap().u8(0..6)) {
            (LeaseCall::Update(..), 0) => Fault::LoseAnswer,
            (LeaseCall::Update(..), 1) => Fault::Fail(ErrorKind::Throttled),
            (LeaseCall::Update(..), 2) => Fault::Delay(Duration::from_millis(700)),
            _ => Fault::None,
        });
        for generation in 0..6 {
            let names = [format!("a{generation}"), format!("b{generation}")];
            for name in &names {
                let (ports, checkpointing) = (ports.clone(), Checkpointing::Manual);
                start_exactly_once(&mut fleet, name, ports, &sink, Hangs::Nowhere, checkpointing);
            }
            for _ in 0..rng.usize(50..200) {
                fleet.put(1);
                sleep(Duration::from_millis(rng.u64(1..200))).await;
            }
            for name in &names {
                if rng.bool() { fleet.crash(name).await } else { fleet.stop(name).await }
            }
        }
        let put = fleet.oracle.outstanding();
        start_exactly_once(&mut fleet, "last", ports, &sink, Hangs::Nowhere, Checkpointing::Manual);
        fleet.until("everything is in the sink", || sink.records() == put).await;
    }
}

/// Does with a batch what a closure says, and tells what it was started with.
struct Told<F> {
    starts: Arc<Mutex<Vec<ShardStart>>>,
    process: F,
}

#[async_trait]
impl<F: AsyncScript> RecordProcessor for Told<F> {
    async fn initialize(&mut self, start: &ShardStart) -> Result<(), ProcessorError> {
        self.starts.lock().unwrap().push(start.clone());
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        self.process.run(batch, checkpointer).await
    }
}

/// Prepares the third record of each batch, and commits what it has prepared with the next.
#[derive(Default)]
struct CommitsWithTheNext {
    prepared: Option<PreparedCheckpoint>,
}

#[async_trait]
impl AsyncScript for CommitsWithTheNext {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        if let Some(prepared) = &self.prepared {
            prepared.commit().await?;
        }
        let position = &batch.records[2].position;
        self.prepared = Some(checkpointer.prepare(position, Bytes::from_static(b"state")).await?);
        Ok(())
    }
}

fn start_told(fleet: &mut Fleet, name: &str, checkpointing: Checkpointing) -> Arc<Mutex<Vec<ShardStart>>> {
    let starts: Arc<Mutex<Vec<ShardStart>>> = Arc::default();
    let told = Arc::clone(&starts);
    let factory =
        move |_: &ShardKey| Told { starts: Arc::clone(&told), process: CommitsWithTheNext::default() };
    let settings = WorkerSettings { checkpointing, ..fleet.settings(name) };
    fleet.start_with(name, settings, fleet.ports(), factory);
    starts
}

async fn pending_of(fleet: &Fleet, shard: &ShardId) -> Option<PendingCheckpoint> {
    fleet.row(shard).await.pending
}

#[tokio::test(start_paused = true)]
async fn the_next_owner_gets_what_was_prepared_after_a_crash() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    start_told(&mut fleet, "a", Checkpointing::Manual);
    fleet.until_rows("it is prepared", |rows| !rows.is_empty() && rows[0].pending.is_some()).await;
    let pending = pending_of(&fleet, &shard_id(0)).await.unwrap();
    assert_eq!(pending.application_state, "state");
    // Renewals leave it alone.
    sleep(secs(30)).await;
    fleet.crash("a").await;
    let starts = start_told(&mut fleet, "b", Checkpointing::Manual);
    fleet.until("b has begun", || !starts.lock().unwrap().is_empty()).await;
    let start = starts.lock().unwrap().remove(0);
    assert_eq!((start.checkpoint, start.pending), (Checkpoint::TrimHorizon, Some(pending)));
}

#[tokio::test(start_paused = true)]
async fn the_next_owner_gets_what_was_prepared_after_a_planned_move() {
    let mut fleet = Fleet::new(2);
    fleet.put(40);
    start_told(&mut fleet, "a", Checkpointing::Manual);
    fleet
        .until_rows("it is prepared", |rows| rows.len() == 2 && rows.iter().all(|row| row.pending.is_some()))
        .await;
    let pending = [pending_of(&fleet, &shard_id(0)).await, pending_of(&fleet, &shard_id(1)).await];
    let starts = start_told(&mut fleet, "b", Checkpointing::Manual);
    fleet.until("b is handed one", || !starts.lock().unwrap().is_empty()).await;
    fleet.stop("a").await;
    fleet.until("b has the other", || starts.lock().unwrap().len() == 2).await;
    assert_eq!(fleet.count_events("LeaseHandedOver"), 1);
    for start in starts.lock().unwrap().iter() {
        let before = &pending[usize::from(start.shard.shard_id == shard_id(1))];
        assert!(start.pending.is_some() && start.pending == *before, "{start:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_prepared_in_one_batch_may_be_committed_with_a_later_one() {
    let mut fleet = Fleet::new(1);
    start_told(&mut fleet, "a", Checkpointing::Manual);
    fleet.put(10);
    fleet.until_rows("it is prepared", |rows| !rows.is_empty() && rows[0].pending.is_some()).await;
    let first = pending_of(&fleet, &shard_id(0)).await.unwrap();
    fleet.put(10);
    fleet.until_rows("it is committed", |rows| rows[0].checkpoint == first.checkpoint).await;
    fleet.until_rows("the next is prepared", |rows| rows[0].pending.is_some()).await;
    assert!(pending_of(&fleet, &shard_id(0)).await.unwrap().checkpoint > first.checkpoint);
}

#[tokio::test(start_paused = true)]
async fn a_commit_by_the_framework_removes_what_was_prepared() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    start_told(&mut fleet, "a", Checkpointing::AfterEachBatch);
    fleet.until("the batch is committed", || fleet.count_events("Checkpointed") == 1).await;
    assert_eq!(pending_of(&fleet, &shard_id(0)).await, None);
}

/// Tries what is refused, and what does nothing.
struct Tries {
    answers: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl AsyncScript for Tries {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        let [first, .., last] = &batch.records[..] else { return Err("too few".into()) };
        checkpointer.checkpoint_at(&first.position).await?;
        let nothing = checkpointer.prepare(&first.position, Bytes::from_static(b"late")).await?;
        assert_eq!(nothing.position(), &first.position);
        nothing.commit().await?;

        let beyond = RecordPosition { sub_sequence_number: 1, ..last.position.clone() };
        let error = checkpointer.prepare(&beyond, Bytes::new()).await.unwrap_err();
        let range = CheckpointOutOfRange::of(&error).unwrap();
        assert_eq!(range.highest, Checkpoint::At(last.position.clone()));

        let state = vec![0; Checkpointer::APPLICATION_STATE_BYTES_MAX + 1];
        let too_long = checkpointer.prepare(&last.position, state.into()).await.unwrap_err();
        assert!(CheckpointOutOfRange::of(&too_long).is_none());
        for error in [&error, &too_long] {
            assert_eq!(error.kind(), ErrorKind::Refused);
            self.answers.lock().unwrap().push(error.to_string());
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_prepared_is_refused_and_what_is_committed_is_not_prepared_again() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let answers: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&answers);
    let factory =
        move |_: &ShardKey| Scripted { process: Tries { answers: Arc::clone(&log) }, calls: Arc::default() };
    let prepares = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&prepares);
    let ports = faulty_leases(&fleet, move |call| {
        *counted.lock().unwrap() +=
            u32::from(matches!(call, LeaseCall::Update(_, LeaseChange::Prepare { .. })));
        Fault::None
    });
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, factory);
    fleet.until("the batch is processed", || fleet.count_events("BatchProcessed") == 1).await;
    let answers = answers.lock().unwrap();
    assert!(answers[0].contains("permitted is from"), "{answers:?}");
    assert!(answers[1].contains("16385 bytes; at most 16384"), "{answers:?}");
    assert_eq!(*prepares.lock().unwrap(), 0, "nothing of it was written");
}
