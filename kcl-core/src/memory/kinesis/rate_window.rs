use std::time::Duration;

use crate::model::Timestamp;

/// What has been used of a quota for each second.
///
/// A window begins with the first use after the one before has ended. It lasts a second, or as long as what was used in it
/// takes at the quota's rate, if that is longer. So any `n` seconds see at most `n + 1` times the quota, and what the
/// last use took beyond it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RateWindow {
    started_at: Timestamp,
    used: u64,
}

impl RateWindow {
    /// True if something of the quota is left: for what has a size that is known only later.
    pub(super) fn has_room(&self, per_second: u64, now: Timestamp) -> bool {
        self.used(per_second, now) < per_second
    }

    /// True if `amount` fits, or nothing has been used: what exceeds a whole quota must be possible some time.
    pub(super) fn has_room_for(&self, amount: u64, per_second: u64, now: Timestamp) -> bool {
        let used = self.used(per_second, now);
        used == 0 || used.saturating_add(amount) <= per_second
    }

    /// Counts `amount` as used.
    pub(super) fn add(&mut self, amount: u64, per_second: u64, now: Timestamp) {
        let used = self.used(per_second, now);
        if used == 0 {
            self.started_at = now;
        }
        self.used = used.saturating_add(amount);
    }

    fn used(&self, per_second: u64, now: Timestamp) -> u64 {
        if now.saturating_since(self.started_at) < self.length(per_second) { self.used } else { 0 }
    }

    fn length(&self, per_second: u64) -> Duration {
        Duration::from_secs(1).max(time_for(self.used, per_second))
    }
}

/// How long `amount` takes at this rate, to the millisecond above. A rate of 0 counts as 1.
pub(super) fn time_for(amount: u64, per_second: u64) -> Duration {
    Duration::from_millis(amount.saturating_mul(1_000).div_ceil(per_second.max(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: u64 = 10;

    /// Uses each amount after the pause before it, if `admits` lets it; returns what was used, and when.
    fn uses(
        wanted: &[(u64, u64)],
        admits: impl Fn(&RateWindow, u64, Timestamp) -> bool,
    ) -> Vec<(Timestamp, u64)> {
        let (mut window, mut now) = (RateWindow::default(), Timestamp::from_millis(1_700_000_000_000));
        let mut used = Vec::new();
        for &(pause_ms, amount) in wanted {
            now = now.saturating_add(Duration::from_millis(pause_ms));
            if admits(&window, amount, now) {
                window.add(amount, QUOTA, now);
                used.push((now, amount));
            }
        }
        used
    }

    /// The most that was used in any span of whole seconds, less than which a span of `n` seconds allows.
    fn check_spans(used: &[(Timestamp, u64)], overshoot: u64) -> Result<(), TestCaseError> {
        for (index, &(start, _)) in used.iter().enumerate() {
            let mut sum = 0;
            for &(end, amount) in &used[index..] {
                sum += amount;
                let seconds = end.saturating_since(start).as_secs() + 1;
                prop_assert!(sum <= (seconds + 1) * QUOTA + overshoot, "{sum} in {seconds} s: {used:?}");
            }
        }
        Ok(())
    }

    fn wanted(amount_max: u64) -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0..700_u64, 1..=amount_max), 0..200)
    }

    proptest! {
        #[test]
        fn what_must_fit_never_exceeds_the_quota(wanted in wanted(QUOTA)) {
            check_spans(&uses(&wanted, |window, amount, now| window.has_room_for(amount, QUOTA, now)), 0)?;
        }

        #[test]
        fn what_is_counted_later_exceeds_the_quota_by_one_use(wanted in wanted(5 * QUOTA)) {
            check_spans(&uses(&wanted, |window, _, now| window.has_room(QUOTA, now)), 5 * QUOTA)?;
        }

        #[test]
        fn the_rate_can_be_had(start in 0..5_000_u64) {
            let steady: Vec<_> = std::iter::once((start, 1)).chain((0..50).map(|_| (100, 1))).collect();
            prop_assert_eq!(uses(&steady, |window, _, now| window.has_room(QUOTA, now)).len(), 51);
        }
    }

    #[test]
    fn five_times_the_quota_closes_the_window_for_five_seconds() {
        let (mut window, start) = (RateWindow::default(), Timestamp::from_millis(1_000));
        window.add(5 * QUOTA, QUOTA, start);
        assert!(!window.has_room(QUOTA, start.saturating_add(Duration::from_millis(4_999))));
        assert!(window.has_room(QUOTA, start.saturating_add(Duration::from_secs(5))));
    }
}
