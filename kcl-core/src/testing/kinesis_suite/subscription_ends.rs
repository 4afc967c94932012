//! How a subscription shows the end of a shard.

use super::subscriber::Subscriber;
use super::{Fixture, KinesisFixture, check_labels, one_shard, put, put_at, shards};
use crate::model::{ShardId, ShardKey};
use crate::stream::{ChildShard, IteratorPosition, SubscriptionEvent};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq, fail};

const HALF: u128 = 1 << 127;

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_closed_shard_is_pushed_to_its_end,
        a_subscription_from_before_a_split_reaches_the_end,
        the_last_event_of_a_split_parent_names_both_children,
        the_last_event_of_a_merged_parent_names_the_child_with_both_parents,
        the_last_event_has_no_continuation_number,
        nothing_follows_the_last_event,
        an_empty_closed_shard_ends_with_its_first_event,
        a_subscription_from_latest_in_a_closed_shard_ends_at_once,
        a_subscription_after_the_last_record_of_a_closed_shard_ends_at_once,
    ]
}

async fn a_closed_shard_is_pushed_to_its_end(fixture: Fixture) -> CaseResult {
    let parent = split_after(&fixture, &["a", "b", "c"]).await?;
    check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &["a", "b", "c"]).await?;
    Ok(())
}

async fn a_subscription_from_before_a_split_reaches_the_end(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["a"]).await?;
    let mut subscriber =
        Subscriber::open(&fixture, &parent, "billing", IteratorPosition::TrimHorizon).await?;
    let before = subscriber.take(1).await?;
    put(&fixture, &parent, &["b"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    let (after, _) = subscriber.drain().await?;
    check_labels(&[before, after].concat(), &["a", "b"])
}

async fn the_last_event_of_a_split_parent_names_both_children(fixture: Fixture) -> CaseResult {
    let parent = split_after(&fixture, &["a"]).await?;
    let mut end = check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &["a"]).await?;
    end.children.sort_by_key(|child| child.hash_key_range);
    let mut expected = listed_children(&fixture, &parent).await?;
    expected.sort_by_key(|child| child.hash_key_range);
    check_eq("the number of children", &expected.len(), &2)?;
    check_eq("the children", &end.children, &expected)
}

async fn the_last_event_of_a_merged_parent_names_the_child_with_both_parents(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(2).await?;
    put_at(&fixture, &stream, 0, &["lower"]).await?;
    put_at(&fixture, &stream, u128::MAX, &["upper"]).await?;
    let listed = shards(&fixture, &stream).await?;
    let [lower, upper] = &listed[..] else {
        return fail(format!("a stream of two shards lists {listed:?}"));
    };
    fixture.merge(&stream, &lower.shard_id, &upper.shard_id).await?;
    for (parent, label) in [(lower, "lower"), (upper, "upper")] {
        let parent = ShardKey::new(stream.clone(), parent.shard_id.clone());
        let mut subscriber =
            Subscriber::open(&fixture, &parent, label, IteratorPosition::TrimHorizon).await?;
        let (records, end) = subscriber.drain().await?;
        check_labels(&records, &[label])?;
        check_eq("the children", &end.children, &listed_children(&fixture, &parent).await?)?;
        let parents: Vec<_> = end.children.iter().flat_map(|child| &child.parents).collect();
        check_eq("the parents of the child", &parents, &vec![&lower.shard_id, &upper.shard_id])?;
    }
    Ok(())
}

async fn the_last_event_has_no_continuation_number(fixture: Fixture) -> CaseResult {
    let parent = split_after(&fixture, &["a"]).await?;
    let end = check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &["a"]).await?;
    check_eq("the continuation number at the end", &end.continuation, &None)
}

async fn nothing_follows_the_last_event(fixture: Fixture) -> CaseResult {
    let parent = split_after(&fixture, &["a"]).await?;
    let mut subscriber =
        Subscriber::open(&fixture, &parent, "billing", IteratorPosition::TrimHorizon).await?;
    subscriber.drain().await?;
    match subscriber.next().await? {
        None => Ok(()),
        Some(event) => fail(format!("an event follows the end of the shard: {event:?}")),
    }
}

async fn an_empty_closed_shard_ends_with_its_first_event(fixture: Fixture) -> CaseResult {
    let parent = split_after(&fixture, &[]).await?;
    check_ends_at_once(&fixture, &parent, IteratorPosition::TrimHorizon).await
}

async fn a_subscription_from_latest_in_a_closed_shard_ends_at_once(fixture: Fixture) -> CaseResult {
    let parent = split_after(&fixture, &["a"]).await?;
    check_ends_at_once(&fixture, &parent, IteratorPosition::Latest).await
}

async fn a_subscription_after_the_last_record_of_a_closed_shard_ends_at_once(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    let number = put(&fixture, &parent, &["a"]).await?.remove(0);
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    check_ends_at_once(&fixture, &parent, IteratorPosition::AfterSequenceNumber(number)).await
}

/// A shard that was split once it had taken these records.
async fn split_after(fixture: &Fixture, labels: &[&str]) -> CaseResult<ShardKey> {
    let parent = one_shard(fixture).await?;
    put(fixture, &parent, labels).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    Ok(parent)
}

/// The children of a shard, as the end of it should name them.
async fn listed_children(fixture: &Fixture, parent: &ShardKey) -> CaseResult<Vec<ChildShard>> {
    let mut listed = shards(fixture, &parent.stream).await?;
    listed.retain(|shard| shard.parents().any(|id| *id == parent.shard_id));
    let child = |shard: &crate::model::Shard| ChildShard {
        shard_id: shard.shard_id.clone(),
        parents: shard.parents().map(ShardId::clone).collect(),
        hash_key_range: shard.hash_key_range,
    };
    Ok(listed.iter().map(child).collect())
}

/// The closed shard must end after these records. Returns the last event.
async fn check_drains(
    fixture: &Fixture,
    shard: &ShardKey,
    position: IteratorPosition,
    expected: &[&str],
) -> CaseResult<SubscriptionEvent> {
    let mut subscriber = Subscriber::open(fixture, shard, "billing", position).await?;
    let (records, end) = subscriber.drain().await?;
    check_labels(&records, expected)?;
    Ok(end)
}

/// The closed shard must end with the first event, which has no records.
async fn check_ends_at_once(fixture: &Fixture, shard: &ShardKey, position: IteratorPosition) -> CaseResult {
    let mut subscriber = Subscriber::open(fixture, shard, "billing", position).await?;
    let first = subscriber.next().await?;
    check(first.as_ref().is_some_and(|event| event.is_shard_end && event.records.is_empty()), || {
        format!("the first event should be the end of the shard: {first:?}")
    })
}
