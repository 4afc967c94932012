use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::kinesis::REQUEST_TIMEOUT;
use super::record_source::CLOCK_MARGIN;
use super::{
    ChildShard, GET_RECORDS_MAX, GetRecordsOutput, IteratorPosition, Kinesis, RecordSource, ShardIterator,
    SourceBatch, StartPosition,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::model::{Record, ShardKey, Timestamp};
use crate::retry::{Retry, RetryDelays, within};

/// The service allows five reads a second on a shard, for all its consumers together (Kinesis quotas).
const READ_INTERVAL_MIN: Duration = Duration::from_millis(200);

/// Throttling ends within a second or so, trouble of the service may last: quick first, patient later.
const READ_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(250), max: Duration::from_secs(10) };

/// How a shard is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollingSettings {
    /// The time from one read to the next once the tip of the shard is reached. Default 1 s; at least 200 ms, the
    /// service's limit for a shard that has one consumer. While behind, reads follow each other at that limit.
    pub idle_time_between_reads: Duration,
    /// The most records that one read asks for. Default and maximum [`GET_RECORDS_MAX`].
    pub records_per_read_max: u32,
}

impl Default for PollingSettings {
    fn default() -> Self {
        Self { idle_time_between_reads: Duration::from_secs(1), records_per_read_max: GET_RECORDS_MAX }
    }
}

impl PollingSettings {
    /// Fails with [`ErrorKind::Refused`], naming the value, if the service would not allow it.
    pub fn validate(&self) -> Result<()> {
        let Self { idle_time_between_reads: idle, records_per_read_max: records } = *self;
        if idle < READ_INTERVAL_MIN {
            let message = format!(
                "idle_time_between_reads is {idle:?}; Kinesis allows one read in {READ_INTERVAL_MIN:?}"
            );
            return Err(Error::new(ErrorKind::Refused, message));
        }
        if !(1..=GET_RECORDS_MAX).contains(&records) {
            let message =
                format!("records_per_read_max is {records}; it must be from 1 to {GET_RECORDS_MAX}");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        Ok(())
    }
}

/// Reads a shard with `GetRecords`.
#[derive(Debug)]
pub(crate) struct PollingSource {
    kinesis: Arc<dyn Kinesis>,
    shard: ShardKey,
    settings: PollingSettings,
    events: Events,
    retry: Retry,
    /// What has been returned so far ends here: where a new iterator starts.
    position: StartPosition,
    iterator: Option<ShardIterator>,
    /// The last time at which a reader that started at the tip is known to have been there.
    at_tip: Option<Timestamp>,
    /// True until the first record after a new iterator shows whether retention has passed the position.
    position_may_be_trimmed: bool,
    next_read_at: Instant,
    shard_end: Option<Vec<ChildShard>>,
}

impl PollingSource {
    pub(crate) fn new(
        kinesis: Arc<dyn Kinesis>,
        shard: ShardKey,
        position: StartPosition,
        settings: PollingSettings,
        events: Events,
        seed: u64,
    ) -> Self {
        Self {
            kinesis,
            shard,
            settings,
            events,
            retry: Retry::new(READ_RETRY_DELAYS, seed),
            position,
            iterator: None,
            at_tip: None,
            position_may_be_trimmed: false,
            next_read_at: Instant::now(),
            shard_end: None,
        }
    }

    /// One read. Dropped while it waits, it has read nothing.
    async fn read(&mut self) -> Result<SourceBatch> {
        let asked_at = self.kinesis.now();
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => self.new_iterator().await?,
        };
        let started = Instant::now();
        // Kept before the read: a `LATEST` iterator asked for anew would skip what arrived in between.
        self.iterator = Some(iterator.clone());
        self.at_tip.get_or_insert(asked_at);
        let limit = self.settings.records_per_read_max;
        let read = self.kinesis.get_records(&iterator, limit);
        let output = within(REQUEST_TIMEOUT, "GetRecords", read).await?;
        if output.records.is_empty() && output.millis_behind_latest == 0 {
            self.at_tip = Some(asked_at);
        }
        Ok(self.accept(output, started))
    }

    async fn new_iterator(&mut self) -> Result<ShardIterator> {
        let position = match &self.position {
            StartPosition::TrimHorizon => IteratorPosition::TrimHorizon,
            StartPosition::Latest => match self.at_tip {
                None => IteratorPosition::Latest,
                // It has been there before: the tip of today would skip what arrived since.
                Some(time) => IteratorPosition::AtTimestamp(time.saturating_sub(CLOCK_MARGIN)),
            },
            StartPosition::AtTimestamp(time) => IteratorPosition::AtTimestamp(*time),
            // Not `AfterSequenceNumber`: the position may lie inside an aggregate, whose rest is still to come.
            StartPosition::After(last) => IteratorPosition::AtSequenceNumber(last.sequence_number.clone()),
        };
        self.position_may_be_trimmed = matches!(position, IteratorPosition::AtSequenceNumber(_));
        let call = self.kinesis.get_shard_iterator(&self.shard, &position);
        within(REQUEST_TIMEOUT, "GetShardIterator", call).await
    }

    fn accept(&mut self, output: GetRecordsOutput, started: Instant) -> SourceBatch {
        let mut records = output.records;
        self.report_trimmed_position(records.first());
        records.retain(|record| !self.is_before_position(record));
        if let Some(last) = records.last() {
            self.position = StartPosition::After(last.position.clone());
        }
        let at_tip = output.millis_behind_latest == 0;
        let interval = if at_tip { self.settings.idle_time_between_reads } else { READ_INTERVAL_MIN };
        self.next_read_at = started + interval;
        self.retry.reset();
        if output.next.is_none() {
            self.shard_end = Some(output.children);
        }
        self.iterator = output.next;
        SourceBatch {
            records,
            millis_behind_latest: output.millis_behind_latest,
            shard_end: self.shard_end.clone(),
        }
    }

    /// A position that was asked for and does not come back first has left the retention, and perhaps what followed.
    fn report_trimmed_position(&mut self, first: Option<&Record>) {
        let (Some(first), StartPosition::After(last)) = (first, &self.position) else { return };
        let expected = std::mem::take(&mut self.position_may_be_trimmed);
        if expected && first.position.sequence_number != last.sequence_number {
            self.events.emit(&Event::PositionTrimmed { shard: &self.shard, position: last });
        }
    }

    fn is_before_position(&self, record: &Record) -> bool {
        matches!(&self.position, StartPosition::After(last) if record.position <= *last)
    }

    /// Decides when to try again, or that trying again is of no use.
    fn recover(&mut self, error: Error) -> Result<()> {
        let expired = error.kind() == ErrorKind::IteratorExpired;
        if !expired && !error.is_retryable() {
            return Err(error);
        }
        if expired {
            self.iterator = None;
        }
        let delay = self.retry.next_delay();
        self.next_read_at = Instant::now() + delay.max(READ_INTERVAL_MIN);
        let failed_attempts = self.retry.failed_attempts();
        self.events.emit(&Event::ReadFailed { shard: &self.shard, error: &error, failed_attempts, delay });
        Ok(())
    }
}

#[async_trait]
impl RecordSource for PollingSource {
    async fn next_batch(&mut self) -> Result<SourceBatch> {
        if self.shard_end.is_some() {
            return Ok(SourceBatch { shard_end: self.shard_end.clone(), ..SourceBatch::default() });
        }
        loop {
            sleep_until(self.next_read_at).await;
            match self.read().await {
                Ok(batch) => return Ok(batch),
                Err(error) => self.recover(error)?,
            }
        }
    }
}
