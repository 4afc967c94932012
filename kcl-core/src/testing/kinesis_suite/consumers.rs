//! Streams as a whole, and the consumers that are registered with them.

use super::subscriber::{deregister, register};
use super::{Fixture, KinesisFixture, one_shard};
use crate::ErrorKind;
use crate::model::{ConsumerArn, StreamArn, StreamId};
use crate::stream::{ConsumerRef, ConsumerStatus, StreamStatus};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq, check_error};

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_stream_is_described,
        a_description_counts_open_shards_and_consumers,
        an_unknown_stream_is_not_described,
        a_consumer_is_found_by_its_arn_and_by_its_name,
        a_consumers_arn_names_stream_and_consumer,
        a_name_is_registered_once,
        one_name_serves_in_two_streams,
        a_malformed_consumer_name_is_refused,
        a_consumer_of_an_unknown_stream_is_not_registered,
        an_unknown_consumer_is_not_found,
        a_deregistered_consumer_is_gone,
        a_name_can_be_registered_again,
    ]
}

async fn a_stream_is_described(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(2).await?;
    let described = fixture.kinesis().describe_stream(&stream).await?;
    check_eq("the name in the ARN", described.arn.stream_name(), stream.name())?;
    check_eq("the status", &described.status, &StreamStatus::Active)?;
    check(described.retention.as_secs() >= 24 * 3_600, || {
        format!("a stream keeps records for a day or more, not for {:?}", described.retention)
    })
}

async fn a_description_counts_open_shards_and_consumers(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    fixture.split(&shard.stream, &shard.shard_id, 1_000).await?;
    register(&fixture, &shard.stream, "billing").await?;
    let described = fixture.kinesis().describe_stream(&shard.stream).await?;
    check_eq("the number of open shards", &described.open_shard_count, &2)?;
    check_eq("the number of consumers", &described.consumer_count, &1)
}

async fn an_unknown_stream_is_not_described(fixture: Fixture) -> CaseResult {
    let unknown = StreamId::named("there-is-no-such-stream")?;
    let described = fixture.kinesis().describe_stream(&unknown).await;
    check_error("a description", described, ErrorKind::NotFound)
}

async fn a_consumer_is_found_by_its_arn_and_by_its_name(fixture: Fixture) -> CaseResult {
    let (stream, arn) = stream(&fixture).await?;
    let registered = register(&fixture, &stream, "billing").await?;
    check_eq("the name", &registered.name[..], "billing")?;
    let by_name = ConsumerRef::Name { stream: arn, name: "billing".to_owned() };
    for wanted in [by_name, ConsumerRef::Arn(registered.arn.clone())] {
        let found = fixture.kinesis().describe_consumer(&wanted).await?;
        check_eq(&format!("what was found for {wanted}"), &found, &registered)?;
    }
    Ok(())
}

async fn a_consumers_arn_names_stream_and_consumer(fixture: Fixture) -> CaseResult {
    let (stream, arn) = stream(&fixture).await?;
    let registered = register(&fixture, &stream, "billing").await?;
    let prefix = format!("{arn}/consumer/billing:");
    check(registered.arn.as_str().starts_with(&prefix), || {
        format!("the ARN should begin with '{prefix}': {}", registered.arn)
    })
}

async fn a_name_is_registered_once(fixture: Fixture) -> CaseResult {
    let (stream, arn) = stream(&fixture).await?;
    register(&fixture, &stream, "billing").await?;
    let again = fixture.kinesis().register_consumer(&arn, "billing").await;
    check_error("a second registration", again, ErrorKind::InUse)
}

async fn one_name_serves_in_two_streams(fixture: Fixture) -> CaseResult {
    for _ in 0..2 {
        let (stream, _) = stream(&fixture).await?;
        register(&fixture, &stream, "billing").await?;
    }
    Ok(())
}

async fn a_malformed_consumer_name_is_refused(fixture: Fixture) -> CaseResult {
    let (_, arn) = stream(&fixture).await?;
    for name in ["", "two words", "a/b", &"x".repeat(129)] {
        let registered = fixture.kinesis().register_consumer(&arn, name).await;
        check_error(&format!("a registration of '{name}'"), registered, ErrorKind::Refused)?;
    }
    Ok(())
}

async fn a_consumer_of_an_unknown_stream_is_not_registered(fixture: Fixture) -> CaseResult {
    let (_, arn) = stream(&fixture).await?;
    let unknown: StreamArn = format!("{arn}-that-is-not-there").parse()?;
    let registered = fixture.kinesis().register_consumer(&unknown, "billing").await;
    check_error("a registration", registered, ErrorKind::NotFound)
}

async fn an_unknown_consumer_is_not_found(fixture: Fixture) -> CaseResult {
    let (stream, arn) = stream(&fixture).await?;
    register(&fixture, &stream, "billing").await?;
    let unknown: ConsumerArn = format!("{arn}/consumer/auditing:1700000000").parse()?;
    let by_name = ConsumerRef::Name { stream: arn, name: "auditing".to_owned() };
    for wanted in [by_name, ConsumerRef::Arn(unknown.clone())] {
        let found = fixture.kinesis().describe_consumer(&wanted).await;
        check_error(&format!("a description of {wanted}"), found, ErrorKind::NotFound)?;
    }
    let deregistered = fixture.kinesis().deregister_consumer(&unknown).await;
    check_error("a deregistration", deregistered, ErrorKind::NotFound)
}

async fn a_deregistered_consumer_is_gone(fixture: Fixture) -> CaseResult {
    let (stream, _) = stream(&fixture).await?;
    let registered = register(&fixture, &stream, "billing").await?;
    deregister(&fixture, &registered.arn).await?;
    let described = fixture.kinesis().describe_stream(&stream).await?;
    check_eq("the number of consumers", &described.consumer_count, &0)
}

async fn a_name_can_be_registered_again(fixture: Fixture) -> CaseResult {
    let (stream, arn) = stream(&fixture).await?;
    let first = register(&fixture, &stream, "billing").await?;
    deregister(&fixture, &first.arn).await?;
    register(&fixture, &stream, "billing").await?;
    let by_name = ConsumerRef::Name { stream: arn, name: "billing".to_owned() };
    let found = fixture.kinesis().describe_consumer(&by_name).await?;
    check_eq("the status", &found.status, &ConsumerStatus::Active)
}

/// A new stream, and its full name.
async fn stream(fixture: &Fixture) -> CaseResult<(StreamId, StreamArn)> {
    let stream = fixture.create_stream(1).await?;
    let arn = fixture.kinesis().describe_stream(&stream).await?.arn;
    Ok((stream, arn))
}
