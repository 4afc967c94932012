use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::Registration;
use super::last_read::last_read;
use super::subscribe_schedule::{NextAttempt, SUBSCRIBE_INTERVAL, SubscribeSchedule};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::model::{Record, ShardKey};
use crate::retry::within;
use crate::stream::fetch_budget::{Room, ShardBudget};
use crate::stream::page_size::held_bytes;
use crate::stream::read_position::ReadPosition;
use crate::stream::{Kinesis, RecordSource, SourceBatch, Subscription, SubscriptionEvent};

/// Subscribing opens a connection, and the service answers with the first frame. No time-out of an SDK covers it.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);

/// A consumer that is known, or only has to be described, is found sooner. Meanwhile the tip moves on.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(1);

/// While a shard's processor is too far behind, its subscription is left unread for this long, in case it catches up; then
/// it is given up, which frees what the connection buffers.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(1);

/// Room for an ordinary event: the service pushes some 14 times a second.
const EVENT_BYTES_MIN: usize = 64 * 1024;

/// Reads a shard with `SubscribeToShard`.
#[derive(Debug)]
pub(in crate::stream) struct FanOutSource {
    kinesis: Arc<dyn Kinesis>,
    shard: ShardKey,
    registration: Arc<Registration>,
    events: Events,
    schedule: SubscribeSchedule,
    position: ReadPosition,
    open: Option<Open>,
    /// The largest event of late.
    event_bytes: usize,
}

#[derive(Debug)]
struct Open {
    subscription: Box<dyn Subscription>,
    opened_at: Instant,
    /// What there was no room for of the last event. It is beside the budget, so it is kept no longer than a subscription may
    /// be left unread.
    rest: Option<SubscriptionEvent>,
}

impl Open {
    /// The next event, or `None` at the end. While it waits, nothing of the common half is held for it: a few thousand idle
    /// shards would have all of that.
    async fn next_event(
        &mut self,
        silence_max: Duration,
        room: &mut Room,
    ) -> Result<Option<SubscriptionEvent>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let mut event = pin!(timeout(silence_max, self.subscription.next_event()));
        let event = if let Some(event) = event.as_mut().now_or_never() {
            event
        } else {
            room.give_back_common();
            event.await
        };
        let silent = || transient(format!("nothing came from the subscription for {silence_max:?}"));
        event.unwrap_or_else(|_| Err(silent()))
    }
}

impl FanOutSource {
    pub(in crate::stream) fn new(
        kinesis: Arc<dyn Kinesis>,
        shard: ShardKey,
        position: ReadPosition,
        registration: Arc<Registration>,
        events: Events,
        seed: u64,
    ) -> Self {
        Self {
            kinesis,
            shard,
            registration,
            events,
            schedule: SubscribeSchedule::new(seed),
            position,
            open: None,
            event_bytes: EVENT_BYTES_MIN,
        }
    }

    /// How far it has read.
    pub(in crate::stream) fn position(&self) -> &ReadPosition {
        &self.position
    }

    /// Subscribes where another source has come to. The first failure from here on is final, unless an event came before.
    pub(in crate::stream) async fn resume(&mut self, position: ReadPosition) -> Result<()> {
        self.position = position;
        self.subscribe().await
    }

