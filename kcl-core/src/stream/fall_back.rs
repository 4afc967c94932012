use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::fan_out::FanOutSource;
use super::fetch_budget::ShardBudget;
use super::polling::PollingSource;
use super::read_position::ReadPosition;
use super::{RecordSource, SourceBatch};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::model::ShardKey;
use crate::retry::{Retry, RetryDelays, within};

/// Each attempt to return interrupts polling for as long as subscribing takes.
const RETURN_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(20), max: Duration::from_secs(300) };

/// An attempt that takes longer has failed: meanwhile nothing is read.
const RETURN_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a shard by fan-out and, while that does not work, by polling.
pub(super) struct FallBackSource {
    fan_out: FanOutSource,
    new_polling: Box<dyn Fn(ReadPosition) -> PollingSource + Send + Sync>,
    polling: Option<PollingSource>,
    shard: ShardKey,
    events: Events,
    retry: Retry,
    return_at: Instant,
}

impl FallBackSource {
    /// `new_polling` makes the source that takes over.
    pub(super) fn new(
        fan_out: FanOutSource,
        new_polling: impl Fn(ReadPosition) -> PollingSource + Send + Sync + 'static,
        shard: ShardKey,
        events: Events,
        seed: u64,
    ) -> Self {
        Self {
            fan_out,
            new_polling: Box::new(new_polling),
            polling: None,
            shard,
            events,
            retry: Retry::new(RETURN_DELAYS, seed),
            return_at: Instant::now(),
        }
    }

    fn fall_back(&mut self, error: &Error) {
        self.polling = Some((self.new_polling)(self.fan_out.position().clone()));
        self.return_at = Instant::now() + self.retry.next_delay();
        self.events.emit(&Event::FellBackToPolling { shard: &self.shard, error });
    }

    /// Subscribes again, if it is time to try.
    async fn return_to_fan_out(&mut self) {
        let Some(polling) = &self.polling else { return };
        if Instant::now() < self.return_at {
            return;
        }
        let resume = self.fan_out.resume(polling.position().clone());
        if within(RETURN_TIMEOUT, "returning to fan-out", resume).await.is_ok() {
            self.polling = None;
            self.events.emit(&Event::ReturnedToFanOut { shard: &self.shard });
        } else {
            self.return_at = Instant::now() + self.retry.next_delay();
        }
    }
}

#[async_trait]
impl RecordSource for FallBackSource {
    async fn next_batch(&mut self, budget: &ShardBudget) -> Result<SourceBatch> {
        loop {
            self.return_to_fan_out().await;
            if let Some(polling) = &mut self.polling {
                return polling.next_batch(budget).await;
            }
            match self.fan_out.next_batch(budget).await {
                // The shard itself is gone, for whichever way of reading.
                Err(error) if error.kind() != ErrorKind::NotFound => self.fall_back(&error),
                outcome => {
                    self.retry.reset();
                    return outcome;
                }
            }
        }
    }
}
