use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep};

use super::requests::Answer;
use super::shard_consumer::Context;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lease::{Conditional, Lease, LeaseChange};
use crate::model::WorkerId;
use crate::planted::PlantedFault;
use crate::retry::{Retry, RetryDelays, within};

/// How often the row of a lease that was asked for is read at first: the longest that a lease which is handed over soon
/// stands still, apart from the calls themselves.
const PROMPT_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// An owner that is not ready by then has a long batch in hand.
const PROMPT_TIME: Duration = Duration::from_secs(2);

/// How often the row is read from then on: each look is a consistent read.
const PATIENT_POLL_INTERVAL: Duration = Duration::from_millis(750);

/// A request that the table did not take is made again.
const PLACE_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(250), max: Duration::from_secs(5) };

/// A worker that stops has little time to step back.
const WITHDRAW_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(100), max: Duration::from_secs(1) };

/// It tries for this share of the failover time: after that, what was asked for may cost one.
const WITHDRAW_DIVISOR: u32 = 3;

/// Each call is given up after this share of the failover time, like a write of an owner.
const CALL_TIMEOUT_DIVISOR: u32 = 8;

/// One lease that another worker is asked for.
pub(super) struct LeaseRequest {
    context: Context,
    /// The row as last seen.
    seen: Lease,
    seed: u64,
}

impl LeaseRequest {
    pub(super) fn new(context: Context, row: Lease, seed: u64) -> Self {
        Self { context, seen: row, seed }
    }

    /// Asks, and waits for what becomes of it. When the worker stops the request is withdrawn. No write is left on its way.
    pub(super) async fn run(mut self) -> Result<Answer> {
        let answer = match self.place().await {
            Ok(None) => self.watch().await,
            Ok(Some(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        if self.context.stopping.is_cancelled() {
            // Whatever it is, nobody acts upon it.
            self.withdraw().await;
            return Ok(Answer::Lost(None));
        }
        answer
    }

    /// Writes the request into the row. An answer if there is nothing to wait for.
    async fn place(&mut self) -> Result<Option<Answer>> {
        let deadline = Instant::now() + self.patience();
        let mut retry = Retry::new(PLACE_RETRY_DELAYS, self.seed);
        loop {
            let written = self.call(self.context.ports.leases.request(&self.seen, Some(self.me()))).await;
            match written {
                Ok(Conditional::Applied(row)) => self.seen = row,
                // The answer to an earlier attempt was lost.
                Ok(Conditional::Lost(Some(row))) if row.requested_by() == Some(self.me()) => self.seen = row,
                Ok(Conditional::Lost(row)) => return Ok(Some(Answer::Lost(row))),
                Err(error) if error.is_retryable() && Instant::now() < deadline => {
                    self.report(&error);
                    if self.is_stopping_within(retry.next_delay()).await {
                        return Ok(Some(Answer::Lost(None)));
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            if let Some(from) = &self.seen.owner {
                let shard = &self.seen.shard;
                self.context.events.emit(&Event::LeaseRequested { shard, from });
            }
            return Ok(None);
        }
    }

    /// Reads the row until it says what became of the request. The owner's time to answer begins here, when it can know that
    /// it is asked.
    async fn watch(&mut self) -> Result<Answer> {
        let placed_at = Instant::now();
        let mut moved_at = placed_at;
        loop {
            let is_prompt = placed_at.elapsed() < PROMPT_TIME;
            let interval = if is_prompt { PROMPT_POLL_INTERVAL } else { PATIENT_POLL_INTERVAL };
            if self.is_stopping_within(interval).await {
                return Ok(Answer::Lost(None));
            }
            let read = self.call(self.context.ports.leases.get(&self.seen.shard)).await;
            let is_overdue = placed_at.elapsed() >= self.patience();
            let row = match read {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(Answer::Lost(None)),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(_) if is_overdue => return Ok(Answer::Overdue(self.seen.clone())),
                Err(_) => continue,
            };
            if !row.matches(&self.seen) {
                moved_at = Instant::now();
            }
            self.seen = row;
            if self.seen.awaits_taking_up_by(self.me()) {
                return Ok(Answer::HandedOver(self.seen.clone()));
            }
            if self.seen.requested_by() != Some(self.me()) {
                return Ok(Answer::Lost(Some(self.seen.clone())));
            }
            if moved_at.elapsed() > self.context.settings.failover_time {
                // The owner may come back, and must not hand the lease to a worker that has stopped waiting.
                self.withdraw().await;
                return Ok(Answer::Lost(Some(self.seen.clone())));
            }
            if is_overdue {
                return Ok(Answer::Overdue(self.seen.clone()));
            }
        }
    }

    /// Takes the request back; and gives the lease back if it came meanwhile, so that nobody waits for it to expire.
    async fn withdraw(&self) {
        if self.context.settings.plants(PlantedFault::RequestsNotWithdrawn) {
            return;
        }
        let deadline = Instant::now() + self.context.settings.failover_time / WITHDRAW_DIVISOR;
        let mut retry = Retry::new(WITHDRAW_RETRY_DELAYS, self.seed);
        while let Err(error) = self.try_to_withdraw().await {
            self.report(&error);
            let delay = retry.next_delay();
            if Instant::now() + delay >= deadline {
                return;
            }
            sleep(delay).await;
        }
    }

    async fn try_to_withdraw(&self) -> Result<()> {
        let leases = &self.context.ports.leases;
        loop {
            // An answer may have been lost: only the row knows.
            let Some(row) = self.call(leases.get(&self.seen.shard)).await? else { return Ok(()) };
            let written = if row.awaits_taking_up_by(self.me()) {
                self.call(leases.update(&row, &LeaseChange::Release)).await?
            } else if row.requested_by() == Some(self.me()) {
                self.call(leases.request(&row, None)).await?
            } else {
                return Ok(());
            };
            if matches!(written, Conditional::Applied(_)) {
                return Ok(());
            }
        }
    }

    /// True as soon as the worker stops, false after `duration`.
    async fn is_stopping_within(&self, duration: Duration) -> bool {
        select! {
            biased;
            () = self.context.stopping.cancelled() => true,
            () = sleep(duration) => false,
        }
    }

    fn patience(&self) -> Duration {
        let settings = &self.context.settings;
        let is_impatient = settings.plants(PlantedFault::HandOverNotAwaited);
        if is_impatient { Duration::ZERO } else { settings.hand_over_timeout }
    }

    fn me(&self) -> &WorkerId {
        &self.context.settings.worker_id
    }

    fn report(&self, error: &Error) {
        self.context.events.emit(&Event::CoordinationFailed { error });
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let limit = self.context.settings.failover_time / CALL_TIMEOUT_DIVISOR;
        within(limit, &format!("asking for the lease of shard {}", self.seen.shard), call).await
    }
}
