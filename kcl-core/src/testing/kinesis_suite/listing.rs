//! What a listing says of shards.

use super::{Fixture, KinesisFixture, shards};
use crate::model::{HashKeyRange, Shard, ShardId};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq, fail};

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        the_shards_of_a_new_stream_divide_the_hash_keys,
        the_shards_of_a_new_stream_are_open_and_without_parents,
        a_split_is_listed,
        a_merge_is_listed,
        the_numbers_of_children_start_above_those_of_their_parents,
    ]
}

async fn the_shards_of_a_new_stream_divide_the_hash_keys(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(3).await?;
    let mut ranges: Vec<_> =
        shards(&fixture, &stream).await?.iter().map(|shard| shard.hash_key_range).collect();
    ranges.sort();
    let size = u128::MAX / 3;
    let expected = [
        HashKeyRange { start: 0, end: size - 1 },
        HashKeyRange { start: size, end: 2 * size - 1 },
        HashKeyRange { start: 2 * size, end: u128::MAX },
    ];
    check_eq("the hash key ranges", &ranges[..], &expected[..])
}

async fn the_shards_of_a_new_stream_are_open_and_without_parents(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(3).await?;
    for shard in shards(&fixture, &stream).await? {
        check(shard.is_open() && shard.parents().count() == 0, || {
            format!("a new shard should be open and without parents: {shard:?}")
        })?;
    }
    Ok(())
}

async fn a_split_is_listed(fixture: Fixture) -> CaseResult {
    let [parent, lower, upper] = split(&fixture).await?;
    check(!parent.is_open(), || format!("the split shard should be closed: {parent:?}"))?;
    check_children(&[&lower, &upper], &[Some(&parent.shard_id), None])?;
    check_eq("the lower range", &lower.hash_key_range, &HashKeyRange { start: 0, end: 999 })?;
    let upper_range = HashKeyRange { start: 1_000, end: u128::MAX };
    check_eq("the upper range", &upper.hash_key_range, &upper_range)
}

async fn a_merge_is_listed(fixture: Fixture) -> CaseResult {
    let [lower, upper, child] = merge(&fixture).await?;
    for parent in [&lower, &upper] {
        check(!parent.is_open(), || format!("the merged shard should be closed: {parent:?}"))?;
    }
    check_children(&[&child], &[Some(&lower.shard_id), Some(&upper.shard_id)])?;
    check_eq("the range", &child.hash_key_range, &HashKeyRange::FULL)
}

async fn the_numbers_of_children_start_above_those_of_their_parents(fixture: Fixture) -> CaseResult {
    let [parent, one, two] = split(&fixture).await?;
    let [lower, upper, child] = merge(&fixture).await?;
    for (parent, child) in [(&parent, one), (&parent, two), (&lower, child.clone()), (&upper, child)] {
        let (start, end) = (&child.starting_sequence_number, &parent.ending_sequence_number);
        check(end.as_ref().is_some_and(|end| end < start), || {
            format!("a child starts at {start}, which is not above its parent's end {end:?}")
        })?;
    }
    Ok(())
}

fn check_children(children: &[&Shard], parents: &[Option<&ShardId>; 2]) -> CaseResult {
    for child in children {
        check(child.is_open(), || format!("the child should be open: {child:?}"))?;
        let listed = [child.parent.as_ref(), child.adjacent_parent.as_ref()];
        check_eq("the parents", &listed, parents)?;
    }
    Ok(())
}

/// A split shard and its children, lower range first.
async fn split(fixture: &Fixture) -> CaseResult<[Shard; 3]> {
    let parent = super::one_shard(fixture).await?;
    fixture.split(&parent.stream, &parent.shard_id, 1_000).await?;
    let [parent, one, two] = three(shards(fixture, &parent.stream).await?)?;
    Ok(if one.hash_key_range < two.hash_key_range { [parent, one, two] } else { [parent, two, one] })
}

/// Two merged shards, lower range first, and their child.
async fn merge(fixture: &Fixture) -> CaseResult<[Shard; 3]> {
    let stream = fixture.create_stream(2).await?;
    let listed = shards(fixture, &stream).await?;
    let [lower, upper] = &listed[..] else {
        return fail(format!("a stream of two shards lists {listed:?}"));
    };
    fixture.merge(&stream, &lower.shard_id, &upper.shard_id).await?;
    three(shards(fixture, &stream).await?)
}

fn three(shards: Vec<Shard>) -> CaseResult<[Shard; 3]> {
    shards
        .try_into()
        .or_else(|shards| fail(format!("parents and children should be listed, three in all: {shards:?}")))
}
