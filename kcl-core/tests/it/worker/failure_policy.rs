//! What becomes of records on which a processor fails, as the policy says: blocked, skipped, or the end of the worker.

use std::collections::BTreeSet;

use kcl_core::model::Checkpoint;
use kcl_core::processor::{FailurePolicy, WhenExhausted};
use kcl_core::{Checkpointing, ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, secs};
use super::picky::{Taste, picky, start_picky, two_retries};

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_blocked_says_so_once_and_goes_on_when_it_can() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let taste = Taste::bad([4]);
    start_picky(&mut fleet, "a", FailurePolicy::default(), &taste, false);
    sleep(secs(900)).await;
    assert_eq!(fleet.count_events("ShardBlocked"), 1);
    assert!(fleet.count_events("ProcessorFailed") > 30, "it is tried again all the same");
    assert_eq!(fleet.count_events("ShardUnblocked"), 0);
    taste.mend();
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ShardUnblocked"), 1);
    assert_eq!(fleet.count_events("RecordsSkipped"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_blocked_again_further_on_names_the_record_that_is_in_the_way() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let taste = Taste::bad([4, 7]);
    start_picky(&mut fleet, "a", two_retries(WhenExhausted::Block), &taste, true);
    fleet.until("it is blocked", || fleet.count_events("ShardBlocked") == 1).await;
    taste.acquire(4);
    fleet.until("it is blocked again", || fleet.count_events("ShardBlocked") == 2).await;
    assert_eq!(fleet.count_events("ShardUnblocked"), 1, "it went on in between");
    let events = fleet.events.lock().unwrap().clone();
    let blocked: BTreeSet<String> =
        events.into_iter().map(|(_, event)| event).filter(|event| event.contains("ShardBlocked")).collect();
    assert_eq!(blocked.len(), 2, "two positions: {blocked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_shard_holds_up_no_other() {
    let mut fleet = Fleet::new(2);
    fleet.put(100);
    let taste = Taste::bad([0]);
    start_picky(&mut fleet, "a", two_retries(WhenExhausted::Block), &taste, false);
    fleet.until("it is blocked", || fleet.count_events("ShardBlocked") == 1).await;
    fleet
        .until_rows("the other is processed", |rows| rows.iter().any(|row| row.checkpoint.has_begun()))
        .await;
    assert!(fleet.oracle.outstanding() > 0, "while the first is blocked");
    fleet.stop("a").await;
    assert_eq!(fleet.count_events("ShardUnblocked"), 1, "what is given up is blocked no longer");
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_is_counted_and_nothing_else_is_left_out() {
    let mut fleet = Fleet::new(1);
    fleet.put(20);
    let taste = Taste::bad([7, 8, 19]);
    let policy = FailurePolicy { bisect_batch_on_error: true, ..two_retries(WhenExhausted::Skip) };
    start_picky(&mut fleet, "a", policy, &taste, false);
    fleet.until("all is done", || fleet.count_events("RecordsSkipped") == 3).await;
    assert_eq!(fleet.oracle.outstanding(), 3);
    assert_eq!(fleet.records_processed(), 17);
    assert_eq!(fleet.oracle.verdict().duplicates, 0);
    for number in [7, 8, 19] {
        let alone = taste.calls().iter().filter(|call| **call == [number]).count();
        assert_eq!(alone, 3, "record {number} has a try and two retries");
    }
    fleet.stop("a").await;
    let last = fleet.kinesis.put_record(&fleet.stream, "key", None, "after".into()).unwrap();
    let Checkpoint::At(committed) = fleet.rows().await[0].checkpoint.clone() else { panic!() };
    assert!(committed.sequence_number < last.sequence_number);
    start_picky(&mut fleet, "b", FailurePolicy::default(), &Taste::bad([]), false);
    sleep(secs(10)).await;
    assert_eq!(fleet.oracle.outstanding(), 3, "what was skipped is committed as such");
}

#[tokio::test(start_paused = true)]
async fn without_cuts_all_of_the_batch_is_skipped() {
    let mut fleet = Fleet::new(1);
    fleet.put(20);
    let taste = Taste::bad([7]);
    start_picky(&mut fleet, "a", two_retries(WhenExhausted::Skip), &taste, false);
    fleet.until("all is done", || fleet.count_events("RecordsSkipped") == 1).await;
    assert_eq!(fleet.count_events("count: 20, condition: RetryAttemptsExhausted"), 1);
    assert_eq!(taste.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_before_the_record_that_failed_is_committed_at_once() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let taste = Taste::bad([6]);
    start_picky(&mut fleet, "a", FailurePolicy::default(), &taste, true);
    fleet.until_rows("some are committed", |rows| rows.iter().any(|row| row.checkpoint.has_begun())).await;
    fleet.crash("a").await;
    taste.mend();
    start_picky(&mut fleet, "b", FailurePolicy::default(), &taste, true);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0, "nothing that was taken is repeated");
    assert_eq!(taste.calls().last().unwrap(), &[6, 7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn what_is_before_a_record_that_blocks_is_committed_at_the_interval_all_the_same() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let taste = Taste::bad([6]);
    let checkpointing = Checkpointing::Every(secs(60));
    let settings = WorkerSettings { checkpointing, ..fleet.settings("a") };
    let factory = picky(&fleet, &taste, true);
    fleet.start_with("a", settings, fleet.ports(), factory);
    fleet.until("six are taken", || fleet.oracle.outstanding() == 4).await;
    sleep(secs(50)).await;
    assert!(!fleet.rows().await[0].checkpoint.has_begun());
    sleep(secs(12)).await;
    assert!(fleet.rows().await[0].checkpoint.has_begun());
    assert_eq!(fleet.count_events(": Checkpointed"), 1);
    assert_eq!(fleet.oracle.outstanding(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_named_is_skipped_alone() {
    let mut fleet = Fleet::new(1);
    fleet.put(10);
    let taste = Taste::bad([6]);
    start_picky(&mut fleet, "a", two_retries(WhenExhausted::Skip), &taste, true);
    fleet.until("all but it are taken", || fleet.oracle.outstanding() == 1).await;
    let tries = [vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9], vec![6, 7, 8, 9], vec![6, 7, 8, 9], vec![7, 8, 9]];
    assert_eq!(taste.calls(), tries);
    assert_eq!(fleet.count_events("count: 1, condition: RetryAttemptsExhausted"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_ages_while_it_is_retried_goes_the_same_way() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    let put_at = Instant::now();
    let taste = Taste::bad([0]);
    let policy = FailurePolicy {
        maximum_retry_attempts: None,
        maximum_record_age: Some(secs(240)),
        when_exhausted: WhenExhausted::Skip,
        ..FailurePolicy::default()
    };
    start_picky(&mut fleet, "a", policy, &taste, false);
    fleet.until("it is too old", || fleet.count_events("RecordAgeExceeded") == 1).await;
    assert!((secs(240)..secs(272)).contains(&put_at.elapsed()), "{:?}", put_at.elapsed());
    assert!(taste.calls().len() > 10);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_old_when_its_turn_comes_is_not_tried() {
    let mut fleet = Fleet::new(1);
    fleet.put(3);
    sleep(secs(61)).await;
    fleet.put(3);
    let taste = Taste::bad([]);
    let policy = FailurePolicy {
        maximum_record_age: Some(secs(60)),
        when_exhausted: WhenExhausted::Skip,
        ..FailurePolicy::default()
    };
    start_picky(&mut fleet, "a", policy, &taste, false);
    fleet.until("the others are taken", || fleet.oracle.outstanding() == 3).await;
    assert_eq!(taste.calls(), [[3, 4, 5]]);
    assert_eq!(fleet.count_events("count: 3, condition: RecordAgeExceeded, error: None"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_blocks_delivers_old_records() {
    let mut fleet = Fleet::new(1);
    fleet.put(3);
    sleep(secs(61)).await;
    let policy = FailurePolicy { maximum_record_age: Some(secs(60)), ..FailurePolicy::default() };
    start_picky(&mut fleet, "a", policy, &Taste::bad([]), false);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ShardBlocked"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_to_stop_names_the_record_and_gives_everything_back() {
    let mut fleet = Fleet::new(2);
    fleet.put(20);
    let taste = Taste::bad([5]);
    start_picky(&mut fleet, "a", two_retries(WhenExhausted::StopWorker), &taste, true);
    let error = fleet.outcome("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    for part in ["shardId-", "RetryAttemptsExhausted", "not to my taste"] {
        assert!(error.to_string().contains(part), "no '{part}' in: {error}");
    }
    assert!(fleet.rows().await.iter().all(|row| row.owner.is_none()), "every lease is given back");
    taste.mend();
    let restarted_at = Instant::now();
    start_picky(&mut fleet, "b", FailurePolicy::default(), &taste, true);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0, "what was taken before is committed");
    assert!(restarted_at.elapsed() < secs(5), "nothing waits for a lease to expire");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_record_that_fails() {
    let mut fleet = Fleet::new(1);
    fleet.put(1);
    start_picky(&mut fleet, "a", FailurePolicy::default(), &Taste::bad([0]), false);
    sleep(secs(100)).await;
    let asked_at = Instant::now();
    fleet.stop("a").await;
    assert!(asked_at.elapsed() < secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_half_a_destination_does_not_start() {
    let mut fleet = Fleet::new(1);
    let policy = two_retries(WhenExhausted::SendToDestination);
    let settings = WorkerSettings { failure_policy: policy, ..fleet.settings("a") };
    let factory = picky(&fleet, &Taste::bad([]), false);
    fleet.start_with("a", settings, fleet.ports(), factory);
    let error = fleet.outcome("a").await.unwrap_err();
    assert!(error.to_string().contains("has no destination"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn cuts_are_made_soon_and_tries_patiently() {
    let mut fleet = Fleet::new(1);
    fleet.put(1_000);
    let taste = Taste::bad([700]);
    let policy = FailurePolicy { bisect_batch_on_error: true, ..FailurePolicy::default() };
    let started_at = Instant::now();
    start_picky(&mut fleet, "a", policy, &taste, false);
    fleet.until("the record is alone", || taste.calls().contains(&vec![700])).await;
    assert!(started_at.elapsed() < secs(8), "{:?}", started_at.elapsed());
    fleet.until("it is blocked", || fleet.count_events("ShardBlocked") == 1).await;
    let blocked_after = started_at.elapsed();
    assert!(blocked_after > secs(60), "{blocked_after:?}");
    let failures = fleet.count_events("ProcessorFailed");
    sleep(secs(600)).await;
    let later = fleet.count_events("ProcessorFailed") - failures;
    assert!((20..=41).contains(&later), "{later} tries in ten minutes");
    taste.mend();
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}
