//! The quotas of registered consumers.

use std::time::Duration;

use bytes::Bytes;

use super::subscriber::{Place, Subscriber, register};
use super::{Fixture, KinesisFixture, needs, one_shard, unthrottled};
use crate::ErrorKind;
use crate::stream::IteratorPosition;
use crate::testing::conformance::{Case, CaseResult, cases, check, check_error};

const MIB: usize = 1024 * 1024;

/// How many mebibytes a case lets a consumer be sent.
const MEBIBYTES: usize = 8;

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_consumer_is_sent_two_mebibytes_a_second_of_a_shard,
        subscribing_is_tried_once_a_second,
        a_stream_has_twenty_consumers_at_most,
        a_stream_creates_five_consumers_at_a_time,
    ]
}

async fn a_consumer_is_sent_two_mebibytes_a_second_of_a_shard(fixture: Fixture) -> CaseResult {
    needs(&fixture, Duration::from_secs(20))?;
    let shard = one_shard(&fixture).await?;
    let data = Bytes::from(vec![0; MIB - 1]);
    for _ in 0..MEBIBYTES {
        unthrottled(|| fixture.put(&shard.stream, "k", None, data.clone())).await?;
    }
    let mut subscriber = Subscriber::open(&fixture, &shard, "billing", IteratorPosition::TrimHorizon).await?;
    subscriber.take(1).await?;
    let started_at = fixture.kinesis().now();
    subscriber.take(MEBIBYTES - 1).await?;
    let time = fixture.kinesis().now().saturating_since(started_at);
    // At the quota 3.5 s; what was saved up may make it one less, and what the service takes for itself longer.
    check((Duration::from_millis(2_400)..Duration::from_secs(10)).contains(&time), || {
        format!("{} MiB have been pushed within {time:?}", MEBIBYTES - 1)
    })
}

/// The call that succeeds does not count: what follows it is refused for another reason.
async fn subscribing_is_tried_once_a_second(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let place = Place::new(&fixture, &shard, "billing").await?;
    let _first = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    for kind in [ErrorKind::InUse, ErrorKind::Throttled] {
        place.check_refuses(&fixture, IteratorPosition::TrimHorizon, kind).await?;
    }
    Ok(())
}

async fn a_stream_has_twenty_consumers_at_most(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(1).await?;
    for number in 0..20 {
        register(&fixture, &stream, &format!("consumer-{number}")).await?;
    }
    let arn = fixture.kinesis().describe_stream(&stream).await?.arn;
    let another = fixture.kinesis().register_consumer(&arn, "another").await;
    check_error("a consumer after twenty", another, ErrorKind::Throttled)
}

async fn a_stream_creates_five_consumers_at_a_time(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(1).await?;
    let arn = fixture.kinesis().describe_stream(&stream).await?.arn;
    for number in 0..5 {
        fixture.kinesis().register_consumer(&arn, &format!("consumer-{number}")).await?;
    }
    let another = fixture.kinesis().register_consumer(&arn, "another").await;
    check_error("a consumer while five are being created", another, ErrorKind::Throttled)
}
