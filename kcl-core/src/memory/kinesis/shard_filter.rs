use super::memory_shard::MemoryShard;
use super::memory_stream::MemoryStream;
use super::page_token::PageToken;
use crate::error::Result;
use crate::model::{Shard, ShardId, Timestamp};
use crate::stream::{ShardFilter, ShardPage, ShardPageRequest};

/// `ListShards`: which shards a filter lets through (`ShardFilter`, Kinesis API reference), page by page.
impl MemoryStream {
    pub(super) fn list(&self, page: &ShardPageRequest, now: Timestamp) -> Result<ShardPage> {
        let (filter, after) = match page {
            ShardPageRequest::First(ShardFilter::AfterShardId(id)) => (ShardFilter::All, Some(id.clone())),
            ShardPageRequest::First(filter) => (filter.clone(), None),
            ShardPageRequest::Next(token) => {
                let token = PageToken::read(token, self.id(), self.settings().page_token_lifetime, now)?;
                (token.filter, Some(token.last))
            }
        };
        let mut rest = self.filtered(&filter, after.as_ref());
        let shards: Vec<_> = rest.by_ref().take(self.settings().shards_per_page.max(1)).cloned().collect();
        let last = shards.last().map(|shard| shard.shard_id.clone()).filter(|_| rest.next().is_some());
        drop(rest);
        let token = |last| PageToken { stream: self.id().clone(), filter, last, issued_at: now };
        Ok(ShardPage { shards, next: last.map(|last| token(last).into()) })
    }

    fn filtered(&self, filter: &ShardFilter, after: Option<&ShardId>) -> impl Iterator<Item = &Shard> {
        let filter = filter.clone();
        self.shards_after(after)
            .filter(move |shard| {
                let (opened_at, closed_at) = shard.lifetime();
                let closed_before = |time| closed_at.is_some_and(|closed_at| closed_at < time);
                match &filter {
                    ShardFilter::All | ShardFilter::FromTrimHorizon | ShardFilter::AfterShardId(_) => true,
                    // Each hash key once, even if the parent was closed at the horizon itself.
                    ShardFilter::AtTrimHorizon => !shard.listing().parents().any(|id| self.has_shard(id)),
                    ShardFilter::AtLatest => closed_at.is_none(),
                    ShardFilter::AtTimestamp(time) => {
                        let time = (*time).max(self.oldest_time());
                        opened_at <= time && !closed_before(time)
                    }
                    ShardFilter::FromTimestamp(time) => !closed_before(*time),
                }
            })
            .map(MemoryShard::listing)
    }
}
