//! Trouble with the stream: throttling, lost answers, expired iterators, a shard that cannot be read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl_core::model::InitialPosition;
use kcl_core::testing::{Fault, FaultyKinesis, KinesisCall};
use kcl_core::worker::Ports;
use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, shard_id};
use super::random::Random;

fn start_with_faults(fleet: &mut Fleet, decide: impl Fn(KinesisCall<'_>) -> Fault + Send + Sync + 'static) {
    let kinesis = Arc::new(FaultyKinesis::new(fleet.ports().kinesis, decide));
    fleet.start_with("a", fleet.settings("a"), Ports { kinesis, ..fleet.ports() }, fleet.recorder());
}

/// Every kind of passing trouble, at random but from a seed, on every call to the stream.
#[tokio::test(start_paused = true)]
async fn passing_trouble_with_the_stream_costs_no_record_and_no_order() {
    for seed in 0..20 {
        let mut fleet = Fleet::new(2);
        let rng = Mutex::new(Random::new(seed));
        start_with_faults(&mut fleet, move |call| match (rng.lock().unwrap().below(8), call) {
            (0, _) => Fault::Fail(ErrorKind::Throttled),
            (1, _) => Fault::Fail(ErrorKind::Transient),
            (2, _) => Fault::LoseAnswer,
            (3, KinesisCall::GetRecords(_)) => Fault::Fail(ErrorKind::IteratorExpired),
            _ => Fault::None,
        });
        for round in 0..20 {
            fleet.put(50);
            sleep(Duration::from_secs(3)).await;
            if round == 5 {
                fleet.split(&shard_id(0));
            }
        }
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0, "seed {seed}");
        assert_eq!(fleet.count_events("LeaseLost"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_never_answers_is_made_again() {
    let mut fleet = Fleet::new(1);
    let reads = AtomicU64::new(0);
    start_with_faults(&mut fleet, move |call| match call {
        KinesisCall::GetRecords(_) if reads.fetch_add(1, Ordering::Relaxed) == 3 => Fault::Hang,
        _ => Fault::None,
    });
    for _ in 0..10 {
        fleet.put(10);
        sleep(Duration::from_secs(1)).await;
    }
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ReadFailed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_be_read_is_reported_released_and_tried_again() {
    let mut fleet = Fleet::new(2);
    fleet.put(100);
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    start_with_faults(&mut fleet, move |call| match call {
        KinesisCall::GetShardIterator(shard, _)
            if shard.shard_id == shard_id(1) && is_broken.load(Ordering::Relaxed) =>
        {
            Fault::Fail(ErrorKind::Refused)
        }
        _ => Fault::None,
    });
    sleep(Duration::from_secs(60)).await;
    let failures = fleet.count_events("ShardFailed");
    assert!((3..=7).contains(&failures), "{failures} in a minute, where one in ten seconds is due");
    assert!(fleet.row(&shard_id(1)).await.owner.is_none(), "others may try");
    assert!(fleet.row(&shard_id(0)).await.owner.is_some(), "the other shard goes on");
    broken.store(false, Ordering::Relaxed);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

/// By whatever is between the service and us.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_page_is_asked_for_again_and_then_the_shard_is_left_to_another() {
    for (answers, left) in [(1, 0), (2, 0), (3, 1)] {
        let mut fleet = Fleet::new(1);
        fleet.put(100);
        let corrupt = Arc::new(AtomicU64::new(answers));
        start_with_faults(&mut fleet, move |call| match call {
            KinesisCall::GetRecords(_)
                if corrupt
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok() =>
            {
                Fault::Fail(ErrorKind::Corrupt)
            }
            _ => Fault::None,
        });
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0);
        assert_eq!(
            (fleet.count_events("ReadFailed"), fleet.count_events("ShardFailed")),
            (answers.min(2) as usize, left)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_never_read_more_than_five_times_a_second() {
    let mut fleet = Fleet::new(1);
    fleet.put(5_000);
    let reads = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reads);
    let kinesis = FaultyKinesis::new(fleet.ports().kinesis, move |call| {
        count.fetch_add(u64::from(matches!(call, KinesisCall::GetRecords(_))), Ordering::Relaxed);
        Fault::None
    });
    let mut settings =
        WorkerSettings { initial_position: InitialPosition::TrimHorizon, ..fleet.settings("a") };
    settings.polling.records_per_read_max = 100;
    let ports = Ports { kinesis: Arc::new(kinesis), ..fleet.ports() };
    fleet.start_with("a", settings, ports, fleet.recorder());
    let started_at = Instant::now();
    fleet.drain().await;
    let elapsed_ms = u64::try_from(started_at.elapsed().as_millis()).unwrap();
    assert!(reads.load(Ordering::Relaxed) <= elapsed_ms / 200 + 1, "in {elapsed_ms} ms");
    // Behind, it reads at the limit: 50 reads need 9.8 s.
    assert!(elapsed_ms < 11_000, "{elapsed_ms} ms for 50 reads");
}
