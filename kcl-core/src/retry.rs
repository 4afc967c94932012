//! How long to wait before trying again, and how long to wait for an answer.
//!
//! The only place that names the `backoff` crate, and only for its delay schedule: its clock is not the runtime's,
//! so it never fires under paused time, and its jitter is not seeded. Replacing it is a change to this file alone.

use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

use crate::error::{Error, ErrorKind, Result};

/// Delays double from `initial` to `max`. Each is then shortened at random by up to half, so that workers which
/// failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDelays {
    /// The first delay.
    pub initial: Duration,
    /// The longest delay, which all later attempts keep.
    pub max: Duration,
}

/// The state of one row of attempts.
#[derive(Debug)]
pub(crate) struct Retry {
    schedule: ExponentialBackoff,
    max: Duration,
    jitter: fastrand::Rng,
    failed_attempts: u32,
}

impl Retry {
    /// No attempt has failed so far. The jitter is a function of `seed`.
    pub(crate) fn new(delays: RetryDelays, seed: u64) -> Self {
        let schedule = ExponentialBackoffBuilder::new()
            .with_initial_interval(delays.initial)
            .with_max_interval(delays.max)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        Self { schedule, max: delays.max, jitter: fastrand::Rng::with_seed(seed), failed_attempts: 0 }
    }

    /// Another attempt failed: how long to wait before the next.
    pub(crate) fn next_delay(&mut self) -> Duration {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        let delay = self.schedule.next_backoff().unwrap_or(self.max);
        delay.mul_f64(1.0 - self.jitter.f64() / 2.0)
    }

    /// Attempts that failed since the last success.
    pub(crate) fn failed_attempts(&self) -> u32 {
        self.failed_attempts
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.schedule.reset();
        self.failed_attempts = 0;
    }
}

/// The call's own outcome, or [`ErrorKind::Transient`] if it takes longer than `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    operation: &str,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(outcome) => outcome,
        Err(_) => {
            Err(Error::new(ErrorKind::Transient, format!("{operation} gave no answer within {limit:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: RetryDelays =
        RetryDelays { initial: Duration::from_millis(100), max: Duration::from_secs(2) };

    #[test]
    fn delays_double_up_to_the_longest_and_jitter_takes_at_most_half() {
        let mut retry = Retry::new(DELAYS, 7);
        for whole_ms in [100_u64, 200, 400, 800, 1600, 2000, 2000, 2000] {
            let whole = Duration::from_millis(whole_ms);
            let delay = retry.next_delay();
            assert!(delay <= whole && delay >= whole / 2, "{delay:?} for {whole:?}");
        }
        assert_eq!(retry.failed_attempts(), 8);
    }

    #[test]
    fn success_starts_the_schedule_again() {
        let mut retry = Retry::new(DELAYS, 7);
        for _ in 0..5 {
            retry.next_delay();
        }
        retry.reset();
        assert!(retry.next_delay() <= DELAYS.initial);
        assert_eq!(retry.failed_attempts(), 1);
    }

    #[test]
    fn jitter_is_a_function_of_the_seed() {
        let delays = |seed| {
            let mut retry = Retry::new(DELAYS, seed);
            [retry.next_delay(), retry.next_delay(), retry.next_delay()]
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
