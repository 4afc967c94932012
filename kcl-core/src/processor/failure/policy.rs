use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::retry::RetryDelays;

/// What becomes of records on which the processor fails, in the words of Lambda's event source mappings.
///
/// A call that fails is made again with the same records, after a delay. The policy is exhausted when that has been done
/// often enough, or a record has become too old; what happens then is [`when_exhausted`](Self::when_exhausted).
/// Records are left out nowhere else, and by default nowhere at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailurePolicy {
    /// How often a call is made again before the policy is exhausted: after this many and one failures. 0 means that
    /// records have one try; `None`, Lambda's default, that they have tries without end. Default 10, which with the
    /// default delays takes one to two minutes: by default nothing is given up then, but the alarm is raised.
    pub maximum_retry_attempts: Option<u32>,
    /// How long after its arrival a record is exhausted, too. Unless the policy is to block, one that is too old when its
    /// turn comes is given up without a try, as with Lambda. Default: no limit.
    pub maximum_record_age: Option<Duration>,
    /// Cuts a batch that fails in two, again and again, until the record that fails is alone. No such cut counts as a try.
    /// A processor that says [which record failed](super::FailedAt) does not need it. Default: no.
    pub bisect_batch_on_error: bool,
    /// What happens then. Default: the shard is blocked.
    pub when_exhausted: WhenExhausted,
    /// The delays between tries. Default from 200 ms to 30 s.
    pub retry_delays: RetryDelays,
}

/// What happens when a [`FailurePolicy`] is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenExhausted {
    /// The call is made again all the same, at the longest delay, until it succeeds: the shard stands still, and the
    /// event [`ShardBlocked`](crate::Event::ShardBlocked) and the gauge `kcl_shards_blocked` say so.
    #[default]
    Block,
    /// The worker stops in good order, and [`Worker::run`](crate::worker::Worker::run) returns an error that names the
    /// record. Whoever takes the shard next meets the same record.
    StopWorker,
    /// The records are sent to the worker's [on-failure destination](super::OnFailureDestination). If that fails, the shard
    /// is blocked until it succeeds. Event [`RecordsSentToDestination`](crate::Event::RecordsSentToDestination).
    SendToDestination,
    /// The records are left out. Event [`RecordsSkipped`](crate::Event::RecordsSkipped), counter
    /// `kcl_records_skipped_total`.
    Skip,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self {
            maximum_retry_attempts: Some(10),
            maximum_record_age: None,
            bisect_batch_on_error: false,
            when_exhausted: WhenExhausted::default(),
            retry_delays: RetryDelays { initial: Duration::from_millis(200), max: Duration::from_secs(30) },
        }
    }
}

impl FailurePolicy {
    /// Fails with [`ErrorKind::Refused`], naming the value, if it makes no sense.
    pub(crate) fn validate(&self) -> Result<()> {
        let RetryDelays { initial, max } = self.retry_delays;
        if initial.is_zero() || max < initial {
            let message = format!(
                "failure_policy.retry_delays run from {initial:?} to {max:?}; they must start above zero and not end \
                 before they start"
            );
            return Err(Error::new(ErrorKind::Refused, message));
        }
        if self.maximum_record_age.is_some_and(|age| age.is_zero()) {
            let message = "failure_policy.maximum_record_age is zero; every record would be too old";
            return Err(Error::new(ErrorKind::Refused, message));
        }
        Ok(())
    }
}
