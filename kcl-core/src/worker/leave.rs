use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ShardOutcome;
use crate::event::{Event, Events};
use crate::lease::HeldLease;
use crate::model::Checkpoint;
use crate::retry::{Retry, RetryDelays};

/// The end of a shard must be committed, and a lease released, before anybody can go on: soon, then patiently.
pub(super) const COMMIT_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(100), max: Duration::from_secs(5) };

/// Gives the lease away, to the worker that asks for it or to whoever wants it, with `checkpoint` if there is one: again
/// and again until the table has it or the lease has expired by itself.
pub(super) async fn leave(
    lease: &HeldLease,
    checkpoint: Option<&Checkpoint>,
    events: &Events,
    seed: u64,
) -> ShardOutcome {
    let shard = lease.shard();
    let mut retry = Retry::new(COMMIT_RETRY_DELAYS, seed);
    loop {
        let error = match (lease.leave(checkpoint).await, lease.loss()) {
            (Ok(_), Some(loss)) => {
                events.emit(&Event::LeaseLost { shard, loss });
                return ShardOutcome::LeaseLost;
            }
            (Ok(Some(to)), None) => {
                events.emit(&Event::LeaseHandedOver { shard, to: &to });
                return ShardOutcome::HandedOver { to };
            }
            (Ok(None), None) => {
                events.emit(&Event::LeaseReleased { shard });
                return ShardOutcome::Released;
            }
            (Err(error), _) => error,
        };
        let delay = retry.next_delay();
        if Instant::now() + delay >= lease.deadline() {
            events.emit(&Event::ReleaseFailed { shard, error: &error });
            return ShardOutcome::LeftToExpire;
        }
        sleep(delay).await;
    }
}
