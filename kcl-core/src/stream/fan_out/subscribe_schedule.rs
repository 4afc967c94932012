use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::retry::{Retry, RetryDelays};

/// A consumer may subscribe to a shard once in five seconds; earlier calls fail with `ResourceInUse` (`SubscribeToShard`,
/// Kinesis API reference). A subscription that has lived for as long has worked.
pub(super) const SUBSCRIBE_INTERVAL: Duration = Duration::from_secs(5);

/// Trouble of the service may last: patient, and never a storm with thousands of shards. The service allows one call a second
/// for a consumer and shard (`SubscribeToShard`, Kinesis API reference), and jitter takes half.
const FAILURE_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(2), max: Duration::from_secs(20) };

/// The last owner of a shard gives up its subscription within five seconds.
const IN_USE_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(2), max: Duration::from_secs(2) };

/// After as many attempts it is not the last owner that holds the subscription, but somebody who goes on.
const IN_USE_EXPECTED_MAX: u32 = 5;

/// After as many failures in a row, one read by polling tells whether the shard has ended: an emulator may cut
/// subscriptions there without saying so.
const FAILURES_BEFORE_LOOK: u32 = 3;

/// When a shard may be subscribed to again.
#[derive(Debug)]
pub(super) struct SubscribeSchedule {
    failures: Retry,
    in_use: Retry,
    next_at: Instant,
    failing_since: Option<Instant>,
}

/// What a failure comes to.
pub(super) struct NextAttempt {
    pub(super) failed_attempts: u32,
    pub(super) delay: Duration,
}

impl SubscribeSchedule {
    /// At once. The jitter is a function of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: Retry::new(FAILURE_DELAYS, seed),
            in_use: Retry::new(IN_USE_DELAYS, seed),
            next_at: Instant::now(),
            failing_since: None,
        }
    }

    /// Waits until it is time.
    pub(super) async fn wait(&self) {
        sleep_until(self.next_at).await;
    }

    pub(super) fn note_opened(&mut self, opened_at: Instant) {
        self.next_at = opened_at + SUBSCRIBE_INTERVAL;
    }

    /// An event came from a subscription of this age. Returns whether something had failed since the one before.
    pub(super) fn note_event(&mut self, age: Duration) -> bool {
        if age >= SUBSCRIBE_INTERVAL {
            self.failures.reset();
        }
        self.in_use.reset();
        self.failing_since.take().is_some()
    }

    /// Somebody else is subscribed, the last owner of the shard at first.
    pub(super) fn note_in_use(&mut self) -> NextAttempt {
        let expected = self.in_use.next_delay();
        let failed_attempts = self.in_use.failed_attempts();
        let delay =
            if failed_attempts <= IN_USE_EXPECTED_MAX { expected } else { self.failures.next_delay() };
        self.delay(failed_attempts, delay)
    }

    /// Subscribing failed, or a subscription did.
    pub(super) fn note_failure(&mut self) -> NextAttempt {
        let delay = self.failures.next_delay();
        self.delay(self.failures.failed_attempts(), delay)
    }

    /// True if there has been no event for `time` since something failed.
    pub(super) fn has_failed_for(&self, time: Duration) -> bool {
        self.failing_since.is_some_and(|since| since.elapsed() >= time)
    }

    /// True after a failure that makes one wonder whether the shard has ended.
    pub(super) fn calls_for_a_look(&self) -> bool {
        let failed_attempts = self.failures.failed_attempts();
        failed_attempts > 0 && failed_attempts.is_multiple_of(FAILURES_BEFORE_LOOK)
    }

    fn delay(&mut self, failed_attempts: u32, delay: Duration) -> NextAttempt {
        let now = Instant::now();
        self.failing_since.get_or_insert(now);
        self.next_at = self.next_at.max(now + delay);
        NextAttempt { failed_attempts, delay }
    }
}
