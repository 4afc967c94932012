use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug_span};

use super::calls::{CallFailure, Calls};
use super::failure::{Attempts, Blocked, Exhausted, Failure, FailureCondition, LastResort};
use super::{Checkpointer, Halt, RecordBatch, RecordProcessor, ShardStart, WhenExhausted};
use crate::aggregation::Malformation;
use crate::error::{Error, ErrorKind};
use crate::event::{BlockReason, Event};
use crate::model::{Record, ShardKey, Timestamp};
use crate::planted::PlantedFault;
use crate::retry::Retry;
use crate::stream::{Kinesis, NextRecords};

/// A batch, and how far it is delivered.
pub(crate) struct BatchInHand {
    batch: RecordBatch,
    /// Records that are not delivered, by index. Each is tried alone.
    malformed: BTreeMap<usize, Malformation>,
    attempts: Attempts,
}

/// Calls one shard's processor, again and again where it fails, as the failure policy says.
///
/// Every future here may be dropped: it ends the running call at its next await point, and changes nothing else.
pub(crate) struct Delivery {
    calls: Calls,
    processor: Box<dyn RecordProcessor>,
    checkpointer: Arc<Checkpointer>,
    last_resort: LastResort,
    kinesis: Arc<dyn Kinesis>,
    leaving: CancellationToken,
    /// In a box, since it is rare and a worker may hold thousands of shards.
    trouble: Option<Box<Trouble>>,
    /// A processor that was never asked to initialize is not told how it ends either.
    has_begun: bool,
}

/// What is known of the failures since the last success.
#[derive(Debug)]
struct Trouble {
    error: String,
    first_failed_at: Timestamp,
    retry: Retry,
    /// How long to wait before the next call.
    delay: Option<Duration>,
    blocked: Option<Blocked>,
}