    /// The next event as a batch; `None` if there is none yet.
    async fn read(&mut self, mut room: Room) -> Result<Option<SourceBatch>> {
        if self.open.is_none() {
            // It may take long, and there will be room for an event when there is one.
            room.give_back_common();
            self.schedule.wait().await;
            self.subscribe().await?;
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        let event = open.next_event(self.registration.settings().silence_max, &mut room).await;
        let age = open.opened_at.elapsed();
        match event {
            Ok(Some(event)) => {
                if self.schedule.note_event(age) {
                    self.events.emit(&Event::ReadRecovered { shard: &self.shard });
                }
                return Ok(Some(self.accept(event, room)));
            }
            Ok(None) => self.close(),
            Err(error) => {
                self.close();
                // The next attempt tells what is gone: the shard, or the consumer.
                let is_gone = error.kind() == ErrorKind::NotFound;
                return Err(if is_gone { transient(error.to_string()) } else { error });
            }
        }
        if age < SUBSCRIBE_INTERVAL {
            return Err(transient(format!("the service ended the subscription after {age:?}")));
        }
        Ok(None)
    }

    async fn subscribe(&mut self) -> Result<()> {
        // First: a start at the tip counts from here, even if the consumer cannot be looked up for a while, or is being
        // registered.
        let mut position = self.position.next_start(self.kinesis.now());
        let asked_at = Instant::now();
        let consumer = self.registration.arn().await.map_err(of_consumer)?;
        let opened_at = Instant::now();
        if opened_at - asked_at > LOOK_UP_TIME_MAX {
            position = self.position.next_start(self.kinesis.now());
        }
        let call = self.kinesis.subscribe_to_shard(&consumer, &self.shard, &position);
        match within(SUBSCRIBE_TIMEOUT, "SubscribeToShard", call).await {
            Ok(subscription) => {
                self.schedule.note_opened(opened_at);
                self.open = Some(Open { subscription, opened_at, rest: None });
                Ok(())
            }
            // The shard, or a consumer that was deregistered?
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(match self.registration.is_missing(&consumer).await {
                    Ok(true) => transient(format!("{error} The consumer was deregistered by somebody")),
                    Ok(false) if self.position.distrust_continuation() => {
                        transient(format!("{error} The place to go on is unknown"))
                    }
                    Ok(false) => error,
                    Err(unclear) => unclear,
                })
            }
            Err(error) => Err(error),
        }
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn accept(&mut self, mut event: SubscriptionEvent, mut room: Room) -> SourceBatch {
        self.accept_new(&mut event.records, event.is_shard_end);
        let rest = self.split_off_rest(&mut event.records, &mut room);
        if !rest.is_empty() {
            let records = std::mem::replace(&mut event.records, rest);
            let millis_behind_latest = event.millis_behind_latest;
            if let Some(open) = &mut self.open {
                open.rest = Some(event);
            }
            return SourceBatch { records, millis_behind_latest, shard_end: None, room: Some(room) };
        }
        let SubscriptionEvent { records, continuation, millis_behind_latest, is_shard_end, children } = event;
        if let Some(number) = continuation {
            self.position.continue_after(number);
        }
        if records.is_empty() && millis_behind_latest == 0 {
            self.position.note_tip(self.kinesis.now());
        }
        let shard_end = is_shard_end.then_some(children);
        SourceBatch { records, millis_behind_latest, shard_end, room: Some(room) }
    }

    /// Leaves the new ones of `records`, and tells if retention has taken some before them.
    fn accept_new(&mut self, records: &mut Vec<Record>, is_end: bool) {
        if let Some(position) = self.position.accept(records, is_end) {
            self.events.emit(&Event::PositionTrimmed { shard: &self.shard, position: &position });
        }
    }

    /// Fits the room to the records or, if the budget does not allow it, the records to the room: at least one stays. Returns
    /// the others: read once there is room for them, or asked for again.
    fn split_off_rest(&mut self, records: &mut Vec<Record>, room: &mut Room) -> Vec<Record> {
        let bytes = records.iter().map(held_bytes).sum::<usize>();
        self.event_bytes = bytes.max(self.event_bytes / 8 * 7).max(EVENT_BYTES_MIN);
        room.try_grow(bytes);
        if bytes <= room.bytes() {
            room.shrink(bytes);
            return Vec::new();
        }
        let mut kept_bytes = 0;
        let fits = records.iter().take_while(|record| {
            kept_bytes += held_bytes(record);
            kept_bytes <= room.bytes()
        });
        let kept = fits.count().max(1);
        let rest = records.split_off(kept);
        if let (false, Some(last)) = (rest.is_empty(), records.last()) {
            self.position.set_last(last);
        }
        records.shrink_to_fit();
        rest
    }

    /// Waits for room. A subscription that would be left unread for long is given up.
    async fn room(&mut self, budget: &ShardBudget) -> Room {
        let mut reserved = pin!(budget.reserve(self.event_bytes, None));
        if let Some(room) = reserved.as_mut().now_or_never() {
            return room;
        }
        if let Some(_leave) = budget.leave_unread()
            && let Ok(room) = timeout(UNREAD_TIME_MAX, &mut reserved).await
        {
            return room;
        }
        self.close();
        reserved.await
    }

    /// Decides when to try again, or that trying again is of no use.
    fn recover(&mut self, error: &Error) -> Result<(), ()> {
        self.close();
        if !error.is_retryable() {
            return Err(());
        }
        let shard = &self.shard;
        if error.kind() == ErrorKind::InUse {
            let NextAttempt { failed_attempts, delay } = self.schedule.note_in_use();
            self.events.emit(&Event::SubscriptionInUse { shard, failed_attempts, delay });
        } else {
            let NextAttempt { failed_attempts, delay } = self.schedule.note_failure();
            self.events.emit(&Event::ReadFailed { shard, error, failed_attempts, delay });
        }
        let patience = self.registration.settings().fall_back_to_polling_after;
        if patience.is_some_and(|patience| self.schedule.has_failed_for(patience)) { Err(()) } else { Ok(()) }
    }

    /// The rest of the shard, if subscriptions fail because it has ended.
    async fn look_for_end(&mut self) -> Option<SourceBatch> {
        if !self.schedule.calls_for_a_look() {
            return None;
        }
        let mut position = self.position.clone();
        position.distrust_continuation();
        let position = position.next_start(self.kinesis.now());
        let (mut records, children) = last_read(&*self.kinesis, &self.shard, &position).await?;
        self.accept_new(&mut records, true);
        Some(SourceBatch { records, shard_end: Some(children), ..SourceBatch::default() })
    }
}

#[async_trait]
impl RecordSource for FanOutSource {
    async fn next_batch(&mut self, budget: &ShardBudget) -> Result<SourceBatch> {
        loop {
            let room = self.room(budget).await;
            match self.read(room).await {
                Ok(Some(batch)) => return Ok(batch),
                Ok(None) => {}
                Err(error) => {
                    if self.recover(&error).is_err() {
                        return Err(error);
                    }
                    if let Some(batch) = self.look_for_end().await {
                        return Ok(batch);
                    }
                }
            }
        }
    }
}

/// `NotFound` is kept for a shard: one whose consumer is missing may still be polled.
fn of_consumer(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::new(ErrorKind::Refused, error.to_string()),
        _ => error,
    }
}

fn transient(problem: String) -> Error {
    Error::new(ErrorKind::Transient, problem)
}

#[cfg(test)]
mod tests;
