//! The quotas of a shard.

use std::time::Duration;

use bytes::Bytes;

use super::{Fixture, KinesisFixture, needs, one_shard, shards, unthrottled};
use crate::ErrorKind;
use crate::error::Result;
use crate::model::{ShardKey, StreamId};
use crate::stream::{GET_RECORDS_MAX, IteratorPosition, ShardIterator};
use crate::testing::conformance::{Case, CaseResult, cases, check_eq, check_error};

const MIB: usize = 1024 * 1024;

/// What a quota of a second needs to be whole again, once nothing is used any more.
const SECOND: Duration = Duration::from_millis(1_100);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_shard_is_read_five_times_a_second,
        a_shard_gives_five_iterators_a_second,
        a_shard_is_read_at_two_mebibytes_a_second,
        a_read_returns_ten_mebibytes_and_closes_the_shard_for_five_seconds,
        a_shard_takes_a_thousand_records_a_second,
        a_shard_takes_a_mebibyte_a_second,
        a_record_has_a_mebibyte_at_most,
        a_partition_key_has_256_characters_at_most,
        quotas_are_those_of_a_shard,
    ]
}

async fn a_shard_is_read_five_times_a_second(fixture: Fixture) -> CaseResult {
    needs(&fixture, SECOND)?;
    let (kinesis, iterator) = (fixture.kinesis(), iterator(&fixture, &one_shard(&fixture).await?).await?);
    for _ in 0..2 {
        for _ in 0..5 {
            kinesis.get_records(&iterator, 1).await?;
        }
        check_throttled("a sixth read", kinesis.get_records(&iterator, 1).await)?;
        fixture.pass(SECOND).await;
    }
    Ok(())
}

async fn a_shard_gives_five_iterators_a_second(fixture: Fixture) -> CaseResult {
    needs(&fixture, SECOND)?;
    let (kinesis, shard) = (fixture.kinesis(), one_shard(&fixture).await?);
    for _ in 0..2 {
        for _ in 0..5 {
            kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await?;
        }
        let sixth = kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await;
        check_throttled("a sixth iterator", sixth)?;
        fixture.pass(SECOND).await;
    }
    Ok(())
}

async fn a_shard_is_read_at_two_mebibytes_a_second(fixture: Fixture) -> CaseResult {
    needs(&fixture, 4 * SECOND)?;
    let (kinesis, shard) = (fixture.kinesis(), one_shard(&fixture).await?);
    put_mebibytes(&fixture, &shard.stream, 4).await?;
    let mut next = iterator(&fixture, &shard).await?;
    for _ in 0..2 {
        for _ in 0..2 {
            let output = kinesis.get_records(&next, 1).await?;
            check_eq("the number of records", &output.records.len(), &1)?;
            next = output.next.unwrap_or(next);
        }
        check_throttled("a read beyond two mebibytes", kinesis.get_records(&next, 1).await)?;
        fixture.pass(SECOND).await;
    }
    Ok(())
}

async fn a_read_returns_ten_mebibytes_and_closes_the_shard_for_five_seconds(fixture: Fixture) -> CaseResult {
    needs(&fixture, 16 * SECOND)?;
    let (kinesis, shard) = (fixture.kinesis(), one_shard(&fixture).await?);
    put_mebibytes(&fixture, &shard.stream, 11).await?;
    let first = kinesis.get_records(&iterator(&fixture, &shard).await?, GET_RECORDS_MAX).await?;
    check_eq("the number of records of a mebibyte", &first.records.len(), &10)?;
    let next = match first.next {
        Some(next) => next,
        None => iterator(&fixture, &shard).await?,
    };
    let read = || kinesis.get_records(&next, GET_RECORDS_MAX);
    check_throttled("a read right after ten mebibytes", read().await)?;
    fixture.pass(Duration::from_secs(4)).await;
    check_throttled("a read four seconds after ten mebibytes", read().await)?;
    fixture.pass(SECOND).await;
    check_eq("the number of records in the next read", &read().await?.records.len(), &1)
}

async fn a_shard_takes_a_thousand_records_a_second(fixture: Fixture) -> CaseResult {
    needs(&fixture, SECOND)?;
    let shard = one_shard(&fixture).await?;
    let put = || fixture.put(&shard.stream, "key", None, Bytes::from_static(b"x"));
    for _ in 0..1_000 {
        put().await?;
    }
    check_throttled("the record after a thousand", put().await)?;
    fixture.pass(SECOND).await;
    put().await?;
    Ok(())
}

async fn a_shard_takes_a_mebibyte_a_second(fixture: Fixture) -> CaseResult {
    needs(&fixture, SECOND)?;
    let shard = one_shard(&fixture).await?;
    let half = || fixture.put(&shard.stream, "k", None, Bytes::from(vec![0; MIB / 2 - 1]));
    for _ in 0..2 {
        half().await?;
    }
    check_throttled("the byte after a mebibyte", fixture.put(&shard.stream, "k", None, Bytes::new()).await)?;
    fixture.pass(SECOND).await;
    half().await?;
    Ok(())
}

async fn a_record_has_a_mebibyte_at_most(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let put = |data_bytes| fixture.put(&shard.stream, "k", None, Bytes::from(vec![0; data_bytes]));
    check_error("a record of a mebibyte and a byte", put(MIB).await, ErrorKind::Refused)?;
    put(MIB - 1).await?;
    Ok(())
}

async fn a_partition_key_has_256_characters_at_most(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    for key in [String::new(), "ä".repeat(257)] {
        let put = fixture.put(&shard.stream, &key, None, Bytes::new()).await;
        check_error(&format!("the key '{key}'"), put, ErrorKind::Refused)?;
    }
    fixture.put(&shard.stream, &"ä".repeat(256), None, Bytes::from_static(b"x")).await?;
    Ok(())
}

async fn quotas_are_those_of_a_shard(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(2).await?;
    for shard in shards(&fixture, &stream).await? {
        let hash_key = Some(shard.hash_key_range.start);
        fixture.put(&stream, "k", hash_key, Bytes::from(vec![0; MIB - 1])).await?;
        let shard = ShardKey::new(stream.clone(), shard.shard_id);
        let iterator = iterator(&fixture, &shard).await?;
        for _ in 0..2 {
            fixture.kinesis().get_records(&iterator, 1).await?;
        }
        check_throttled("a third mebibyte", fixture.kinesis().get_records(&iterator, 1).await)?;
    }
    Ok(())
}

async fn iterator(fixture: &Fixture, shard: &ShardKey) -> CaseResult<ShardIterator> {
    Ok(fixture.kinesis().get_shard_iterator(shard, &IteratorPosition::TrimHorizon).await?)
}

/// Puts records of a mebibyte each, as fast as a shard takes them.
async fn put_mebibytes(fixture: &Fixture, stream: &StreamId, count: usize) -> CaseResult {
    let data = Bytes::from(vec![0; MIB - 1]);
    for _ in 0..count {
        unthrottled(|| fixture.put(stream, "k", None, data.clone())).await?;
    }
    Ok(())
}

fn check_throttled<T: std::fmt::Debug>(what: &str, result: Result<T>) -> CaseResult {
    check_error(what, result.map(drop), ErrorKind::Throttled)
}
