//! How long an iterator can be used.

use std::time::Duration;

use super::{Fixture, KinesisFixture, check_labels, needs, one_shard, put};
use crate::ErrorKind;
use crate::stream::IteratorPosition;
use crate::testing::conformance::{Case, CaseResult, cases, check_error, fail};

/// An iterator can be used for five minutes (`GetShardIterator`, Kinesis API reference): so long surely, ...
const ALMOST: Duration = Duration::from_secs(299);

/// ... and so long no more.
const BEYOND: Duration = Duration::from_secs(301);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        an_iterator_can_be_used_for_five_minutes,
        an_iterator_expires_after_five_minutes,
        a_read_returns_an_iterator_with_five_minutes_of_its_own,
    ]
}

async fn an_iterator_can_be_used_for_five_minutes(fixture: Fixture) -> CaseResult {
    needs(&fixture, ALMOST)?;
    let (kinesis, shard) = (fixture.kinesis(), one_shard(&fixture).await?);
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await?;
    put(&fixture, &shard, &["a"]).await?;
    fixture.pass(ALMOST).await;
    check_labels(&kinesis.get_records(&iterator, 1).await?.records, &["a"])
}

async fn an_iterator_expires_after_five_minutes(fixture: Fixture) -> CaseResult {
    needs(&fixture, BEYOND)?;
    let (kinesis, shard) = (fixture.kinesis(), one_shard(&fixture).await?);
    let iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await?;
    fixture.pass(BEYOND).await;
    check_error("a read", kinesis.get_records(&iterator, 1).await, ErrorKind::IteratorExpired)
}

async fn a_read_returns_an_iterator_with_five_minutes_of_its_own(fixture: Fixture) -> CaseResult {
    needs(&fixture, 3 * ALMOST)?;
    let (kinesis, shard) = (fixture.kinesis(), one_shard(&fixture).await?);
    let mut iterator = kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await?;
    for _ in 0..3 {
        fixture.pass(ALMOST).await;
        match kinesis.get_records(&iterator, 1).await?.next {
            Some(next) => iterator = next,
            None => return fail("an open shard has ended"),
        }
    }
    Ok(())
}
