use std::time::Duration;

use super::GET_RECORDS_MAX;
use crate::error::{Error, ErrorKind, Result};

/// The service allows five reads a second on a shard, for all applications that poll it together (Kinesis quotas).
const READ_INTERVAL_MIN: Duration = Duration::from_millis(200);

/// The service returns at most 2 MB a second from a shard, for all applications that poll it together: a read of 10 MB makes
/// those of the next five seconds fail (`GetRecords`, Kinesis API reference).
const READ_BYTES_PER_SECOND: u32 = 2_000_000;

/// Twice the consumers that a stream can serve in a useful way: with so many, a shard is read every ten seconds.
const APPLICATIONS_MAX: u32 = 50;

/// How a shard is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollingSettings {
    /// The time from one read to the next once the tip of the shard is reached. Default 1 s; at least 200 ms, the
    /// service's limit for a shard that one application polls. While behind, reads follow each other at that limit.
    pub idle_time_between_reads: Duration,
    /// A reader that is behind by no more than this counts as being at the tip, and waits `idle_time_between_reads`: fewer
    /// and larger reads. Default zero.
    pub tip_distance: Duration,
    /// How many applications poll the stream, this one included. They share what the service allows for a shard, five
    /// reads and 2 MB a second, so each keeps to its part of it. Default 1, at most 50.
    pub applications: u32,
    /// The most records that one read asks for. Default and maximum [`GET_RECORDS_MAX`].
    pub records_per_read_max: u32,
}

impl Default for PollingSettings {
    fn default() -> Self {
        Self {
            idle_time_between_reads: Duration::from_secs(1),
            tip_distance: Duration::ZERO,
            applications: 1,
            records_per_read_max: GET_RECORDS_MAX,
        }
    }
}

impl PollingSettings {
    /// Fails with [`ErrorKind::Refused`], naming the value, if the service would not allow it.
    pub fn validate(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Refused, message));
        if !(1..=APPLICATIONS_MAX).contains(&self.applications) {
            return refuse(format!(
                "polling.applications is {}; it must be from 1 to {APPLICATIONS_MAX}",
                self.applications
            ));
        }
        if self.idle_time_between_reads < self.read_interval_min() {
            return refuse(format!(
                "idle_time_between_reads is {:?}; Kinesis allows each of {} applications one read in {:?}",
                self.idle_time_between_reads,
                self.applications,
                self.read_interval_min()
            ));
        }
        if !(1..=GET_RECORDS_MAX).contains(&self.records_per_read_max) {
            return refuse(format!(
                "records_per_read_max is {}; it must be from 1 to {GET_RECORDS_MAX}",
                self.records_per_read_max
            ));
        }
        Ok(())
    }

    /// The shortest time between two reads.
    pub(super) fn read_interval_min(&self) -> Duration {
        READ_INTERVAL_MIN * self.applications
    }

    /// How long after a read of `bytes`, keys included, the next one may come, having left the reader `millis_behind_latest`.
    pub(super) fn interval_after(&self, bytes: usize, millis_behind_latest: u64) -> Duration {
        let is_at_tip = Duration::from_millis(millis_behind_latest) <= self.tip_distance;
        let interval = if is_at_tip { self.idle_time_between_reads } else { self.read_interval_min() };
        // A read is 10 MiB at most.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let for_bytes = Duration::from_secs(1).mul_f64(f64::from(bytes) / f64::from(READ_BYTES_PER_SECOND));
        interval.max(for_bytes * self.applications)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(settings: PollingSettings, bytes: usize, millis_behind_latest: u64) -> u128 {
        settings.interval_after(bytes, millis_behind_latest).as_millis()
    }

    #[test]
    fn reads_keep_to_the_part_of_the_shard_that_the_application_has() {
        let alone = PollingSettings::default();
        assert_eq!(interval(alone, 0, 0), 1_000);
        assert_eq!(interval(alone, 0, 1), 200);
        assert_eq!(interval(alone, 10_000_000, 1), 5_000);
        let three = PollingSettings { applications: 3, ..alone };
        assert_eq!(interval(three, 0, 1), 600);
        assert_eq!(interval(three, 2_000_000, 1), 3_000);
        assert_eq!(interval(three, 0, 0), 1_000);
    }

    #[test]
    fn near_the_tip_counts_as_at_the_tip_if_the_settings_say_so() {
        let near = PollingSettings { tip_distance: Duration::from_secs(5), ..PollingSettings::default() };
        assert_eq!(interval(near, 0, 5_000), 1_000);
        assert_eq!(interval(near, 0, 5_001), 200);
    }

    #[test]
    fn what_the_service_does_not_allow_is_refused() {
        let good = PollingSettings::default();
        assert!(good.validate().is_ok());
        for bad in [
            PollingSettings { idle_time_between_reads: Duration::from_millis(199), ..good },
            PollingSettings { applications: 0, ..good },
            PollingSettings { applications: 6, ..good },
            PollingSettings { applications: 51, idle_time_between_reads: Duration::from_mins(1), ..good },
            PollingSettings { records_per_read_max: 0, ..good },
            PollingSettings { records_per_read_max: GET_RECORDS_MAX + 1, ..good },
        ] {
            assert_eq!(bad.validate().unwrap_err().kind(), ErrorKind::Refused, "{bad:?}");
        }
    }
}
