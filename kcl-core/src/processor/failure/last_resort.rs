use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{
    Blocked, FailedBatch, FailureCondition, FailurePolicy, OnFailureDestination, Sent, WhenExhausted,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BlockReason, Event, Events};
use crate::lease::HeldLease;
use crate::model::{Record, ShardKey, StreamArn, Timestamp};
use crate::planted::PlantedFault;
use crate::processor::calls::panic_as_text;
use crate::retry::{Retry, within};
use crate::settings::WorkerSettings;

/// How long a destination may take for one batch: longer than any that works, so that one that hangs is reported and
/// tried again.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// What is done with records that a failure policy has no more tries for, where the policy does not block.
#[derive(Debug)]
pub(crate) struct LastResort {
    pub(crate) lease: Arc<HeldLease>,
    pub(crate) events: Events,
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) destination: Option<Arc<dyn OnFailureDestination>>,
    /// Starts the jitter of what is sent again.
    pub(crate) seed: u64,
}

/// What is known of records that are given up.
#[derive(Debug, Clone)]
pub(crate) struct Exhausted {
    pub(crate) condition: FailureCondition,
    pub(crate) attempts: u32,
    pub(crate) error: Option<String>,
    pub(crate) first_failed_at: Option<Timestamp>,
    pub(crate) given_up_at: Timestamp,
    pub(crate) stream_arn: Option<StreamArn>,
}

impl LastResort {
    /// Leaves the records out, or has a destination store them, however long that takes: dropping the future leaves them
    /// as they were. Fails where the worker is to stop.
    pub(crate) async fn take(&self, records: &[Record], exhausted: &Exhausted) -> Result<()> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        let (shard, count) = (self.shard(), records.len() as u64);
        let (from, to, condition) = (&first.position, &last.position, exhausted.condition);
        let error = exhausted.error.as_deref();
        match (self.policy().when_exhausted, &self.destination) {
            (WhenExhausted::Skip, _) => {
                self.events.emit(&Event::RecordsSkipped { shard, from, to, count, condition, error });
            }
            (WhenExhausted::SendToDestination, Some(destination)) => {
                self.send(&**destination, records, exhausted).await;
                self.events.emit(&Event::RecordsSentToDestination {
                    shard,
                    from,
                    to,
                    count,
                    condition,
                    error,
                });
            }
            _ => {
                let error = error.unwrap_or("it was not tried");
                let message = format!(
                    "shard {shard}: {count} records from {from} on were given up ({condition}), and the failure policy \
                     is to stop the worker; the last error was: {error}"
                );
                return Err(Error::new(ErrorKind::Refused, message));
            }
        }
        Ok(())
    }

    /// Sends the records, in halves where all are too much at once, until the destination has them.
    async fn send(&self, destination: &dyn OnFailureDestination, records: &[Record], exhausted: &Exhausted) {
        let mut blocked = None;
        let mut retry = Retry::new(self.policy().retry_delays, self.seed);
        // Where the parts end that are still to be sent, the next one last.
        let (mut start, mut ends) = (0, vec![records.len()]);
        while let Some(end) = ends.last().copied() {
            let part = &records[start..end];
            let mut sent = self.send_once(destination, part, exhausted).await;
            if self.plants(PlantedFault::DestinationFailureDropped) {
                sent = Ok(Sent::Taken);
            }
            let error = match sent {
                Ok(Sent::Taken) => {
                    start = end;
                    ends.pop();
                    retry.reset();
                    blocked = None;
                    continue;
                }
                Ok(Sent::TooLarge { .. }) if part.len() > 1 => {
                    ends.push(start + part.len() / 2);
                    continue;
                }
                Ok(Sent::TooLarge { limit_bytes }) => {
                    let message = format!(
                        "the record at {} is larger than the {limit_bytes} bytes that the on-failure destination takes; \
                         have what is too large written to a file",
                        part[0].position
                    );
                    Error::new(ErrorKind::Refused, message)
                }
                Err(error) => error,
            };
            let (shard, delay) = (self.shard(), retry.next_delay());
            let failed_attempts = retry.failed_attempts();
            self.events.emit(&Event::DestinationFailed { shard, error: &error, failed_attempts, delay });
            blocked.get_or_insert_with(|| {
                let text = error.to_string();
                Blocked::new(self, BlockReason::Destination, Some(&part[0]), &text)
            });
            sleep(delay).await;
        }
    }

    async fn send_once(
        &self,
        destination: &dyn OnFailureDestination,
        records: &[Record],
        exhausted: &Exhausted,
    ) -> Result<Sent> {
        let batch = FailedBatch {
            shard: self.shard().clone(),
            parents: self.lease.acquired().parents.clone(),
            stream_arn: exhausted.stream_arn.clone(),
            worker: self.settings.worker_id.clone(),
            fencing_token: self.lease.acquired().counter,
            records: records.to_vec(),
            condition: exhausted.condition,
            attempts: exhausted.attempts,
            error: exhausted.error.clone(),
            first_failed_at: exhausted.first_failed_at,
            given_up_at: exhausted.given_up_at,
        };
        let sending = async {
            let sent = panic_as_text(async { destination.send(&batch).await }).await;
            sent.unwrap_or_else(|panic| {
                Err(Error::new(ErrorKind::Transient, format!("the on-failure destination {panic}")))
            })
        };
        within(SEND_TIMEOUT, "the on-failure destination", sending).await
    }

    pub(crate) fn policy(&self) -> &FailurePolicy {
        &self.settings.failure_policy
    }

    /// True if this very mistake is to be made.
    pub(crate) fn plants(&self, fault: PlantedFault) -> bool {
        self.settings.plants(fault)
    }

    fn shard(&self) -> &ShardKey {
        self.lease.shard()
    }
}
