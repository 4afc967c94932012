//! Where each iterator type starts.

use std::time::Duration;

use super::shard_reader::ShardReader;
use super::{Fixture, KinesisFixture, check_labels, one_shard, put};
use crate::model::{Record, ShardKey, Timestamp};
use crate::stream::IteratorPosition;
use crate::testing::conformance::{Case, CaseResult, cases, check};

/// Long enough for the next record to arrive in another millisecond.
const NEXT_MILLISECOND: Duration = Duration::from_millis(5);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        trim_horizon_starts_at_the_oldest_record,
        latest_starts_after_the_newest_record,
        latest_in_an_empty_shard_starts_at_the_first_record,
        at_sequence_number_starts_at_the_record,
        at_the_starting_sequence_number_starts_at_the_oldest_record,
        after_sequence_number_starts_behind_the_record,
        after_the_last_sequence_number_starts_at_the_next_record,
        at_timestamp_is_exact_to_the_millisecond,
        at_timestamp_before_the_oldest_record_starts_at_it,
        at_timestamp_after_the_newest_record_starts_at_the_next,
    ]
}

async fn trim_horizon_starts_at_the_oldest_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a", "b", "c"]).await?;
    check_reads(&fixture, &shard, IteratorPosition::TrimHorizon, &["a", "b", "c"]).await
}

async fn latest_starts_after_the_newest_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a"]).await?;
    let mut reader = ShardReader::open(&fixture, &shard, IteratorPosition::Latest).await?;
    put(&fixture, &shard, &["b", "c"]).await?;
    check_labels(&reader.take(2).await?, &["b", "c"])
}

async fn latest_in_an_empty_shard_starts_at_the_first_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let mut reader = ShardReader::open(&fixture, &shard, IteratorPosition::Latest).await?;
    put(&fixture, &shard, &["a"]).await?;
    check_labels(&reader.take(1).await?, &["a"])
}

async fn at_sequence_number_starts_at_the_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let numbers = put(&fixture, &shard, &["a", "b", "c"]).await?;
    let position = IteratorPosition::AtSequenceNumber(numbers[1].clone());
    check_reads(&fixture, &shard, position, &["b", "c"]).await
}

async fn at_the_starting_sequence_number_starts_at_the_oldest_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a", "b"]).await?;
    for listed in super::shards(&fixture, &shard.stream).await? {
        let position = IteratorPosition::AtSequenceNumber(listed.starting_sequence_number);
        check_reads(&fixture, &shard, position, &["a", "b"]).await?;
    }
    Ok(())
}

async fn after_sequence_number_starts_behind_the_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let numbers = put(&fixture, &shard, &["a", "b", "c"]).await?;
    let position = IteratorPosition::AfterSequenceNumber(numbers[0].clone());
    check_reads(&fixture, &shard, position, &["b", "c"]).await
}

async fn after_the_last_sequence_number_starts_at_the_next_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let numbers = put(&fixture, &shard, &["a", "b"]).await?;
    let position = IteratorPosition::AfterSequenceNumber(numbers[1].clone());
    let mut reader = ShardReader::open(&fixture, &shard, position).await?;
    put(&fixture, &shard, &["c"]).await?;
    check_labels(&reader.take(1).await?, &["c"])
}

async fn at_timestamp_is_exact_to_the_millisecond(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let [a, b, c] = arrivals(&fixture, &shard).await?;
    for (time, expected) in [
        (a, &["a", "b", "c"][..]),
        (one_ms_after(a), &["b", "c"]),
        (b, &["b", "c"]),
        (one_ms_after(b), &["c"]),
        (c, &["c"]),
    ] {
        check_reads(&fixture, &shard, IteratorPosition::AtTimestamp(time), expected).await?;
    }
    Ok(())
}

async fn at_timestamp_before_the_oldest_record_starts_at_it(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let [a, ..] = arrivals(&fixture, &shard).await?;
    let day_before = Timestamp::from_millis(a.as_millis() - 86_400_000);
    check_reads(&fixture, &shard, IteratorPosition::AtTimestamp(day_before), &["a", "b", "c"]).await
}

async fn at_timestamp_after_the_newest_record_starts_at_the_next(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let [_, _, c] = arrivals(&fixture, &shard).await?;
    tokio::time::sleep(NEXT_MILLISECOND).await;
    let position = IteratorPosition::AtTimestamp(one_ms_after(c));
    let mut reader = ShardReader::open(&fixture, &shard, position).await?;
    put(&fixture, &shard, &["d"]).await?;
    check_labels(&reader.take(1).await?, &["d"])
}

fn one_ms_after(time: Timestamp) -> Timestamp {
    time.saturating_add(Duration::from_millis(1))
}

/// Puts three records at times at least two milliseconds apart, and says when they arrived.
async fn arrivals(fixture: &Fixture, shard: &ShardKey) -> CaseResult<[Timestamp; 3]> {
    for label in ["a", "b", "c"] {
        put(fixture, shard, &[label]).await?;
        tokio::time::sleep(NEXT_MILLISECOND).await;
    }
    let mut reader = ShardReader::open(fixture, shard, IteratorPosition::TrimHorizon).await?;
    let records = reader.take(3).await?;
    let arrival = |index: usize| records.get(index).map(|record: &Record| record.approximate_arrival);
    let arrivals = [0, 1, 2].map(|index| arrival(index).unwrap_or_default());
    check(arrivals.is_sorted_by(|a, b| one_ms_after(*a) < *b), || {
        format!("records put {NEXT_MILLISECOND:?} apart arrived at {arrivals:?}")
    })?;
    Ok(arrivals)
}

/// From `position` on, exactly these records must come.
async fn check_reads(
    fixture: &Fixture,
    shard: &ShardKey,
    position: IteratorPosition,
    expected: &[&str],
) -> CaseResult {
    let mut reader = ShardReader::open(fixture, shard, position).await?;
    check_labels(&reader.take(expected.len()).await?, expected)
}
