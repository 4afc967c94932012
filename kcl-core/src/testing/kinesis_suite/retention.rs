//! What happens to records that are older than the retention.

use std::time::Duration;

use super::shard_reader::ShardReader;
use super::subscriber::Subscriber;
use super::{Fixture, KinesisFixture, check_labels, needs, one_shard, put, shards};
use crate::ErrorKind;
use crate::model::{SequenceNumber, ShardKey};
use crate::stream::IteratorPosition;
use crate::testing::conformance::{Case, CaseResult, cases, check_eq, check_error};

/// The retention of a new stream (Kinesis quotas).
const RETENTION: Duration = Duration::from_hours(24);

const MOMENT: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_new_stream_keeps_records_for_a_day,
        trim_horizon_moves_past_old_records,
        the_number_of_an_old_record_reads_from_the_trim_horizon,
        the_number_of_an_old_record_subscribes_from_the_trim_horizon,
        a_time_before_the_trim_horizon_reads_from_it,
        a_closed_shard_is_gone_after_its_last_record,
    ]
}

async fn a_new_stream_keeps_records_for_a_day(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(1).await?;
    let retention = fixture.kinesis().describe_stream(&stream).await?.retention;
    check_eq("the retention", &retention, &RETENTION)
}

async fn trim_horizon_moves_past_old_records(fixture: Fixture) -> CaseResult {
    let (shard, _) = old_and_new(&fixture).await?;
    check_reads_new(&fixture, &shard, IteratorPosition::TrimHorizon).await
}

async fn the_number_of_an_old_record_reads_from_the_trim_horizon(fixture: Fixture) -> CaseResult {
    let (shard, old) = old_and_new(&fixture).await?;
    check_reads_new(&fixture, &shard, IteratorPosition::AtSequenceNumber(old.clone())).await?;
    check_reads_new(&fixture, &shard, IteratorPosition::AfterSequenceNumber(old)).await
}

async fn the_number_of_an_old_record_subscribes_from_the_trim_horizon(fixture: Fixture) -> CaseResult {
    let (shard, old) = old_and_new(&fixture).await?;
    let position = IteratorPosition::AfterSequenceNumber(old);
    let mut subscriber = Subscriber::open(&fixture, &shard, "billing", position).await?;
    check_labels(&subscriber.take(1).await?, &["new"])
}

async fn a_time_before_the_trim_horizon_reads_from_it(fixture: Fixture) -> CaseResult {
    let (shard, _) = old_and_new(&fixture).await?;
    let long_ago = fixture.kinesis().now().saturating_sub(2 * RETENTION);
    check_reads_new(&fixture, &shard, IteratorPosition::AtTimestamp(long_ago)).await
}

async fn a_closed_shard_is_gone_after_its_last_record(fixture: Fixture) -> CaseResult {
    needs(&fixture, RETENTION + MOMENT)?;
    let parent = one_shard(&fixture).await?;
    put(&fixture, &parent, &["old"]).await?;
    fixture.split(&parent.stream, &parent.shard_id, 1 << 127).await?;
    fixture.pass(RETENTION + MOMENT).await;
    check_eq("the number of shards", &shards(&fixture, &parent.stream).await?.len(), &2)?;
    let iterator = fixture.kinesis().get_shard_iterator(&parent, &IteratorPosition::TrimHorizon).await;
    check_error("an iterator", iterator, ErrorKind::NotFound)
}

/// A shard with a record labelled `new`, and the number of one that retention has taken.
async fn old_and_new(fixture: &Fixture) -> CaseResult<(ShardKey, SequenceNumber)> {
    needs(fixture, RETENTION + MOMENT)?;
    let shard = one_shard(fixture).await?;
    let old = put(fixture, &shard, &["old"]).await?.remove(0);
    fixture.pass(RETENTION).await;
    put(fixture, &shard, &["new"]).await?;
    fixture.pass(MOMENT).await;
    Ok((shard, old))
}

async fn check_reads_new(fixture: &Fixture, shard: &ShardKey, position: IteratorPosition) -> CaseResult {
    check_labels(&ShardReader::open(fixture, shard, position).await?.take(1).await?, &["new"])
}
