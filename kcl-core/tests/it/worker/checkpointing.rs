//! What may be committed, and when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{Checkpoint, Record, RecordPosition, ShardKey};
use kcl_core::processor::{CheckpointOutOfRange, Checkpointer, ProcessorError, RecordBatch, for_each_record};
use kcl_core::testing::{Fault, LeaseCall};
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{AsyncScript, Fleet, Scripted, faulty_leases};

/// Commits up to its fifth record, then tries what is not permitted.
struct CommitsTheFifth {
    refusals: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl AsyncScript for CommitsTheFifth {
    async fn run(&mut self, batch: &RecordBatch, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        checkpointer.checkpoint_at(&batch.records[4].position).await?;
        let beyond = RecordPosition { sub_sequence_number: 1, ..batch.records[9].position.clone() };
        // At or below what is committed there is nothing to do: the row does not move back.
        checkpointer.checkpoint_at(&batch.records[3].position).await?;
        let error = checkpointer.checkpoint_at(&beyond).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let range = CheckpointOutOfRange::of(&error).unwrap();
        assert_eq!(range.position, beyond);
        assert_eq!(range.lowest, Checkpoint::At(batch.records[4].position.clone()));
        assert_eq!(range.highest, Checkpoint::At(batch.records[9].position.clone()));
        self.refusals.lock().unwrap().push(error.to_string());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn manual_commits_exactly_what_the_processor_says_and_never_moves_back() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&refusals);
    let factory = move |_: &ShardKey| Scripted {
        process: CommitsTheFifth { refusals: Arc::clone(&log) },
        calls: Arc::default(),
    };
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), factory);
    fleet.until("one is refused", || refusals.lock().unwrap().len() == 1).await;
    sleep(Duration::from_secs(5)).await;
    fleet.crash("a").await;
    sleep(Duration::from_secs(30)).await;
    // The crash left the row as the processor committed it, so five records are delivered to the next owner.
    fleet.start("b");
    fleet.until("the rest is delivered", || fleet.oracle.outstanding() == 5).await;
    let Checkpoint::At(committed) = fleet.rows().await[0].checkpoint.clone() else {
        panic!("nothing committed")
    };
    for refusal in refusals.lock().unwrap().iter() {
        assert!(refusal.contains("the last position delivered"), "{refusal}");
    }
    assert_eq!(committed.sub_sequence_number, 0);
}

#[tokio::test(start_paused = true)]
async fn after_each_batch_commits_what_was_delivered_and_no_more() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    fleet.start("a");
    fleet.drain().await;
    sleep(Duration::from_secs(1)).await;
    fleet.crash("a").await;
    fleet.put(10);
    fleet.start("b");
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0, "all of the first ten were committed");
}

#[tokio::test(start_paused = true)]
async fn by_hand_is_after_each_batch_for_a_handler_of_records() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let handler = for_each_record(|record: Record| async move {
        if &*record.data == b"record 4" { Err("not this one".into()) } else { Ok(()) }
    });
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, fleet.ports(), handler);
    fleet.until("it fails", || fleet.count_events("ProcessorFailed") > 1).await;
    assert!(
        fleet.rows().await[0].checkpoint.has_begun(),
        "what is before the record that fails is committed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_a_handler_of_records_that_failed_is_made_again() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let has_failed = AtomicBool::new(false);
    let ports = faulty_leases(&fleet, move |call| match call {
        LeaseCall::Update(_, LeaseChange::Checkpoint { .. }) if !has_failed.swap(true, Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Throttled)
        }
        _ => Fault::None,
    });
    let handler = for_each_record(|_: Record| async { Ok(()) });
    let settings = WorkerSettings { checkpointing: Checkpointing::Manual, ..fleet.settings("a") };
    fleet.start_with("a", settings, ports, handler);
    fleet.until("a commit fails", || fleet.count_events("CheckpointFailed") == 1).await;
    sleep(Duration::from_secs(5)).await;
    assert!(fleet.rows().await[0].checkpoint.has_begun(), "with no batch after it");
}
