//! What a subscription delivers.

use std::time::Duration;

use bytes::Bytes;

use super::subscriber::Subscriber;
use super::{Fixture, KinesisFixture, check_labels, one_shard, put};
use crate::model::{Record, RecordPosition, ShardKey};
use crate::stream::IteratorPosition;
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq, fail};

/// Long enough for the next record to arrive in another millisecond.
const NEXT_MILLISECOND: Duration = Duration::from_millis(5);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_pushed_record_comes_as_it_was_put,
        records_are_pushed_complete_and_in_order,
        what_is_put_later_is_pushed,
        a_wait_that_is_dropped_loses_nothing,
        every_consumer_gets_every_record,
        a_subscription_starts_where_an_iterator_would,
        a_subscription_from_latest_gets_what_is_put_after_the_call,
        a_subscription_from_a_time_starts_with_the_record_of_that_time,
        a_subscription_resumes_after_the_continuation_number,
        an_idle_shard_pushes_events_without_records,
        the_continuation_number_of_an_idle_shard_can_be_resumed_from,
        a_subscriber_at_the_tip_is_not_behind,
        a_subscriber_with_a_backlog_is_behind,
    ]
}

async fn a_pushed_record_comes_as_it_was_put(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let data = Bytes::from_static(b"\x00\xff not text");
    let (_, sequence_number) = fixture.put(&shard.stream, "ключ", None, data.clone()).await?;
    let mut subscriber = open(&fixture, &shard).await?;
    for record in subscriber.take(1).await? {
        let position = RecordPosition { sequence_number: sequence_number.clone(), sub_sequence_number: 0 };
        check_eq("the position", &record.position, &position)?;
        check_eq("the partition key", &record.partition_key[..], "ключ")?;
        check_eq("the data", &record.data, &data)?;
        let read = read(&fixture, &shard).await?;
        check_eq("the record as it is read", &read[..], std::slice::from_ref(&record))?;
    }
    Ok(())
}