impl Delivery {
    pub(crate) fn new(
        processor: Box<dyn RecordProcessor>,
        checkpointer: Arc<Checkpointer>,
        last_resort: LastResort,
        kinesis: Arc<dyn Kinesis>,
        leaving: CancellationToken,
    ) -> Self {
        let calls = Calls::new(last_resort.lease.shard().clone(), last_resort.events.clone());
        Self {
            calls,
            processor,
            checkpointer,
            last_resort,
            kinesis,
            leaving,
            trouble: None,
            has_begun: false,
        }
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Calls `initialize` until it succeeds.
    pub(crate) async fn initialize(&mut self, start: &ShardStart) -> Result<(), Halt> {
        self.has_begun = true;
        loop {
            let outcome = self.calls.make("initialize", self.processor.initialize(start)).await;
            if self.settle("initialize", outcome).await? {
                return Ok(());
            }
        }
    }

    /// Delivers a batch that is not [done](BatchInHand::is_done) until the processor has taken it, or some of it. What the
    /// policy has no more tries for is given up as the policy says.
    pub(crate) async fn process(&mut self, in_hand: &mut BatchInHand) -> Result<(), Halt> {
        loop {
            if let Some(delay) = self.trouble.as_mut().and_then(|trouble| trouble.delay.take())
                && !wait(delay, &self.leaving).await
            {
                return Err(Halt::Leaving);
            }
            let Some(next) = in_hand.attempts.next() else { return Ok(()) };
            if let Some((range, condition)) = self.exhausted(in_hand)
                && Box::pin(self.give_up(in_hand, range, condition)).await?
            {
                return Ok(());
            }
            let called_at = Instant::now();
            let outcome = self.attempt(in_hand, next.clone()).await;
            match outcome.or_else(|failure| self.planted_success(failure)) {
                Ok(()) => {
                    self.checkpointer.succeed();
                    self.trouble = None;
                    self.report_processed(&in_hand.batch, next.clone(), called_at.elapsed());
                    in_hand.attempts.settle(next.end);
                    return Ok(());
                }
                Err(failure) if failure.starts_over => {
                    self.checkpointer.fail();
                    return Err(self.start_over("process_records", &failure));
                }
                Err(failure) => {
                    if self.fail(in_hand, next, &failure, called_at.elapsed()) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Calls the processor with some of the batch, unless it is a record on which the call has failed before it is made.
    async fn attempt(&mut self, in_hand: &BatchInHand, part: Range<usize>) -> Result<(), CallFailure> {
        match in_hand.malformed.get(&part.start) {
            Some(malformation) => Err(CallFailure::malformed(malformation)),
            None => self.call(&in_hand.part(part)).await,
        }
    }

    fn planted_success(&self, failure: CallFailure) -> Result<(), CallFailure> {
        if self.last_resort.plants(PlantedFault::SkipOnHandlerError) { Ok(()) } else { Err(failure) }
    }

    async fn call(&mut self, batch: &RecordBatch) -> Result<(), CallFailure> {
        if let Some(last) = batch.records.last() {
            self.checkpointer.begin(&last.position);
        }
        let call = self.processor.process_records(batch, &self.checkpointer);
        self.calls.make("process_records", call.instrument(span(batch))).await
    }

    /// Calls `shard_ended` until it succeeds.
    pub(crate) async fn shard_ended(&mut self) -> Result<(), Halt> {
        loop {
            let outcome = self.calls.make("shard_ended", self.processor.shard_ended()).await;
            if self.settle("shard_ended", outcome).await? {
                return Ok(());
            }
        }
    }

    /// Calls `lease_lost`, once, and waits for it no longer than `limit`.
    pub(crate) async fn lease_lost(&mut self, limit: Duration) {
        self.trouble = None;
        if !self.has_begun {
            return;
        }
        let call = async {
            self.processor.lease_lost().await;
            Ok(())
        };
        let outcome = timeout(limit, self.calls.make("lease_lost", call)).await;
        let overrun = || CallFailure::new(format!("did not return within {limit:?} and was dropped"));
        self.report_once("lease_lost", outcome.unwrap_or_else(|_| Err(overrun())));
    }

    /// Calls `shutdown_requested`, once.
    pub(crate) async fn shutdown_requested(&mut self) {
        if !self.has_begun {
            return;
        }
        let call = self.processor.shutdown_requested(&self.checkpointer);
        let outcome = self.calls.make("shutdown_requested", call).await;
        self.report_once("shutdown_requested", outcome);
    }

    /// True if a call without records has succeeded; false once it is time to make it again. There is nothing that could be
    /// given up, so an exhausted policy blocks or stops the worker.
    async fn settle(&mut self, call: &str, outcome: Result<(), CallFailure>) -> Result<bool, Halt> {
        let Err(failure) = outcome else {
            self.trouble = None;
            return Ok(true);
        };
        if failure.starts_over {
            return Err(self.start_over(call, &failure));
        }
        let (delay, failed_attempts) = self.note_failure(call, &failure, Failure::Again);
        let policy = self.last_resort.policy();
        if policy.maximum_retry_attempts.is_some_and(|retries| failed_attempts > retries) {
            if policy.when_exhausted == WhenExhausted::StopWorker {
                let (shard, text) = (self.calls.shard(), &failure.text);
                let message = format!(
                    "shard {shard}: {call} has no retries left, and the failure policy is to stop the worker: {text}"
                );
                return Err(Halt::StopWorker(Error::new(ErrorKind::Refused, message)));
            }
            self.block(FailureCondition::RetryAttemptsExhausted, None);
        }
        if wait(delay, &self.leaving).await { Ok(false) } else { Err(Halt::Leaving) }
    }

    /// Nothing is tried again here: another processor begins at the last checkpoint.
    fn start_over(&self, call: &str, failure: &CallFailure) -> Halt {
        self.report_failure(call, &failure.text, 1, None);
        let message = format!("{call} needs a processor that starts over: {}", failure.text);
        Halt::StartOver(Error::new(ErrorKind::Transient, message))
    }

    /// The first records of the next part that the policy has no more tries for.
    fn exhausted(&self, in_hand: &BatchInHand) -> Option<(Range<usize>, FailureCondition)> {
        let policy = self.last_resort.policy();
        let has_failed = in_hand.attempts.failed() > 0;
        // What blocks is tried before it is waited for.
        let may_be = match policy.when_exhausted {
            WhenExhausted::Block => has_failed,
            _ => has_failed || policy.maximum_record_age.is_some(),
        };
        if !may_be {
            return None;
        }
        if self.last_resort.plants(PlantedFault::GivenUpAtOnce) && has_failed {
            return in_hand.attempts.next().map(|next| (next, FailureCondition::RetryAttemptsExhausted));
        }
        let arrival = |index: usize| in_hand.batch.records[index].approximate_arrival;
        in_hand.attempts.exhausted(policy, self.kinesis.now(), arrival)
    }

    /// Does what the policy says of records that are exhausted. False if they are tried again all the same.
    async fn give_up(
        &mut self,
        in_hand: &mut BatchInHand,
        range: Range<usize>,
        condition: FailureCondition,
    ) -> Result<bool, Halt> {
        let records = &in_hand.batch.records[range.clone()];
        if self.last_resort.policy().when_exhausted == WhenExhausted::Block {
            self.block(condition, records.first());
            return Ok(false);
        }
        let exhausted = Exhausted {
            condition,
            attempts: in_hand.attempts.failed(),
            error: self.trouble.as_ref().map(|trouble| trouble.error.clone()),
            first_failed_at: self.trouble.as_ref().map(|trouble| trouble.first_failed_at),
            given_up_at: self.kinesis.now(),
            stream_arn: self.kinesis.stream_arn(&self.calls.shard().stream),
        };
        let taken = select! {
            biased;
            () = self.leaving.cancelled() => return Err(Halt::Leaving),
            taken = self.last_resort.take(records, &exhausted) => taken,
        };
        taken.map_err(Halt::StopWorker)?;
        self.checkpointer.pass(&records[records.len() - 1].position);
        self.trouble = None;
        in_hand.attempts.settle(range.end);
        Ok(true)
    }

    /// A call with the records of `tried` has failed. True if some of them are processed all the same.
    fn fail(
        &mut self,
        in_hand: &mut BatchInHand,
        tried: Range<usize>,
        failure: &CallFailure,
        elapsed: Duration,
    ) -> bool {
        let records = &in_hand.batch.records;
        let at = failure
            .position
            .as_ref()
            .and_then(|position| records.binary_search_by(|record| record.position.cmp(position)).ok());
        self.checkpointer.fail();
        let led_to = in_hand.attempts.fail(at, self.last_resort.policy());
        let start = in_hand.attempts.next().map_or(tried.end, |next| next.start);
        if start > tried.start {
            // What failed before is taken: this is the story of another record.
            self.trouble = None;
        }
        let (delay, _) = self.note_failure("process_records", failure, led_to);
        if let Some(trouble) = &mut self.trouble {
            trouble.delay = Some(delay);
        }
        if start == tried.start {
            return false;
        }
        let is_passed = self.last_resort.plants(PlantedFault::CommitPastFailure);
        let last = if is_passed { start.min(tried.end - 1) } else { start - 1 };
        self.checkpointer.pass(&records[last].position);
        self.report_processed(&in_hand.batch, tried.start..start, elapsed);
        true
    }

    /// Reports a failure after which a call is made again. Returns when, and how often that was so in a row.
    fn note_failure(&mut self, call: &str, failure: &CallFailure, led_to: Failure) -> (Duration, u32) {
        let (policy, seed) = (self.last_resort.policy(), self.last_resort.seed);
        let trouble = self.trouble.get_or_insert_with(|| {
            Box::new(Trouble {
                error: String::new(),
                first_failed_at: self.kinesis.now(),
                retry: Retry::new(policy.retry_delays, seed),
                delay: None,
                blocked: None,
            })
        });
        trouble.error.clone_from(&failure.text);
        if led_to == Failure::Narrowed {
            trouble.retry.reset();
        }
        let delay = trouble.retry.next_delay();
        let failed_attempts = trouble.retry.failed_attempts();
        self.report_failure(call, &failure.text, failed_attempts, Some(delay));
        (delay, failed_attempts)
    }

    fn block(&mut self, condition: FailureCondition, record: Option<&Record>) {
        let Some(Trouble { error, blocked, .. }) = self.trouble.as_deref_mut() else { return };
        let reason = BlockReason::Exhausted(condition);
        blocked.get_or_insert_with(|| Blocked::new(&self.last_resort, reason, record, error));
    }

    /// Reports the failure of a call that is not made again.
    fn report_once(&self, call: &str, outcome: Result<(), CallFailure>) {
        if let Err(failure) = outcome {
            self.report_failure(call, &failure.text, 1, None);
        }
    }

    fn report_failure(&self, call: &str, error: &str, failed_attempts: u32, delay: Option<Duration>) {
        let shard = self.calls.shard();
        self.calls.events().emit(&Event::ProcessorFailed { shard, call, error, failed_attempts, delay });
    }

    /// Those of the batch's records are processed. They are some.
    fn report_processed(&self, batch: &RecordBatch, range: Range<usize>, elapsed: Duration) {
        let (shard, millis_behind_latest) = (self.calls.shard(), batch.millis_behind_latest);
        let processed = &batch.records[range];
        let Some(Record { position: last, .. }) = processed.last() else { return };
        let (records, bytes) = (processed.len(), processed.iter().map(|record| record.data.len()).sum());
        let processed = Event::BatchProcessed { shard, records, bytes, last, elapsed, millis_behind_latest };
        self.calls.events().emit(&processed);
    }
}

/// What the processor logs while it has a batch belongs to the batch. The fields cost nothing unless somebody listens.
fn span(batch: &RecordBatch) -> Span {
    let RecordBatch { shard, records, .. } = batch;
    let position = |record: Option<&Record>| record.map(|record| record.position.to_string());
    let (first, last) = (records.first(), records.last());
    debug_span!("batch", %shard, records = records.len(), first = position(first), last = position(last))
}

/// False if the shard is about to be given away.
async fn wait(delay: Duration, leaving: &CancellationToken) -> bool {
    select! {
        biased;
        () = leaving.cancelled() => false,
        () = sleep(delay) => true,
    }
}

impl BatchInHand {
    pub(crate) fn new(shard: ShardKey, next: NextRecords, millis_behind_latest: u64) -> Self {
        let NextRecords { records, malformed } = next;
        let attempts = Attempts::with_alone(records.len(), malformed.keys().copied());
        Self { batch: RecordBatch { shard, records, millis_behind_latest }, malformed, attempts }
    }

    /// The last of its records.
    pub(crate) fn last(&self) -> Option<&Record> {
        self.batch.records.last()
    }

    /// Some of its records as a batch of their own.
    fn part(&self, range: Range<usize>) -> Cow<'_, RecordBatch> {
        let RecordBatch { shard, records, millis_behind_latest } = &self.batch;
        if range.len() == records.len() {
            return Cow::Borrowed(&self.batch);
        }
        let (shard, records) = (shard.clone(), records[range].to_vec());
        Cow::Owned(RecordBatch { shard, records, millis_behind_latest: *millis_behind_latest })
    }

    /// True if every record is taken or given up.
    pub(crate) fn is_done(&self) -> bool {
        self.attempts.next().is_none()
    }
}
