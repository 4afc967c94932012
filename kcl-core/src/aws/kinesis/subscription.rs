//! A subscription over the SDK's event stream.
//!
//! After an error the stream is never read again: behind a broken frame the SDK would go on with the frame after it,
//! which is a gap that nobody sees, and after a reset it would repeat the error for ever.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_kinesis::primitives::event_stream::EventReceiver;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{SubscribeToShardEvent, SubscribeToShardEventStream};

use super::translate::{child_shard, millis, read_all, record, unreadable};
use crate::aws::error::ErrorContext;
use crate::error::Result;
use crate::model::SequenceNumber;
use crate::stream::{Subscription, SubscriptionEvent};

pub(super) type Events = EventReceiver<SubscribeToShardEventStream, SubscribeToShardEventStreamError>;

/// [`Subscription`] over the events of one answer. Without a time-out: a stream may be silent for seconds, and only its
/// reader knows for how long is too long.
pub(super) struct AwsSubscription {
    /// `None` after the end or an error.
    events: Option<Events>,
    /// The call that opened it, for error messages.
    call: String,
    errors: ErrorContext,
}

impl AwsSubscription {
    pub(super) fn new(events: Events, call: String, errors: ErrorContext) -> Self {
        Self { events: Some(events), call, errors }
    }

    async fn receive(&mut self) -> Result<Option<SubscriptionEvent>> {
        // An event of a type that did not exist when this was written tells nothing about records.
        while let Some(events) = &mut self.events {
            match events.recv().await {
                Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event))) => {
                    return translate(&self.call, event).map(Some);
                }
                Ok(Some(_)) => {}
                Ok(None) => self.events = None,
                Err(error) => return Err(self.errors.stream_error(&self.call, &error)),
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Subscription for AwsSubscription {
    async fn next_event(&mut self) -> Result<Option<SubscriptionEvent>> {
        let event = self.receive().await;
        if event.is_err() {
            self.events = None;
        }
        event
    }
}

impl fmt::Debug for AwsSubscription {
    /// Without the bytes that have arrived.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSubscription").field("call", &self.call).finish_non_exhaustive()
    }
}

/// The end of a shard is known by its children alone, as the Java KCL knows it (`DataRetrievalUtil.java`). The service
/// then sends no continuation either, but some emulators send one, and others send none where nothing was read yet. An
/// end that is overlooked costs another subscription; one that is only believed loses what follows.
fn translate(call: &str, event: SubscribeToShardEvent) -> Result<SubscriptionEvent> {
    let children = read_all(call, event.child_shards.unwrap_or_default(), child_shard)?;
    let is_shard_end = !children.is_empty();
    let continuation = if is_shard_end {
        None
    } else {
        continuation(&event.continuation_sequence_number).map_err(|error| unreadable(call, &error))?
    };
    Ok(SubscriptionEvent {
        records: read_all(call, event.records, record)?,
        continuation,
        millis_behind_latest: millis(Some(event.millis_behind_latest)),
        is_shard_end,
        children,
    })
}

/// The SDK reads a missing number as an empty one, and `LocalStack` sends "0", which is no position of any shard.
fn continuation(number: &str) -> Result<Option<SequenceNumber>> {
    match number {
        "" | "0" => Ok(None),
        number => number.parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::{ChildShard, HashKeyRange};

    use super::*;

    fn event(continuation: &str, children: Option<Vec<ChildShard>>) -> SubscriptionEvent {
        let event = SubscribeToShardEvent::builder()
            .set_records(Some(Vec::new()))
            .continuation_sequence_number(continuation)
            .millis_behind_latest(-1)
            .set_child_shards(children);
        translate("SubscribeToShard", event.build().unwrap()).unwrap()
    }

    fn child() -> ChildShard {
        let range = HashKeyRange::builder().starting_hash_key("0").ending_hash_key("1").build().unwrap();
        ChildShard::builder()
            .shard_id("shardId-1")
            .parent_shards("shardId-0")
            .hash_key_range(range)
            .build()
            .unwrap()
    }

    #[test]
    fn only_children_end_a_shard() {
        for (continuation, known) in [("", false), ("0", false), ("17", true)] {
            for no_children in [None, Some(Vec::new())] {
                let event = event(continuation, no_children);
                assert_eq!(
                    (event.is_shard_end, event.continuation.is_some()),
                    (false, known),
                    "{continuation}"
                );
            }
            let end = event(continuation, Some(vec![child()]));
            assert_eq!((end.is_shard_end, end.continuation, end.children.len()), (true, None, 1));
        }
    }

    #[test]
    fn a_negative_lag_is_none() {
        assert_eq!(event("17", None).millis_behind_latest, 0);
    }
}