async fn records_are_pushed_complete_and_in_order(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let expected: Vec<String> = (0..50).map(|number| format!("record-{number}")).collect();
    put(&fixture, &shard, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    check_labels(&open(&fixture, &shard).await?.take(50).await?, &expected)
}

async fn what_is_put_later_is_pushed(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let mut subscriber = open(&fixture, &shard).await?;
    for labels in [["a", "b"], ["c", "d"]] {
        put(&fixture, &shard, &labels).await?;
        check_labels(&subscriber.take(2).await?, &labels)?;
    }
    Ok(())
}

async fn a_wait_that_is_dropped_loses_nothing(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let mut subscriber = open(&fixture, &shard).await?;
    let mut records = Vec::new();
    for label in ["a", "b", "c", "d", "e"] {
        put(&fixture, &shard, &[label]).await?;
        for _ in 0..20 {
            records.extend(subscriber.glance(Duration::from_millis(3)).await?);
        }
    }
    if records.len() < 5 {
        records.extend(subscriber.take(5 - records.len()).await?);
    }
    check_labels(&records, &["a", "b", "c", "d", "e"])
}

async fn every_consumer_gets_every_record(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a", "b"]).await?;
    for name in ["billing", "auditing"] {
        let mut subscriber = Subscriber::open(&fixture, &shard, name, IteratorPosition::TrimHorizon).await?;
        check_labels(&subscriber.take(2).await?, &["a", "b"])?;
    }
    Ok(())
}

async fn a_subscription_starts_where_an_iterator_would(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let numbers = put(&fixture, &shard, &["a", "b", "c"]).await?;
    let positions = [
        ("oldest", IteratorPosition::TrimHorizon, &["a", "b", "c"][..]),
        ("at", IteratorPosition::AtSequenceNumber(numbers[1].clone()), &["b", "c"]),
        ("after", IteratorPosition::AfterSequenceNumber(numbers[1].clone()), &["c"]),
    ];
    for (name, position, expected) in positions {
        let mut subscriber = Subscriber::open(&fixture, &shard, name, position).await?;
        check_labels(&subscriber.take(expected.len()).await?, expected)?;
    }
    Ok(())
}

async fn a_subscription_from_latest_gets_what_is_put_after_the_call(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a"]).await?;
    let mut subscriber = Subscriber::open(&fixture, &shard, "billing", IteratorPosition::Latest).await?;
    put(&fixture, &shard, &["b", "c"]).await?;
    check_labels(&subscriber.take(2).await?, &["b", "c"])
}

async fn a_subscription_from_a_time_starts_with_the_record_of_that_time(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    for label in ["a", "b", "c"] {
        put(&fixture, &shard, &[label]).await?;
        tokio::time::sleep(NEXT_MILLISECOND).await;
    }
    let records = read(&fixture, &shard).await?;
    let [_, second, _] = &records[..] else {
        return fail(format!("three records were put, and these read: {records:?}"));
    };
    let position = IteratorPosition::AtTimestamp(second.approximate_arrival);
    let mut subscriber = Subscriber::open(&fixture, &shard, "billing", position).await?;
    check_labels(&subscriber.take(2).await?, &["b", "c"])
}

async fn a_subscription_resumes_after_the_continuation_number(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a", "b"]).await?;
    let mut first = open(&fixture, &shard).await?;
    check_labels(&first.take(2).await?, &["a", "b"])?;
    put(&fixture, &shard, &["c"]).await?;
    let mut second = Subscriber::open(&fixture, &shard, "auditing", first.resumption()?).await?;
    check_labels(&second.take(1).await?, &["c"])
}

async fn an_idle_shard_pushes_events_without_records(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let mut subscriber = open(&fixture, &shard).await?;
    for _ in 0..3 {
        match subscriber.next().await? {
            Some(event) if event.records.is_empty() && !event.is_shard_end => {}
            other => return fail(format!("an idle shard should push an event without records: {other:?}")),
        }
    }
    Ok(())
}

/// The number moves on with the time, and stays below that of the next record.
async fn the_continuation_number_of_an_idle_shard_can_be_resumed_from(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a"]).await?;
    let mut first = open(&fixture, &shard).await?;
    first.take(1).await?;
    let delivered = first.continuation.clone();
    first.next().await?;
    check(first.continuation >= delivered, || {
        format!("the number {:?} should not be below the one before, {delivered:?}", first.continuation)
    })?;
    let next = put(&fixture, &shard, &["b"]).await?;
    check(first.continuation.as_ref() < next.first(), || {
        format!("the number {:?} should be below that of the next record, {next:?}", first.continuation)
    })?;
    let mut second = Subscriber::open(&fixture, &shard, "auditing", first.resumption()?).await?;
    check_labels(&second.take(1).await?, &["b"])
}

async fn a_subscriber_at_the_tip_is_not_behind(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    put(&fixture, &shard, &["a"]).await?;
    let mut subscriber = open(&fixture, &shard).await?;
    subscriber.take(1).await?;
    let lag = subscriber.next().await?.map(|event| event.millis_behind_latest);
    check_eq("the lag at the tip", &lag, &Some(0))
}

async fn a_subscriber_with_a_backlog_is_behind(fixture: Fixture) -> CaseResult {
    const RECORDS: usize = 3;
    let shard = one_shard(&fixture).await?;
    for _ in 0..RECORDS {
        let data = Bytes::from(vec![0; 500_000]);
        super::unthrottled(|| fixture.put(&shard.stream, "key", None, data.clone())).await?;
    }
    let mut subscriber = open(&fixture, &shard).await?;
    let first = subscriber.next().await?;
    let Some(first) = first else { return fail("the subscription has ended early") };
    check(first.records.len() == RECORDS || first.millis_behind_latest > 0, || {
        format!("with {} of {RECORDS} records delivered, the lag is 0", first.records.len())
    })
}

async fn open(fixture: &Fixture, shard: &ShardKey) -> CaseResult<Subscriber> {
    Subscriber::open(fixture, shard, "billing", IteratorPosition::TrimHorizon).await
}

/// What reading by iterator returns, up to its first empty answer.
async fn read(fixture: &Fixture, shard: &ShardKey) -> CaseResult<Vec<Record>> {
    let position = IteratorPosition::TrimHorizon;
    super::shard_reader::ShardReader::open(fixture, shard, position).await?.take(1).await
}
