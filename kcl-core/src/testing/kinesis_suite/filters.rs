//! Which shards a filter lets through.

use std::time::Duration;

use super::{Fixture, KinesisFixture, needs, one_shard, shards};
use crate::model::{Shard, ShardId, ShardKey, StreamId, Timestamp};
use crate::stream::{ShardFilter, ShardPageRequest};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq};

/// Between what must differ in time.
const MOMENT: Duration = Duration::from_millis(20);

/// Between what must differ in time for those, too, who compare whole seconds, as kinesis-mock does.
const SECOND: Duration = Duration::from_millis(1_050);

/// More pages than any case lists.
const PAGES_MAX: usize = 10;

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        every_filter_shows_the_shards_of_a_new_stream,
        at_latest_shows_the_open_shards,
        at_trim_horizon_shows_the_shards_that_were_open_then,
        from_trim_horizon_shows_every_shard,
        at_timestamp_shows_the_shards_that_were_open_then,
        from_timestamp_shows_the_shards_that_were_open_then_and_their_children,
        times_before_the_stream_are_those_of_its_creation,
        after_a_shard_come_those_with_higher_names,
        after_the_last_shard_comes_none,
        a_filter_holds_for_every_page,
        the_trim_horizon_moves_past_a_closed_shard,
    ]
}

async fn every_filter_shows_the_shards_of_a_new_stream(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(3).await?;
    fixture.pass(MOMENT).await;
    let all = names(&shards(&fixture, &stream).await?);
    let now = fixture.kinesis().now();
    let filters = [
        ShardFilter::All,
        ShardFilter::AtTrimHorizon,
        ShardFilter::FromTrimHorizon,
        ShardFilter::AtLatest,
        ShardFilter::AtTimestamp(now),
        ShardFilter::FromTimestamp(now),
    ];
    for filter in filters {
        check_shows(&fixture, &stream, filter, &all).await?;
    }
    Ok(())
}

async fn at_latest_shows_the_open_shards(fixture: Fixture) -> CaseResult {
    let split = Split::new(&fixture).await?;
    check_shows(&fixture, &split.stream, ShardFilter::AtLatest, &split.children).await
}

async fn at_trim_horizon_shows_the_shards_that_were_open_then(fixture: Fixture) -> CaseResult {
    let split = Split::new(&fixture).await?;
    check_shows(&fixture, &split.stream, ShardFilter::AtTrimHorizon, &[split.parent]).await
}

async fn from_trim_horizon_shows_every_shard(fixture: Fixture) -> CaseResult {
    let split = Split::new(&fixture).await?;
    check_shows(&fixture, &split.stream, ShardFilter::FromTrimHorizon, &split.family()).await
}

async fn at_timestamp_shows_the_shards_that_were_open_then(fixture: Fixture) -> CaseResult {
    let split = Split::apart(&fixture, SECOND).await?;
    let (before, after) = (ShardFilter::AtTimestamp(split.before), ShardFilter::AtTimestamp(split.after));
    check_shows(&fixture, &split.stream, before, &[split.parent]).await?;
    check_shows(&fixture, &split.stream, after, &split.children).await
}

async fn from_timestamp_shows_the_shards_that_were_open_then_and_their_children(
    fixture: Fixture,
) -> CaseResult {
    let split = Split::apart(&fixture, SECOND).await?;
    let (before, after) = (ShardFilter::FromTimestamp(split.before), ShardFilter::FromTimestamp(split.after));
    check_shows(&fixture, &split.stream, before, &split.family()).await?;
    check_shows(&fixture, &split.stream, after, &split.children).await
}

async fn times_before_the_stream_are_those_of_its_creation(fixture: Fixture) -> CaseResult {
    let split = Split::new(&fixture).await?;
    let long_ago = split.before.saturating_sub(Duration::from_hours(48));
    let family = split.family();
    check_shows(&fixture, &split.stream, ShardFilter::AtTimestamp(long_ago), &[split.parent]).await?;
    check_shows(&fixture, &split.stream, ShardFilter::FromTimestamp(long_ago), &family).await
}

