use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::select;
use tokio::sync::Notify;

use super::push::{Push, PushCursor};
use super::service::Service;
use crate::error::Result;
use crate::model::ShardKey;
use crate::stream::{Subscription, SubscriptionEvent};

/// An open subscription. It holds no records: those of an event are read when it is asked for.
pub(super) struct MemorySubscription {
    pub(super) service: Arc<Service>,
    pub(super) shard: ShardKey,
    pub(super) cursor: PushCursor,
    pub(super) news: Arc<Notify>,
}

#[async_trait]
impl Subscription for MemorySubscription {
    /// Cancel-safe: the cursor moves in the same step that returns the event.
    async fn next_event(&mut self) -> Result<Option<SubscriptionEvent>> {
        loop {
            // Before looking, so that no news falls in between.
            let news = self.news.notified();
            let cursor = &mut self.cursor;
            let push =
                self.service.with_stream(&self.shard.stream, |stream, now| stream.push(cursor, now))?;
            let later = match push {
                Push::Event(event) => return Ok(Some(event)),
                Push::End => return Ok(None),
                Push::Later(time) => time,
            };
            select! {
                biased;
                () = news => {}
                () = self.service.clock().wait_towards(later) => {}
            }
        }
    }
}

impl fmt::Debug for MemorySubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySubscription")
            .field("shard", &self.shard)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
