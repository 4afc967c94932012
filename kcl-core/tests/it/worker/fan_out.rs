//! Reading by enhanced fan-out: one consumer, seamless renewal, moves of shards, and a service that fails.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kcl_core::model::{ConsumerArn, InitialPosition};
use kcl_core::stream::{ConsumerRef, FanOutConsumer, FanOutSettings, IteratorPosition, Kinesis, Retrieval};
use kcl_core::testing::{Fault, KinesisCall};

use kcl_core::{ErrorKind, WorkerSettings};
use tokio::time::{Instant, sleep};

use super::fleet::{Fleet, faulty_kinesis, secs, shard_id};
use super::random::Random;

pub(super) fn by_name() -> FanOutSettings {
    FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()))
}

pub(super) fn settings(fleet: &Fleet, name: &str, fan_out: FanOutSettings) -> WorkerSettings {
    WorkerSettings { retrieval: Retrieval::FanOut(fan_out), ..fleet.settings(name) }
}

fn start(fleet: &mut Fleet, name: &str) {
    let settings = settings(fleet, name, by_name());
    fleet.start_with(name, settings, fleet.ports(), fleet.recorder());
}

fn start_with_faults(fleet: &mut Fleet, decide: impl Fn(KinesisCall<'_>) -> Fault + Send + Sync + 'static) {
    let ports = faulty_kinesis(fleet, decide);
    fleet.start_with("a", settings(fleet, "a", by_name()), ports, fleet.recorder());
}

async fn billing(fleet: &Fleet) -> kcl_core::Result<ConsumerArn> {
    let stream = fleet.kinesis.describe_stream(&fleet.stream).await?.arn;
    let consumer = ConsumerRef::Name { stream, name: "billing".to_owned() };
    Ok(fleet.kinesis.describe_consumer(&consumer).await?.arn)
}

#[tokio::test(start_paused = true)]
async fn a_fleet_registers_one_consumer_and_reads_through_resharding() {
    let mut fleet = Fleet::new(3);
    for name in ["a", "b", "c"] {
        start(&mut fleet, name);
    }
    for round in 0..30 {
        fleet.put(50);
        sleep(secs(2)).await;
        if round == 10 {
            fleet.split(&shard_id(0));
        }
        if round == 20 {
            fleet.kinesis.merge_shards(&fleet.stream, &shard_id(1), &shard_id(2)).unwrap();
        }
    }
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ConsumerRegistered"), 1);
    assert_eq!(fleet.count_events("ShardEnded"), 3);
    assert_eq!(fleet.count_events("ReadFailed"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_uses_the_consumer_that_is_there_and_goes_on_after_the_checkpoint() {
    let mut fleet = Fleet::new(2);
    for _ in 0..3 {
        fleet.put(20);
        start(&mut fleet, "a");
        fleet.drain().await;
        sleep(secs(10)).await;
        fleet.stop("a").await;
    }
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ConsumerRegistered"), 1);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_are_renewed_every_five_minutes_and_nobody_notices() {
    let mut fleet = Fleet::new(1);
    let subscribed = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&subscribed);
    start_with_faults(&mut fleet, move |call| {
        if let KinesisCall::SubscribeToShard(..) = call {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Fault::None
    });
    sleep(secs(5)).await;
    for _ in 0..1_200 {
        let put_at = Instant::now();
        fleet.put(1);
        fleet.drain().await;
        assert!(put_at.elapsed() < secs(1), "a gap of {:?}", put_at.elapsed());
        sleep(secs(1)).await;
    }
    assert_eq!(fleet.assert_good(), 0);
    assert_eq!(fleet.count_events("ReadFailed"), 0);
    let subscribed = subscribed.load(Ordering::Relaxed);
    assert!((4..=6).contains(&subscribed), "{subscribed} subscriptions in twenty minutes");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_moves_waits_for_the_last_owners_subscription_without_an_alarm() {
    let mut fleet = Fleet::new(1);
    start(&mut fleet, "a");
    fleet.put(10);
    fleet.drain().await;
    fleet.stop("a").await;
    let stopped_at = Instant::now();
    fleet.put(10);
    start(&mut fleet, "b");
    fleet.drain().await;
    assert!(fleet.count_events("SubscriptionInUse") >= 1, "the first subscription was seconds old");
    assert!(stopped_at.elapsed() < secs(9), "the shard was not read for {:?}", stopped_at.elapsed());
    assert_eq!(fleet.count_events("ReadFailed"), 0);
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_subscription_is_replaced() {
    let mut fleet = Fleet::new(1);
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&is_silent);
    start_with_faults(&mut fleet, move |call| match call {
        KinesisCall::NextEvent(_) if silent.load(Ordering::Relaxed) => Fault::Hang,
        _ => Fault::None,
    });
    fleet.put(10);
    fleet.drain().await;
    is_silent.store(true, Ordering::Relaxed);
    sleep(secs(10)).await;
    fleet.put(10);
    sleep(secs(25)).await;
    is_silent.store(false, Ordering::Relaxed);
    fleet.drain().await;
    assert_eq!(fleet.count_events("ReadFailed"), 1);
    assert_eq!(fleet.assert_good(), 0);
}

/// Every kind of trouble, at random but from a seed, on every call and on every event.
#[tokio::test(start_paused = true)]
async fn trouble_with_subscriptions_costs_no_record_and_no_order() {
    for seed in 0..20 {
        let mut fleet = Fleet::new(2);
        let rng = Mutex::new(Random::new(seed));
        start_with_faults(&mut fleet, move |call| match (rng.lock().unwrap().below(24), call) {
            (0, _) => Fault::Fail(ErrorKind::Throttled),
            (1, _) => Fault::Fail(ErrorKind::Transient),
            (2, _) => Fault::LoseAnswer,
            (3, KinesisCall::NextEvent(_)) => Fault::Fail(ErrorKind::InUse),
            (4, KinesisCall::NextEvent(_)) | (5, KinesisCall::SubscribeToShard(..)) => Fault::Hang,
            _ => Fault::None,
        });
        for round in 0..20 {
            fleet.put(50);
            sleep(secs(3)).await;
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
async fn a_service_that_refuses_all_subscriptions_for_a_while_sees_no_storm() {
    for kind in [ErrorKind::Transient, ErrorKind::Throttled, ErrorKind::InUse] {
        let mut fleet = Fleet::new(4);
        let (attempts, is_out) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
        let (count, out) = (Arc::clone(&attempts), Arc::clone(&is_out));
        start_with_faults(&mut fleet, move |call| match call {
            KinesisCall::SubscribeToShard(..) if out.load(Ordering::Relaxed) => {
                count.fetch_add(1, Ordering::Relaxed);
                Fault::Fail(kind)
            }
            _ => Fault::None,
        });
        fleet.put(100);
        sleep(secs(600)).await;
        let attempts = attempts.load(Ordering::Relaxed);
        assert!((4 * 30..4 * 250).contains(&attempts), "{attempts} for four shards in ten minutes: {kind:?}");
        is_out.store(false, Ordering::Relaxed);
        fleet.drain().await;
        assert_eq!(fleet.assert_good(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_each_subscription_at_once_sees_no_storm() {
    let mut fleet = Fleet::new(1);
    let attempts = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&attempts);
    start_with_faults(&mut fleet, move |call| match call {
        KinesisCall::SubscribeToShard(..) => {
            count.fetch_add(1, Ordering::Relaxed);
            Fault::None
        }
        KinesisCall::NextEvent(_) => Fault::Fail(ErrorKind::Transient),
        _ => Fault::None,
    });
    sleep(secs(600)).await;
    let attempts = attempts.load(Ordering::Relaxed);
    assert!((20..=150).contains(&attempts), "{attempts} subscriptions in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_polled_while_it_cannot_be_subscribed_to_and_then_subscribed_to_again() {
    for kind in [ErrorKind::Transient, ErrorKind::Refused] {
        let mut fleet = Fleet::new(2);
        let is_out = Arc::new(AtomicBool::new(false));
        let out = Arc::clone(&is_out);
        let ports = faulty_kinesis(&fleet, move |call| match call {
            KinesisCall::SubscribeToShard(..) | KinesisCall::NextEvent(_) if out.load(Ordering::Relaxed) => {
                Fault::Fail(kind)
            }
            _ => Fault::None,
        });
        let fan_out = FanOutSettings { fall_back_to_polling_after: Some(secs(10)), ..by_name() };
        fleet.start_with("a", settings(&fleet, "a", fan_out), ports, fleet.recorder());
        let put_and_wait = async |fleet: &mut Fleet, rounds| {
            for _ in 0..rounds {
                fleet.put(20);
                sleep(secs(2)).await;
            }
        };
        put_and_wait(&mut fleet, 10).await;
        is_out.store(true, Ordering::Relaxed);
        put_and_wait(&mut fleet, 40).await;
        fleet.drain().await;
        assert_eq!(fleet.count_events("FellBackToPolling"), 2, "{kind:?}");
        is_out.store(false, Ordering::Relaxed);
        put_and_wait(&mut fleet, 200).await;
        fleet.drain().await;
        assert_eq!(fleet.count_events("ReturnedToFanOut"), 2, "{kind:?}");
        assert_eq!(fleet.assert_good(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_somebody_deregisters_is_registered_again() {
    let mut fleet = Fleet::new(2);
    start(&mut fleet, "a");
    fleet.put(20);
    fleet.drain().await;
    let first = billing(&fleet).await.unwrap();
    fleet.kinesis.deregister_consumer(&first).await.unwrap();
    fleet.put(20);
    fleet.drain().await;
    assert_ne!(billing(&fleet).await.unwrap(), first);
    assert_eq!(fleet.count_events("ConsumerRegistered"), 2);
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_taken_back_at_the_stop_if_the_settings_say_so() {
    let mut fleet = Fleet::new(1);
    let fan_out = FanOutSettings { deregister_at_stop: true, ..by_name() };
    fleet.start_with("a", settings(&fleet, "a", fan_out), fleet.ports(), fleet.recorder());
    fleet.put(10);
    fleet.drain().await;
    assert!(billing(&fleet).await.is_ok());
    fleet.stop("a").await;
    // Deleting takes the service a moment.
    sleep(secs(60)).await;
    assert_eq!(billing(&fleet).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fleet.count_events("ConsumerDeregistered"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_given_by_its_arn_is_used_and_never_made() {
    let mut fleet = Fleet::new(1);
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/billing:1700000000";
    let stranger = FanOutSettings::new(FanOutConsumer::Arn(arn.parse().unwrap()));
    fleet.start_with("a", settings(&fleet, "a", stranger), fleet.ports(), fleet.recorder());
    assert_eq!(fleet.outcome("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    let stream = fleet.kinesis.describe_stream(&fleet.stream).await.unwrap().arn;
    let registered = fleet.kinesis.register_consumer(&stream, "by-hand").await.unwrap().arn;
    let by_hand = FanOutSettings {
        deregister_at_stop: true,
        ..FanOutSettings::new(FanOutConsumer::Arn(registered.clone()))
    };
    fleet.put(10);
    fleet.start_with("b", settings(&fleet, "b", by_hand), fleet.ports(), fleet.recorder());
    fleet.drain().await;
    fleet.stop("b").await;
    assert!(fleet.kinesis.describe_consumer(&ConsumerRef::Arn(registered)).await.is_ok());
    assert_eq!(fleet.count_events("ConsumerRegistered"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_register_its_consumer_ends_and_says_so() {
    let mut fleet = Fleet::new(1);
    start_with_faults(&mut fleet, |call| match call {
        KinesisCall::RegisterConsumer(_) => Fault::Fail(ErrorKind::Refused),
        _ => Fault::None,
    });
    assert_eq!(fleet.outcome("a").await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn trouble_with_registering_passes() {
    let mut fleet = Fleet::new(2);
    let calls = AtomicU64::new(0);
    start_with_faults(&mut fleet, move |call| match call {
        KinesisCall::DescribeStream(_)
        | KinesisCall::RegisterConsumer(_)
        | KinesisCall::DescribeConsumer(_) => match calls.fetch_add(1, Ordering::Relaxed) {
            count if count >= 12 => Fault::None,
            count if count.is_multiple_of(2) => Fault::LoseAnswer,
            _ => Fault::Fail(ErrorKind::Throttled),
        },
        _ => Fault::None,
    });
    fleet.put(20);
    fleet.drain().await;
    assert_eq!(fleet.assert_good(), 0);
}

#[tokio::test(start_paused = true)]
async fn latest_skips_nothing_when_the_first_subscriptions_fail() {
    let mut fleet = Fleet::new(1);
    let is_out = Arc::new(AtomicBool::new(true));
    let out = Arc::clone(&is_out);
    let ports = faulty_kinesis(&fleet, move |call| match call {
        KinesisCall::SubscribeToShard(..) if out.load(Ordering::Relaxed) => Fault::Fail(ErrorKind::Transient),
        _ => Fault::None,
    });
    let settings =
        WorkerSettings { initial_position: InitialPosition::Latest, ..settings(&fleet, "a", by_name()) };
    fleet.start_with("a", settings, ports, fleet.recorder());
    fleet.until("the first attempt", || fleet.count_events("ReadFailed") >= 1).await;
    fleet.put(10);
    sleep(secs(60)).await;
    is_out.store(false, Ordering::Relaxed);
    fleet.drain().await;
}

/// An emulator cuts subscriptions at the end of a shard without saying that it has ended.
#[tokio::test(start_paused = true)]
async fn a_shard_whose_end_is_not_told_is_finished_all_the_same() {
    let mut fleet = Fleet::new(1);
    let has_ended = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&has_ended);
    start_with_faults(&mut fleet, move |call| match call {
        KinesisCall::NextEvent(shard) if shard.shard_id == shard_id(0) && ended.load(Ordering::Relaxed) => {
            Fault::Fail(ErrorKind::Transient)
        }
        _ => Fault::None,
    });
    fleet.put(10);
    fleet.drain().await;
    has_ended.store(true, Ordering::Relaxed);
    fleet.put(3);
    fleet.split(&shard_id(0));
    fleet.put(10);
    fleet.drain().await;
    assert_eq!(fleet.count_events("ShardEnded"), 1);
    assert_eq!(fleet.assert_good(), 0);
}

/// Emulators answer so to a place in a quiet shard that they named themselves.
#[tokio::test(start_paused = true)]
async fn a_place_that_the_service_does_not_know_again_costs_nothing() {
    let mut fleet = Fleet::new(1);
    start_with_faults(&mut fleet, |call| match call {
        KinesisCall::SubscribeToShard(_, IteratorPosition::AfterSequenceNumber(_)) => {
            Fault::Fail(ErrorKind::NotFound)
        }
        _ => Fault::None,
    });
    fleet.put(10);
    fleet.drain().await;
    sleep(secs(1_000)).await;
    fleet.put(10);
    fleet.drain().await;
    assert!(fleet.count_events("ReadFailed") >= 1, "there was such a place");
    assert_eq!(fleet.count_events("ShardFailed"), 0);
    assert_eq!(fleet.assert_good(), 0);
}
