//! What happens to readers when shards are split and merged.

use super::shard_reader::ShardReader;
use super::{Fixture, KinesisFixture, check_labels, one_shard, put, put_at, shards};
use crate::model::{HashKeyRange, ShardId, ShardKey, StreamId};
use crate::stream::{ChildShard, IteratorPosition};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq, fail};

const HALF: u128 = 1 << 127;

const LOWER: HashKeyRange = HashKeyRange { start: 0, end: HALF - 1 };

const UPPER: HashKeyRange = HashKeyRange { start: HALF, end: u128::MAX };

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_split_parent_drains_to_its_end,
        the_end_of_a_split_parent_names_both_children,
        merged_parents_drain_to_their_ends,
        the_end_of_a_merged_parent_names_the_child_with_both_parents,
        an_iterator_from_before_a_split_reaches_the_end,
        an_empty_closed_shard_ends_at_once,
        latest_in_a_closed_shard_is_its_end,
        children_take_the_records_after_a_split,
        the_child_takes_the_records_after_a_merge,
        a_childs_records_are_numbered_above_its_parents,
    ]
}

async fn a_split_parent_drains_to_its_end(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["a", "b", "c"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &["a", "b", "c"]).await?;
    Ok(())
}

async fn the_end_of_a_split_parent_names_both_children(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["a"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    let mut named = check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &["a"]).await?;
    named.sort_by_key(|child| child.hash_key_range);
    let parents = [parent.shard_id];
    let expected = [
        listed_child(&fixture, &parent.stream, &parents, LOWER).await?,
        listed_child(&fixture, &parent.stream, &parents, UPPER).await?,
    ];
    check_eq("the children", &named[..], &expected)
}

async fn merged_parents_drain_to_their_ends(fixture: Fixture) -> CaseResult {
    let (stream, parents) = merged(&fixture).await?;
    for (parent, label) in parents.into_iter().zip(["lower", "upper"]) {
        let parent = ShardKey::new(stream.clone(), parent);
        check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &[label]).await?;
    }
    Ok(())
}

async fn the_end_of_a_merged_parent_names_the_child_with_both_parents(fixture: Fixture) -> CaseResult {
    let (stream, parents) = merged(&fixture).await?;
    let expected = listed_child(&fixture, &stream, &parents, HashKeyRange::FULL).await?;
    for (parent, label) in parents.into_iter().zip(["lower", "upper"]) {
        let parent = ShardKey::new(stream.clone(), parent);
        let named = check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &[label]).await?;
        check_eq("the children", &named[..], std::slice::from_ref(&expected))?;
    }
    Ok(())
}

async fn an_iterator_from_before_a_split_reaches_the_end(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["a"]).await?;
    let mut reader = ShardReader::open(&fixture, &parent, IteratorPosition::TrimHorizon).await?;
    let before = reader.take(1).await?;
    put(&fixture, &parent, &["b"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    let (after, _) = reader.drain().await?;
    check_labels(&[before, after].concat(), &["a", "b"])
}

async fn an_empty_closed_shard_ends_at_once(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    check_drains(&fixture, &parent, IteratorPosition::TrimHorizon, &[]).await?;
    Ok(())
}

async fn latest_in_a_closed_shard_is_its_end(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["a"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    check_drains(&fixture, &parent, IteratorPosition::Latest, &[]).await?;
    Ok(())
}

async fn children_take_the_records_after_a_split(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["before"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    for (range, label) in [(LOWER, "lower"), (UPPER, "upper")] {
        put_at(&fixture, &parent.stream, range.start, &[label]).await?;
        put_at(&fixture, &parent.stream, range.end, &[label]).await?;
        let parents = [parent.shard_id.clone()];
        let child = listed_child(&fixture, &parent.stream, &parents, range).await?;
        check_opens_with(&fixture, &parent.sibling(&child.shard_id), &[label, label]).await?;
    }
    Ok(())
}

async fn the_child_takes_the_records_after_a_merge(fixture: Fixture) -> CaseResult {
    let (stream, parents) = merged(&fixture).await?;
    put_at(&fixture, &stream, 0, &["a"]).await?;
    put_at(&fixture, &stream, u128::MAX, &["b"]).await?;
    let child = listed_child(&fixture, &stream, &parents, HashKeyRange::FULL).await?;
    check_opens_with(&fixture, &ShardKey::new(stream, child.shard_id), &["a", "b"]).await
}

async fn a_childs_records_are_numbered_above_its_parents(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    let before = put(&fixture, &parent, &["a", "b"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, HALF).await?;
    for hash_key in [0, u128::MAX] {
        let after = put_at(&fixture, &parent.stream, hash_key, &["c"]).await?;
        check(before.iter().max() < after.iter().min(), || {
            format!("the child's numbers {after:?} should be above the parent's {before:?}")
        })?;
    }
    Ok(())
}

/// A stream of two shards, each with one record, merged; and the two, the lower one first.
async fn merged(fixture: &Fixture) -> CaseResult<(StreamId, [ShardId; 2])> {
    let stream = fixture.create_stream(2).await?;
    put_at(fixture, &stream, LOWER.start, &["lower"]).await?;
    put_at(fixture, &stream, UPPER.end, &["upper"]).await?;
    let listed = shards(fixture, &stream).await?;
    let [lower, upper] = &listed[..] else {
        return fail(format!("a stream of two shards lists {listed:?}"));
    };
    let parents = [lower.shard_id.clone(), upper.shard_id.clone()];
    fixture.merge(&stream, &parents[0], &parents[1]).await?;
    Ok((stream, parents))
}

/// The child of these parents with this hash key range, as the end of a parent should name it.
async fn listed_child(
    fixture: &Fixture,
    stream: &StreamId,
    parents: &[ShardId],
    range: HashKeyRange,
) -> CaseResult<ChildShard> {
    let listed = shards(fixture, stream).await?;
    let child = listed.iter().find(|shard| shard.parents().eq(parents) && shard.hash_key_range == range);
    match child {
        Some(child) => Ok(ChildShard {
            shard_id: child.shard_id.clone(),
            parents: parents.to_vec(),
            hash_key_range: range,
        }),
        None => fail(format!("no child of {parents:?} with hash keys {range} is listed: {listed:?}")),
    }
}

/// The closed shard must end after these records. Returns the children named at its end.
async fn check_drains(
    fixture: &Fixture,
    shard: &ShardKey,
    position: IteratorPosition,
    expected: &[&str],
) -> CaseResult<Vec<ChildShard>> {
    let (records, children) = ShardReader::open(fixture, shard, position).await?.drain().await?;
    check_labels(&records, expected)?;
    Ok(children)
}

/// The open shard must begin with these records.
async fn check_opens_with(fixture: &Fixture, shard: &ShardKey, expected: &[&str]) -> CaseResult {
    let mut reader = ShardReader::open(fixture, shard, IteratorPosition::TrimHorizon).await?;
    check_labels(&reader.take(expected.len()).await?, expected)
}
