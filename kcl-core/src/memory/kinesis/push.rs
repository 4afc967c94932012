use super::memory_shard::{MemoryShard, ReadMax, ShardRead};
use super::memory_stream::MemoryStream;
use super::subscription_slot::Ticket;
use crate::error::Result;
use crate::model::{ConsumerArn, ShardId, Timestamp};
use crate::stream::{IteratorPosition, SubscriptionEvent};

/// How much one event holds: what a consumer may get from a shard in 70 ms, and as many records as a read returns.
const EVENT_MAX: ReadMax = ReadMax { records: 10_000, bytes: 140 * 1024 };

/// What an event holds that only says that the subscription is alive.
const HEARTBEAT: ReadMax = ReadMax { records: 0, bytes: 0 };

/// How far a subscription has come.
#[derive(Debug)]
pub(super) struct PushCursor {
    consumer: ConsumerArn,
    shard_id: ShardId,
    ticket: Ticket,
    /// The sequence index of the next record; `None` once the end of the shard has been delivered.
    next_index: Option<u64>,
    ends_at: Timestamp,
    heartbeat_at: Timestamp,
}

/// What a subscription has to deliver.
pub(super) enum Push {
    Event(SubscriptionEvent),
    /// Nothing before this time, unless there is news.
    Later(Timestamp),
    End,
}

/// `SubscribeToShard`, and what it pushes.
impl MemoryStream {
    pub(super) fn subscribe(
        &mut self,
        consumer: &ConsumerArn,
        shard_id: &ShardId,
        position: &IteratorPosition,
        now: Timestamp,
    ) -> Result<PushCursor> {
        let (settings, limits) = (self.settings().fan_out, self.settings().limits);
        self.shard(shard_id)?;
        self.consumers.slot(consumer, shard_id, now)?.check_free(settings.take_over_after, &limits, now)?;
        let shard = self.shard_mut(shard_id)?;
        let next_index = shard.index_of(position, now)?;
        shard.news().notify_waiters();
        Ok(PushCursor {
            consumer: consumer.clone(),
            shard_id: shard_id.clone(),
            ticket: self.consumers.slot(consumer, shard_id, now)?.take(now),
            next_index: Some(next_index),
            ends_at: now.saturating_add(settings.subscription_lifetime),
            heartbeat_at: now.saturating_add(settings.heartbeat_interval),
        })
    }

    /// What comes next for the subscription at `cursor`, which moves behind it.
    pub(super) fn push(&mut self, cursor: &mut PushCursor, now: Timestamp) -> Result<Push> {
        let Some(next_index) = cursor.next_index else { return Ok(Push::End) };
        let slot = self.consumers.slot(&cursor.consumer, &cursor.shard_id, now)?;
        slot.check_held(cursor.ticket)?;
        if now >= cursor.ends_at {
            return Ok(Push::End);
        }
        let free_at = slot.free_at();
        let (settings, limits) = (self.settings().fan_out, self.settings().limits);
        let shard = self.shard_mut(&cursor.shard_id)?;
        let records_at = shard.push_at(next_index, settings.push_delay).map(|at| at.max(free_at));
        let max = match records_at {
            Some(at) if at <= now => EVENT_MAX,
            _ if cursor.heartbeat_at <= now => HEARTBEAT,
            _ => {
                let silent_until = cursor.heartbeat_at.min(cursor.ends_at);
                return Ok(Push::Later(records_at.map_or(silent_until, |at| at.min(silent_until))));
            }
        };
        cursor.heartbeat_at = now.saturating_add(settings.heartbeat_interval);
        let read = shard.read(next_index, max, now);
        cursor.next_index = read.next_index;
        let bytes = read.bytes;
        let event = event(shard, read, now)?;
        self.consumers.slot(&cursor.consumer, &cursor.shard_id, now)?.count_pushed(bytes, &limits, now);
        Ok(Push::Event(event))
    }
}

fn event(shard: &MemoryShard, read: ShardRead, now: Timestamp) -> Result<SubscriptionEvent> {
    let is_shard_end = read.next_index.is_none();
    Ok(SubscriptionEvent {
        records: read.records,
        continuation: read.next_index.map(|index| shard.number_before(index, now)).transpose()?,
        millis_behind_latest: read.millis_behind_latest,
        is_shard_end,
        children: if is_shard_end { shard.children().to_vec() } else { Vec::new() },
    })
}