async fn after_a_shard_come_those_with_higher_names(fixture: Fixture) -> CaseResult {
    let split = Split::new(&fixture).await?;
    let filter = ShardFilter::AfterShardId(split.parent.clone());
    check_shows(&fixture, &split.stream, filter, &split.children).await
}

async fn after_the_last_shard_comes_none(fixture: Fixture) -> CaseResult {
    let split = Split::new(&fixture).await?;
    let last = split.children.last().unwrap_or(&split.parent);
    check_shows(&fixture, &split.stream, ShardFilter::AfterShardId(last.clone()), &[]).await
}

/// What follows the last shard of the first page would not all pass the filter.
async fn a_filter_holds_for_every_page(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(2).await?;
    let parents = names(&shards(&fixture, &stream).await?);
    fixture.pass(MOMENT).await;
    let before = fixture.kinesis().now();
    fixture.pass(MOMENT).await;
    fixture.split(&stream, &parents[0], 1_000).await?;
    for filter in [ShardFilter::AtTrimHorizon, ShardFilter::AtTimestamp(before)] {
        check_shows(&fixture, &stream, filter, &parents).await?;
    }
    Ok(())
}

async fn the_trim_horizon_moves_past_a_closed_shard(fixture: Fixture) -> CaseResult {
    let day = Duration::from_hours(24);
    needs(&fixture, day + MOMENT)?;
    let split = Split::new(&fixture).await?;
    let retention = fixture.kinesis().describe_stream(&split.stream).await?.retention;
    check(retention <= day, || format!("a new stream keeps records for {retention:?}, not for {day:?}"))?;
    fixture.pass(retention + MOMENT).await;
    for filter in [ShardFilter::AtTrimHorizon, ShardFilter::FromTrimHorizon, ShardFilter::All] {
        check_shows(&fixture, &split.stream, filter, &split.children).await?;
    }
    Ok(())
}

/// A stream whose only shard was split, and times before and after that.
struct Split {
    stream: StreamId,
    parent: ShardId,
    children: Vec<ShardId>,
    before: Timestamp,
    after: Timestamp,
}

impl Split {
    async fn new(fixture: &Fixture) -> CaseResult<Self> {
        Self::apart(fixture, MOMENT).await
    }

    /// With this much time from each time to the next.
    async fn apart(fixture: &Fixture, gap: Duration) -> CaseResult<Self> {
        let ShardKey { stream, shard_id: parent } = one_shard(fixture).await?;
        fixture.pass(gap).await;
        let before = fixture.kinesis().now();
        fixture.pass(gap).await;
        fixture.split(&stream, &parent, 1 << 127).await?;
        fixture.pass(gap).await;
        let after = fixture.kinesis().now();
        let mut children = names(&shards(fixture, &stream).await?);
        children.retain(|name| *name != parent);
        Ok(Self { stream, parent, children, before, after })
    }

    fn family(&self) -> Vec<ShardId> {
        [std::slice::from_ref(&self.parent), &self.children[..]].concat()
    }
}

/// The shards behind the filter must be these, each once, in the order of their names, over all pages.
async fn check_shows(
    fixture: &Fixture,
    stream: &StreamId,
    filter: ShardFilter,
    expected: &[ShardId],
) -> CaseResult {
    let kinesis = fixture.kinesis();
    let what = format!("the shards of {filter:?}");
    let mut request = ShardPageRequest::First(filter);
    let mut shown = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = kinesis.list_shards(stream, &request).await?;
        shown.extend(names(&page.shards));
        let Some(token) = page.next else { break };
        request = ShardPageRequest::Next(token);
    }
    check_eq(&what, &shown[..], expected)
}

fn names(shards: &[Shard]) -> Vec<ShardId> {
    shards.iter().map(|shard| shard.shard_id.clone()).collect()
}
