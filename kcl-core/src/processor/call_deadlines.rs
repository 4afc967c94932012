use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How long the calls of a processor may take.
///
/// A call that has not returned by its deadline is given up together with the shard: its future is dropped at its next
/// await point, the lease is given back, and another worker goes on after the last checkpoint. A call that blocks its
/// thread cannot be dropped, so it may still run then; the [fencing token](super::ShardStart::fencing_token) is what
/// keeps its side effects apart from the next owner's. The event
/// [`ProcessorOverran`](crate::Event::ProcessorOverran) says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallDeadlines {
    /// After this long, and again each time it has passed once more, the event
    /// [`ProcessorBusy`](crate::Event::ProcessorBusy) says that a call has not returned. Default 30 s.
    pub report_after: Duration,
    /// The deadline of `initialize`. Default: none.
    pub initialize: Option<Duration>,
    /// The deadline of `process_records`: of a batch, also where a handler is called for one record after another, and of
    /// one record where it is called for several at a time. Default: none, since a batch may rightly take long, and its lease
    /// is renewed meanwhile.
    pub process_records: Option<Duration>,
    /// The deadline of `shard_ended`. Default: none.
    pub shard_ended: Option<Duration>,
    /// The deadline of `shutdown_requested`. Default: none but that of the whole shutdown.
    pub shutdown_requested: Option<Duration>,
    /// The deadline of `lease_lost`; there is no shard left to give back then. Default 30 s.
    pub lease_lost: Duration,
}

impl Default for CallDeadlines {
    fn default() -> Self {
        Self {
            report_after: Duration::from_secs(30),
            initialize: None,
            process_records: None,
            shard_ended: None,
            shutdown_requested: None,
            lease_lost: Duration::from_secs(30),
        }
    }
}

impl CallDeadlines {
    /// The deadline of a call that holds up its shard.
    pub(crate) fn of(&self, call: &str) -> Option<Duration> {
        match call {
            "initialize" => self.initialize,
            "process_records" => self.process_records,
            "shard_ended" => self.shard_ended,
            "shutdown_requested" => self.shutdown_requested,
            _ => None,
        }
    }

    /// The shortest time within which something is to be noticed.
    pub(crate) fn shortest(&self) -> Duration {
        let deadlines = [self.initialize, self.process_records, self.shard_ended, self.shutdown_requested];
        deadlines.into_iter().flatten().fold(self.report_after, Duration::min)
    }

    /// Fails with [`ErrorKind::Refused`], naming the value, if one is zero.
    pub(crate) fn validate(&self) -> Result<()> {
        let named = [
            ("report_after", Some(self.report_after)),
            ("initialize", self.initialize),
            ("process_records", self.process_records),
            ("shard_ended", self.shard_ended),
            ("shutdown_requested", self.shutdown_requested),
            ("lease_lost", Some(self.lease_lost)),
        ];
        match named.into_iter().find(|(_, deadline)| deadline.is_some_and(|deadline| deadline.is_zero())) {
            Some((name, _)) => {
                let message = format!("call_deadlines.{name} is zero; no call could keep it");
                Err(Error::new(ErrorKind::Refused, message))
            }
            None => Ok(()),
        }
    }
}
