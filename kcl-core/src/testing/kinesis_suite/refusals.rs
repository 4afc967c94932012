//! What is refused, and how.

use std::time::Duration;

use super::{Fixture, KinesisFixture, one_shard, put, unthrottled};
use crate::ErrorKind;
use crate::model::{ShardId, ShardKey, StreamId};
use crate::stream::{GET_RECORDS_MAX, IteratorPosition, ShardIterator, ShardPageRequest};
use crate::testing::conformance::{Case, CaseResult, cases, check_error};

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        an_unknown_stream_is_not_listed,
        an_unknown_stream_has_no_iterator,
        an_unknown_shard_has_no_iterator,
        a_malformed_iterator_is_refused,
        a_limit_of_zero_is_refused,
        a_limit_above_the_largest_is_refused,
        a_sequence_number_of_another_shard_is_refused,
        a_time_in_the_future_is_refused,
    ]
}

async fn an_unknown_stream_is_not_listed(fixture: Fixture) -> CaseResult {
    let listed = fixture.kinesis().list_shards(&unknown_stream()?, &ShardPageRequest::ALL).await;
    check_error("a listing", listed, ErrorKind::NotFound)
}

async fn an_unknown_stream_has_no_iterator(fixture: Fixture) -> CaseResult {
    let shard = ShardKey::new(unknown_stream()?, ShardId::new("shardId-000000000000"));
    check_no_iterator(&fixture, &shard, IteratorPosition::TrimHorizon, ErrorKind::NotFound).await
}

async fn an_unknown_shard_has_no_iterator(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?.sibling(&ShardId::new("shardId-000000000009"));
    check_no_iterator(&fixture, &shard, IteratorPosition::TrimHorizon, ErrorKind::NotFound).await
}

async fn a_malformed_iterator_is_refused(fixture: Fixture) -> CaseResult {
    let iterator =
        ShardIterator { shard: one_shard(&fixture).await?, token: "AAAAAAAAAAHnoIteratorAtAll".to_owned() };
    let read = fixture.kinesis().get_records(&iterator, 1).await;
    check_error("a read", read, ErrorKind::Refused)
}

async fn a_limit_of_zero_is_refused(fixture: Fixture) -> CaseResult {
    check_limit_is_refused(&fixture, 0).await
}

async fn a_limit_above_the_largest_is_refused(fixture: Fixture) -> CaseResult {
    check_limit_is_refused(&fixture, GET_RECORDS_MAX + 1).await
}

async fn a_sequence_number_of_another_shard_is_refused(fixture: Fixture) -> CaseResult {
    let parent = one_shard(&fixture).await?;
    let numbers = put(&fixture, &parent, &["a"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, 1 << 127).await?;
    let listed = super::shards(&fixture, &parent.stream).await?;
    for child in listed.iter().filter(|shard| shard.is_open()) {
        let child = parent.sibling(&child.shard_id);
        for number in &numbers {
            let at = IteratorPosition::AtSequenceNumber(number.clone());
            check_no_iterator(&fixture, &child, at, ErrorKind::Refused).await?;
            let after = IteratorPosition::AfterSequenceNumber(number.clone());
            check_no_iterator(&fixture, &child, after, ErrorKind::Refused).await?;
        }
    }
    Ok(())
}

async fn a_time_in_the_future_is_refused(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a"]).await?;
    let mut reader =
        super::shard_reader::ShardReader::open(&fixture, &shard, IteratorPosition::TrimHorizon).await?;
    for record in reader.take(1).await? {
        let hour_later = record.approximate_arrival.saturating_add(Duration::from_hours(1));
        let position = IteratorPosition::AtTimestamp(hour_later);
        check_no_iterator(&fixture, &shard, position, ErrorKind::Refused).await?;
    }
    Ok(())
}

fn unknown_stream() -> CaseResult<StreamId> {
    Ok(StreamId::named("there-is-no-such-stream")?)
}

async fn check_no_iterator(
    fixture: &Fixture,
    shard: &ShardKey,
    position: IteratorPosition,
    kind: ErrorKind,
) -> CaseResult {
    let kinesis = fixture.kinesis();
    let iterator = unthrottled(|| kinesis.get_shard_iterator(shard, &position)).await;
    check_error(&format!("an iterator from {position:?}"), iterator, kind)
}

async fn check_limit_is_refused(fixture: &Fixture, limit: u32) -> CaseResult {
    let (kinesis, shard) = (fixture.kinesis(), one_shard(fixture).await?);
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await?;
    let read = kinesis.get_records(&iterator, limit).await;
    check_error(&format!("a read of up to {limit} records"), read, ErrorKind::Refused)
}
