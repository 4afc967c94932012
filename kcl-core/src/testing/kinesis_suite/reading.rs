//! What a read returns.

use std::time::Duration;

use bytes::Bytes;

use super::shard_reader::ShardReader;
use super::{Fixture, KinesisFixture, check_labels, one_shard, put, put_at};
use crate::model::{RecordPosition, ShardKey};
use crate::stream::{GET_RECORDS_MAX, IteratorPosition};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq};

/// A backlog older than this is seen as one.
const BACKLOG_AGE: Duration = Duration::from_millis(5);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_record_comes_as_it_was_put,
        records_come_complete_and_in_order_over_several_calls,
        sequence_numbers_ascend_within_a_shard,
        a_shard_holds_the_records_of_its_hash_keys,
        an_empty_shard_returns_no_records_and_an_iterator,
        an_iterator_can_be_used_again,
        the_largest_limit_is_allowed,
        a_reader_with_a_backlog_is_behind,
        a_reader_at_the_tip_is_not_behind,
    ]
}

async fn a_record_comes_as_it_was_put(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let data = Bytes::from_static(b"\x00\xff not text");
    let (shard_id, sequence_number) = fixture.put(&shard.stream, "ключ", None, data.clone()).await?;
    check_eq("the shard", &shard_id, &shard.shard_id)?;
    let mut reader = open(&fixture, &shard).await?;
    for record in reader.take(1).await? {
        let position = RecordPosition { sequence_number: sequence_number.clone(), sub_sequence_number: 0 };
        check_eq("the position", &record.position, &position)?;
        check_eq("the partition key", &record.partition_key[..], "ключ")?;
        check_eq("the data", &record.data, &data)?;
    }
    Ok(())
}

async fn records_come_complete_and_in_order_over_several_calls(fixture: Fixture) -> CaseResult {
    const LIMIT: u32 = 10;
    let shard = one_shard(&fixture).await?;
    let expected: Vec<String> = (0..25).map(|number| format!("record-{number}")).collect();
    put(&fixture, &shard, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let mut reader = open(&fixture, &shard).await?;
    let mut records = Vec::new();
    for _ in 0..2 {
        let read = reader.read(LIMIT).await?.records;
        check_eq("the number of records in a full read", &read.len(), &(LIMIT as usize))?;
        records.extend(read);
    }
    records.extend(reader.take(5).await?);
    check_labels(&records, &expected)?;
    check_eq("the records after the last", &reader.read(LIMIT).await?.records, &Vec::new())
}

async fn sequence_numbers_ascend_within_a_shard(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let put = put(&fixture, &shard, &["a"; 20]).await?;
    check(put.is_sorted_by(|a, b| a < b), || format!("sequence numbers should ascend: {put:?}"))?;
    let records = open(&fixture, &shard).await?.take(20).await?;
    let read: Vec<_> = records.into_iter().map(|record| record.position.sequence_number).collect();
    check_eq("the sequence numbers", &read, &put)
}

async fn a_shard_holds_the_records_of_its_hash_keys(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(2).await?;
    let shards = super::shards(&fixture, &stream).await?;
    for shard in &shards {
        let range = shard.hash_key_range;
        put_at(&fixture, &stream, range.start, &[shard.shard_id.as_str()]).await?;
        put_at(&fixture, &stream, range.end, &[shard.shard_id.as_str()]).await?;
    }
    for shard in shards {
        let expected = vec![shard.shard_id.to_string(); 2];
        let shard = ShardKey::new(stream.clone(), shard.shard_id);
        let records = open(&fixture, &shard).await?.take(2).await?;
        check_labels(&records, &expected)?;
    }
    Ok(())
}

async fn an_empty_shard_returns_no_records_and_an_iterator(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let mut reader = open(&fixture, &shard).await?;
    let output = reader.read(1).await?;
    check(output.records.is_empty() && output.next.is_some() && output.children.is_empty(), || {
        format!("expected an iterator and nothing else: {output:?}")
    })?;
    put(&fixture, &shard, &["a"]).await?;
    check_labels(&reader.take(1).await?, &["a"])
}

async fn an_iterator_can_be_used_again(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a", "b"]).await?;
    let kinesis = fixture.kinesis();
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::TrimHorizon).await?;
    let first = kinesis.get_records(&iterator, 1).await?;
    let second = kinesis.get_records(&iterator, 1).await?;
    check_labels(&first.records, &["a"])?;
    check_eq("the records of the second read", &second.records, &first.records)
}

async fn the_largest_limit_is_allowed(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a"]).await?;
    let records = open(&fixture, &shard).await?.read(GET_RECORDS_MAX).await?.records;
    check_labels(&records, &["a"])
}

async fn a_reader_with_a_backlog_is_behind(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a", "b"]).await?;
    tokio::time::sleep(BACKLOG_AGE).await;
    put(&fixture, &shard, &["c"]).await?;
    let output = open(&fixture, &shard).await?.read(1).await?;
    check_labels(&output.records, &["a"])?;
    check(output.millis_behind_latest > 0, || {
        "with two records to go, the reader is said to be at the tip".to_owned()
    })
}

async fn a_reader_at_the_tip_is_not_behind(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let mut reader = open(&fixture, &shard).await?;
    check_eq("the lag in an empty shard", &reader.read(1).await?.millis_behind_latest, &0)?;
    put(&fixture, &shard, &["a", "b"]).await?;
    tokio::time::sleep(BACKLOG_AGE).await;
    reader.take(2).await?;
    check_eq("the lag at the tip", &reader.read(1).await?.millis_behind_latest, &0)
}

async fn open(fixture: &Fixture, shard: &ShardKey) -> CaseResult<ShardReader> {
    ShardReader::open(fixture, shard, IteratorPosition::TrimHorizon).await
}
