use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::fetch_budget::{Room, ShardBudget};
use super::kinesis::REQUEST_TIMEOUT;
use super::page_size::{PageSize, held_bytes};
use super::read_position::ReadPosition;
use super::{GetRecordsOutput, Kinesis, PollingSettings, RecordSource, ShardIterator, SourceBatch};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::model::ShardKey;
use crate::retry::{Retry, RetryDelays, within};

/// Throttling ends within a second or so, trouble of the service may last: quick first, patient later.
const READ_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(250), max: Duration::from_secs(10) };

/// So many answers in a row that are not what the service sends, and the shard is left to another worker. One or two come of a
/// proxy in trouble; more of one that is wrong, and another worker may have a better way.
const CORRUPT_ANSWERS_MAX: u32 = 3;

/// Reads a shard with `GetRecords`.
#[derive(Debug)]
pub(super) struct PollingSource {
    kinesis: Arc<dyn Kinesis>,
    shard: ShardKey,
    settings: PollingSettings,
    events: Events,
    retry: Retry,
    /// In a row.
    corrupt_answers: u32,
    position: ReadPosition,
    iterator: Option<ShardIterator>,
    page_size: PageSize,
    next_read_at: Instant,
}

impl PollingSource {
    pub(super) fn new(
        kinesis: Arc<dyn Kinesis>,
        shard: ShardKey,
        position: ReadPosition,
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
            corrupt_answers: 0,
            position,
            iterator: None,
            page_size: PageSize::default(),
            next_read_at: Instant::now(),
        }
    }

    /// How far it has read.
    pub(super) fn position(&self) -> &ReadPosition {
        &self.position
    }

    /// One read. Dropped while it waits, it has read nothing.
    async fn read(&mut self, room: Room) -> Result<SourceBatch> {
        let asked_at = self.kinesis.now();
        let iterator = if let Some(iterator) = &self.iterator {
            iterator.clone()
        } else {
            let position = self.position.next_start(asked_at);
            let call = self.kinesis.get_shard_iterator(&self.shard, &position);
            within(REQUEST_TIMEOUT, "GetShardIterator", call).await?
        };
        let started = Instant::now();
        // Kept before the read: a `LATEST` iterator asked for anew would skip what arrived in between.
        self.iterator = Some(iterator.clone());
        let limit = self.page_size.records_within(room.bytes(), self.settings.records_per_read_max);
        let read = self.kinesis.get_records(&iterator, limit);
        let output = within(REQUEST_TIMEOUT, "GetRecords", read).await?;
        if output.records.is_empty() && output.millis_behind_latest == 0 {
            self.position.note_tip(asked_at);
        }
        Ok(self.accept(output, room, started))
    }

    fn accept(&mut self, output: GetRecordsOutput, mut room: Room, started: Instant) -> SourceBatch {
        let GetRecordsOutput { mut records, next, millis_behind_latest, children } = output;
        let read_bytes = records.iter().map(|record| record.partition_key.len() + record.data.len()).sum();
        self.next_read_at = started + self.settings.interval_after(read_bytes, millis_behind_latest);
        if let Some(position) = self.position.accept(&mut records, next.is_none()) {
            self.events.emit(&Event::PositionTrimmed { shard: &self.shard, position: &position });
        }
        let bytes = records.iter().map(held_bytes).sum();
        self.page_size.note(bytes, &records);
        room.try_grow(bytes);
        room.shrink(bytes);
        if self.retry.failed_attempts() > 0 {
            self.events.emit(&Event::ReadRecovered { shard: &self.shard });
        }
        self.retry.reset();
        self.corrupt_answers = 0;
        let shard_end = next.is_none().then_some(children);
        self.iterator = next;
        SourceBatch { records, millis_behind_latest, shard_end, room: Some(room) }
    }

    /// Decides when to try again, or that trying again is of no use.
    fn recover(&mut self, error: Error) -> Result<()> {
        let expired = error.kind() == ErrorKind::IteratorExpired;
        self.corrupt_answers = if error.kind() == ErrorKind::Corrupt { self.corrupt_answers + 1 } else { 0 };
        let may_be_mended = self.corrupt_answers > 0 && self.corrupt_answers < CORRUPT_ANSWERS_MAX;
        if !expired && !may_be_mended && !error.is_retryable() {
            return Err(error);
        }
        if expired {
            self.iterator = None;
        }
        let delay = self.retry.next_delay().max(self.settings.read_interval_min());
        self.next_read_at = Instant::now() + delay;
        let failed_attempts = self.retry.failed_attempts();
        self.events.emit(&Event::ReadFailed { shard: &self.shard, error: &error, failed_attempts, delay });
        Ok(())
    }
}

#[async_trait]
impl RecordSource for PollingSource {
    async fn next_batch(&mut self, budget: &ShardBudget) -> Result<SourceBatch> {
        loop {
            sleep_until(self.next_read_at).await;
            let room = budget.reserve(self.page_size.wanted_bytes(), Some(PageSize::generous_bytes())).await;
            match self.read(room).await {
                Ok(batch) => return Ok(batch),
                Err(error) => self.recover(error)?,
            }
        }
    }
}
