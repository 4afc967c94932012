use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::watermark::Ticket;
use crate::aggregation::Malformation;
use crate::error::Result;
use crate::event::{BlockReason, Event};
use crate::model::{Record, Timestamp};
use crate::processor::WhenExhausted;
use crate::processor::calls::CallFailure;
use crate::processor::failure::{Attempts, Blocked, Exhausted, FailureCondition, LastResort};
use crate::retry::Retry;
use crate::stream::Kinesis;

/// The records of one shard that have failed or cannot but fail, and what the failure policy says of each. A record is a
/// batch of its own here: it has its own tries and delays.
pub(super) struct Troubles {
    last_resort: Arc<LastResort>,
    /// Knows the time by which records are old.
    kinesis: Arc<dyn Kinesis>,
    rng: fastrand::Rng,
    failing: BTreeMap<Ticket, Trouble>,
    /// Those that the policy has no more tries for: it blocks on them, or they are about to be given up.
    exhausted: BTreeMap<Ticket, FailureCondition>,
    is_giving_up: bool,
    /// One of those that the policy blocks on: a shard is reported once.
    blocked: Option<(Ticket, Blocked)>,
}

struct Trouble {
    record: Record,
    attempts: Attempts,
    retry: Retry,
    error: Option<String>,
    first_failed_at: Option<Timestamp>,
    /// Why it fails without a call.
    malformation: Option<Box<Malformation>>,
}

impl Troubles {
    pub(super) fn new(last_resort: LastResort, kinesis: Arc<dyn Kinesis>) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(last_resort.seed),
            last_resort: Arc::new(last_resort),
            kinesis,
            failing: BTreeMap::new(),
            exhausted: BTreeMap::new(),
            is_giving_up: false,
            blocked: None,
        }
    }

    /// The record is never to be delivered: every try of it fails.
    pub(super) fn foresee(&mut self, ticket: Ticket, record: &Record, malformation: Malformation) {
        self.trouble(ticket, record).malformation = Some(Box::new(malformation));
    }

    /// How a try of the record fails, if it fails without a call.
    pub(super) fn foreseen(&self, ticket: Ticket) -> Option<CallFailure> {
        let malformation = self.failing.get(&ticket)?.malformation.as_deref();
        malformation.map(CallFailure::malformed)
    }

    /// The handler failed on the record. Returns how long to wait before it is looked at again.
    pub(super) fn fail(&mut self, ticket: Ticket, record: &Record, failure: &CallFailure) -> Duration {
        let (now, last_resort) = (self.kinesis.now(), Arc::clone(&self.last_resort));
        let trouble = self.trouble(ticket, record);
        trouble.attempts.fail(None, last_resort.policy());
        trouble.error = Some(failure.text.clone());
        trouble.first_failed_at.get_or_insert(now);
        let delay = trouble.retry.next_delay();
        last_resort.events.emit(&Event::ProcessorFailed {
            shard: last_resort.lease.shard(),
            call: "process_records",
            error: &failure.text,
            failed_attempts: trouble.retry.failed_attempts(),
            delay: Some(delay),
        });
        delay
    }

    /// True if the record is not tried (again), but [given up](Self::begin_giving_up). One that the policy blocks on is
    /// tried again all the same, and reported.
    pub(super) fn gives_up(&mut self, ticket: Ticket, record: &Record) -> bool {
        let last_resort = Arc::clone(&self.last_resort);
        let policy = last_resort.policy();
        let blocks = policy.when_exhausted == WhenExhausted::Block;
        let trouble = self.failing.get(&ticket);
        let has_failed = trouble.is_some_and(|trouble| trouble.attempts.failed() > 0);
        if !has_failed && (blocks || policy.maximum_record_age.is_none()) {
            return false;
        }
        let attempts = trouble.map_or_else(|| Attempts::new(1), |trouble| trouble.attempts.clone());
        let arrival = |_| record.approximate_arrival;
        let Some((_, condition)) = attempts.exhausted(policy, self.kinesis.now(), arrival) else {
            return false;
        };
        self.trouble(ticket, record);
        self.exhausted.insert(ticket, condition);
        self.report_blocked();
        !blocks
    }

    /// Gives up the oldest record that is to be given up: one at a time, so that a destination that fails is reported once
    /// for the shard.
    pub(super) fn begin_giving_up(
        &mut self,
    ) -> Option<(Ticket, impl Future<Output = Result<()>> + Send + use<>)> {
        if self.is_giving_up || self.blocks() {
            return None;
        }
        let (ticket, condition) = self.exhausted.pop_first()?;
        let trouble = self.failing.get(&ticket)?;
        self.is_giving_up = true;
        let exhausted = Exhausted {
            condition,
            attempts: trouble.attempts.failed(),
            error: trouble.error.clone(),
            first_failed_at: trouble.first_failed_at,
            given_up_at: self.kinesis.now(),
            stream_arn: self.kinesis.stream_arn(&self.last_resort.lease.shard().stream),
        };
        let (last_resort, record) = (Arc::clone(&self.last_resort), trouble.record.clone());
        Some((ticket, async move { last_resort.take(&[record], &exhausted).await }))
    }

    /// The record that was being given up is, or it has stopped the worker.
    pub(super) fn finish_giving_up(&mut self) {
        self.is_giving_up = false;
    }

    /// The record is finished.
    pub(super) fn end(&mut self, ticket: Ticket) {
        if self.failing.remove(&ticket).is_none() {
            return;
        }
        self.exhausted.remove(&ticket);
        self.blocked.take_if(|(blocked, _)| *blocked == ticket);
        self.report_blocked();
    }

    /// The shard is somebody else's.
    pub(super) fn clear(&mut self) {
        self.failing.clear();
        self.exhausted.clear();
        self.blocked = None;
    }

    fn trouble(&mut self, ticket: Ticket, record: &Record) -> &mut Trouble {
        let Self { failing, rng, last_resort, .. } = self;
        failing.entry(ticket).or_insert_with(|| Trouble {
            record: record.clone(),
            attempts: Attempts::new(1),
            retry: Retry::new(last_resort.policy().retry_delays, rng.u64(..)),
            error: None,
            first_failed_at: None,
            malformation: None,
        })
    }

    fn report_blocked(&mut self) {
        if !self.blocks() || self.blocked.is_some() {
            return;
        }
        let first = self.exhausted.first_key_value();
        let found =
            first.and_then(|(ticket, condition)| Some((*ticket, *condition, self.failing.get(ticket)?)));
        self.blocked = found.map(|(ticket, condition, trouble)| {
            let error = trouble.error.as_deref().unwrap_or_default();
            let reason = BlockReason::Exhausted(condition);
            (ticket, Blocked::new(&self.last_resort, reason, Some(&trouble.record), error))
        });
    }

    fn blocks(&self) -> bool {
        self.last_resort.policy().when_exhausted == WhenExhausted::Block
    }
}
