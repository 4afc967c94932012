//! What is given up goes to the on-failure destination, and nothing is dropped where that fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kcl_core::processor::{
    FailedBatch, FailureCondition, FailurePolicy, OnFailureDestination, Sent, WhenExhausted,
};
use kcl_core::stream::Kinesis as _;
use kcl_core::worker::Worker;
use kcl_core::{Error, ErrorKind, Result, WorkerSettings};
use tokio::time::sleep;

use super::fleet::{Fleet, secs};
use super::picky::{Taste, number, picky, two_retries};

/// Keeps what it is sent, and fails, panics, hangs or finds it too large as it is told.
#[derive(Debug, Default)]
struct Shelf {
    fails: AtomicBool,
    panics: AtomicBool,
    hangs: AtomicBool,
    /// The most records that it takes at once; 0 means that there is no limit.
    records_max: AtomicUsize,
    batches: Mutex<Vec<FailedBatch>>,
}

#[derive(Debug)]
struct ToShelf(Arc<Shelf>);

#[async_trait]
impl OnFailureDestination for ToShelf {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let Self(kept) = self;
        if kept.fails.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Transient, "the shelf is shut"));
        }
        assert!(!kept.panics.load(Ordering::Relaxed), "the shelf breaks");
        if kept.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match kept.records_max.load(Ordering::Relaxed) {
            max if max > 0 && batch.records.len() > max => return Ok(Sent::TooLarge { limit_bytes: max }),
            _ => kept.batches.lock().unwrap().push(batch.clone()),
        }
        Ok(Sent::Taken)
    }
}

impl Shelf {
    fn numbers(&self) -> Vec<Vec<usize>> {
        self.batches.lock().unwrap().iter().map(|batch| batch.records.iter().map(number).collect()).collect()
    }
}

fn start(fleet: &mut Fleet, policy: FailurePolicy, taste: &Arc<Taste>, shelf: &Arc<Shelf>) {
    let settings = WorkerSettings { failure_policy: policy, ..fleet.settings("a") };
    let worker = Worker::new(settings, fleet.ports(), picky(fleet, taste, false));
    fleet.start_worker("a", worker.with_on_failure_destination(ToShelf(Arc::clone(shelf))));
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_in_the_destination_with_its_story() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let (taste, shelf) = (Taste::bad([3]), Arc::default());
    let policy =
        FailurePolicy { bisect_batch_on_error: true, ..two_retries(WhenExhausted::SendToDestination) };
    start(&mut fleet, policy, &taste, &shelf);
    fleet.until("all is done", || !shelf.numbers().is_empty() && fleet.oracle.outstanding() == 1).await;
    assert_eq!(shelf.numbers(), [[3]]);
    let batch = shelf.batches.lock().unwrap()[0].clone();
    assert_eq!((batch.condition, batch.attempts), (FailureCondition::RetryAttemptsExhausted, 3));
    assert_eq!(batch.error.as_deref(), Some("one of them is not to my taste"));
    assert!(batch.first_failed_at.unwrap() < batch.given_up_at);
    assert_eq!(batch.worker.as_str(), "a");
    assert_eq!(batch.stream_arn, fleet.kinesis.stream_arn(&fleet.stream));
    assert!(batch.stream_arn.is_some(), "the one in memory knows it");
    assert_eq!(fleet.count_events("RecordsSentToDestination"), 1);
    assert_eq!(fleet.count_events("RecordsSkipped"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_has_its_own_story_and_not_that_of_one_before_it() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let (taste, shelf) = (Taste::bad([3, 7]), Arc::<Shelf>::default());
    let policy =
        FailurePolicy { maximum_retry_attempts: Some(10), ..two_retries(WhenExhausted::SendToDestination) };
    let settings = WorkerSettings { failure_policy: policy, ..fleet.settings("a") };
    let worker = Worker::new(settings, fleet.ports(), picky(&fleet, &taste, true));
    fleet.start_worker("a", worker.with_on_failure_destination(ToShelf(Arc::clone(&shelf))));
    fleet.until("one fails", || fleet.count_events("ProcessorFailed") == 8).await;
    let passed_at = fleet.kinesis.now();
    taste.acquire(3);
    fleet.until("the other is sent", || shelf.numbers() == [[7]]).await;
    let first_failed_at = shelf.batches.lock().unwrap()[0].first_failed_at;
    assert!(first_failed_at > Some(passed_at), "{first_failed_at:?} is before {passed_at}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_fails_blocks_the_shard_and_drops_nothing() {
    let troubles: [fn(&Shelf) -> &AtomicBool; 3] =
        [|shelf| &shelf.fails, |shelf| &shelf.panics, |shelf| &shelf.hangs];
    for trouble in troubles {
        let mut fleet = Fleet::new(1);
        fleet.put(10);
        let (taste, shelf) = (Taste::bad([3]), Arc::<Shelf>::default());
        trouble(&shelf).store(true, Ordering::Relaxed);
        start(&mut fleet, two_retries(WhenExhausted::SendToDestination), &taste, &shelf);
        sleep(secs(900)).await;
        assert_eq!(fleet.count_events("ShardBlocked"), 1);
        assert_eq!(fleet.count_events("reason: Destination"), 1);
        assert!(fleet.count_events("DestinationFailed") > 5);
        assert!(!fleet.rows().await[0].checkpoint.has_begun(), "what is nowhere is not committed");
        trouble(&shelf).store(false, Ordering::Relaxed);
        fleet.until("it is sent", || fleet.count_events("RecordsSentToDestination") == 1).await;
        assert_eq!(shelf.numbers(), [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
        assert_eq!(fleet.count_events("ShardUnblocked"), 1);
        fleet.until_rows("it is committed", |rows| rows[0].checkpoint.has_begun()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_destination_and_the_next_owner_sends_again() {
    let mut fleet = Fleet::new(1);
    fleet.put(2);
    let (taste, shelf) = (Taste::bad([0]), Arc::<Shelf>::default());
    shelf.hangs.store(true, Ordering::Relaxed);
    start(&mut fleet, two_retries(WhenExhausted::SendToDestination), &taste, &shelf);
    fleet.until("it is blocked", || fleet.count_events("ShardBlocked") == 1).await;
    fleet.stop("a").await;
    assert!(!fleet.rows().await[0].checkpoint.has_begun());
    shelf.hangs.store(false, Ordering::Relaxed);
    start(&mut fleet, two_retries(WhenExhausted::SendToDestination), &taste, &shelf);
    fleet.until("it is sent", || shelf.numbers() == [[0, 1]]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_sent_in_parts_and_in_order() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let (taste, shelf) = (Taste::bad([3]), Arc::<Shelf>::default());
    shelf.records_max.store(3, Ordering::Relaxed);
    start(&mut fleet, two_retries(WhenExhausted::SendToDestination), &taste, &shelf);
    fleet.until("all is sent", || fleet.count_events("RecordsSentToDestination") == 1).await;
    assert_eq!(shelf.numbers().concat(), (0..10).collect::<Vec<_>>());
    assert!(shelf.numbers().iter().all(|part| part.len() <= 3));
}
