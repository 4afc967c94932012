//! The settings that all workers of a run have in common: what the class leaves open follows from the seed.

use std::time::Duration;

use kcl_core::model::{InitialPosition, StreamId, WorkerId};
use kcl_core::processor::{CallDeadlines, FailurePolicy, WhenExhausted};
use kcl_core::stream::{FanOutConsumer, FanOutSettings, Retrieval};
use kcl_core::{Checkpointing, Result, WorkerSettings};

use super::class::Class;
use super::handling::Handling;
use super::profile::Profile;

/// The time between two scans of the table by one worker.
pub(super) const LEASE_SCAN_INTERVAL: Duration = Duration::from_millis(500);

/// How long a shard cannot be subscribed to before it is polled, where a fleet reads by fan-out and may fall back.
const FALL_BACK_AFTER: Duration = Duration::from_secs(10);

/// How long a batch may take where processors hang: longer than any that returns.
const HANG_TIME_MAX: Duration = Duration::from_secs(10);

/// Draws the settings of a run, and of its profile what depends on them.
pub(super) fn draw(
    class: Class,
    profile: &mut Profile,
    stream: StreamId,
    rng: &mut fastrand::Rng,
) -> Result<WorkerSettings> {
    let (shortest, longest) = profile.failover_secs;
    let failover_time = Duration::from_secs(rng.u64(shortest..=longest));
    let settings = WorkerSettings {
        failover_time,
        lease_scan_interval: LEASE_SCAN_INTERVAL,
        initial_position: initial_position(class),
        retrieval: retrieval(class, rng),
        shutdown_grace: profile.grace,
        hand_over_timeout: profile.hand_over_timeout,
        ..WorkerSettings::new(stream, WorkerId::new("unnamed")?)
    };
    let settings = match class {
        Class::Failures => with_failures(settings, profile, rng),
        Class::Lanes => with_lanes(settings, profile, rng),
        _ => settings,
    };
    Ok(WorkerSettings { shard_sync_interval: Duration::from_secs(rng.u64(5..=60)), ..settings })
}

fn initial_position(class: Class) -> InitialPosition {
    match class {
        Class::Latest => InitialPosition::Latest,
        _ => InitialPosition::TrimHorizon,
    }
}

fn retrieval(class: Class, rng: &mut fastrand::Rng) -> Retrieval {
    if class != Class::FanOut {
        return Retrieval::Polling;
    }
    let consumer = FanOutConsumer::Named("simulated".to_owned());
    let fall_back_to_polling_after = rng.bool().then_some(FALL_BACK_AFTER);
    Retrieval::FanOut(FanOutSettings { fall_back_to_polling_after, ..FanOutSettings::new(consumer) })
}

/// In half of the runs the poison stays for ever.
fn with_failures(settings: WorkerSettings, profile: &mut Profile, rng: &mut fastrand::Rng) -> WorkerSettings {
    let mut failure_policy = failure_policy(rng);
    profile.weather.poison.is_lasting = rng.bool();
    if profile.weather.poison.is_lasting {
        // Without a limit of tries the policy would never be exhausted.
        failure_policy.maximum_retry_attempts.get_or_insert(rng.u32(..5));
    }
    WorkerSettings { failure_policy, call_deadlines: call_deadlines(), ..settings }
}

/// Lanes, and processors that prepare, with commits of all kinds.
fn with_lanes(settings: WorkerSettings, profile: &mut Profile, rng: &mut fastrand::Rng) -> WorkerSettings {
    profile.handling = Handling::draw(rng);
    let failure_policy = failure_policy(rng);
    let checkpointing = match rng.u8(..3) {
        0 => Checkpointing::AfterEachBatch,
        1 => Checkpointing::Manual,
        _ => Checkpointing::Every(Duration::from_millis(rng.u64(200..=10_000))),
    };
    WorkerSettings { failure_policy, checkpointing, call_deadlines: call_deadlines(), ..settings }
}

fn call_deadlines() -> CallDeadlines {
    CallDeadlines { process_records: Some(HANG_TIME_MAX), ..CallDeadlines::default() }
}

/// Blocks, sends away or leaves out, soon or never, with cuts or without.
fn failure_policy(rng: &mut fastrand::Rng) -> FailurePolicy {
    FailurePolicy {
        maximum_retry_attempts: rng.bool().then(|| rng.u32(..5)),
        maximum_record_age: rng.bool().then(|| Duration::from_secs(rng.u64(10..=60))),
        bisect_batch_on_error: rng.bool(),
        when_exhausted: match rng.u8(..6) {
            0 => WhenExhausted::Skip,
            1 | 2 => WhenExhausted::Block,
            _ => WhenExhausted::SendToDestination,
        },
        ..FailurePolicy::default()
    }
}
