//! When a subscription is opened, taken over and ended.

use std::time::Duration;

use super::subscriber::{Place, deregister, register};
use super::{Fixture, KinesisFixture, check_labels, needs, one_shard, put, shards};
use crate::ErrorKind;
use crate::model::{ConsumerArn, ShardId, ShardKey};
use crate::stream::{ConsumerStatus, IteratorPosition};
use crate::testing::conformance::{Case, CaseResult, cases, check, check_eq};

/// From when on a subscription can be taken over (`SubscribeToShard`, Kinesis API reference).
const TAKE_OVER: Duration = Duration::from_secs(5);

/// How long a subscription lasts (`SubscribeToShard`, Kinesis API reference).
const LIFETIME: Duration = Duration::from_mins(5);

/// How much sooner or later than the reference says a subscription may end.
const LIFETIME_TOLERANCE: Duration = Duration::from_secs(10);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_subscription_within_five_seconds_of_another_is_refused,
        a_dropped_subscription_keeps_its_place_for_five_seconds,
        a_refused_subscription_leaves_the_other_as_it_is,
        other_shards_and_consumers_are_free,
        a_subscription_takes_over_after_five_seconds,
        a_subscription_that_took_over_keeps_others_away,
        a_subscription_ends_in_good_order_after_five_minutes,
        a_consumer_that_is_being_created_may_not_subscribe,
        an_unknown_consumer_may_not_subscribe,
        a_deregistered_consumer_may_not_subscribe,
        the_subscription_of_a_deregistered_consumer_fails,
        an_unknown_shard_has_no_subscription,
        a_malformed_position_has_no_subscription,
    ]
}

async fn a_subscription_within_five_seconds_of_another_is_refused(fixture: Fixture) -> CaseResult {
    let place = place(&fixture).await?;
    let _first = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::InUse).await
}

async fn a_dropped_subscription_keeps_its_place_for_five_seconds(fixture: Fixture) -> CaseResult {
    let place = place(&fixture).await?;
    drop(place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?);
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::InUse).await
}

async fn a_refused_subscription_leaves_the_other_as_it_is(fixture: Fixture) -> CaseResult {
    let place = place(&fixture).await?;
    let mut first = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::InUse).await?;
    put(&fixture, &place.shard, &["a"]).await?;
    check_labels(&first.take(1).await?, &["a"])
}

async fn other_shards_and_consumers_are_free(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(2).await?;
    let listed = shards(&fixture, &stream).await?;
    for name in ["billing", "auditing"] {
        let consumer = register(&fixture, &stream, name).await?.arn;
        for shard in &listed {
            let shard = ShardKey::new(stream.clone(), shard.shard_id.clone());
            let place = Place { consumer: consumer.clone(), shard };
            place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
        }
    }
    Ok(())
}

async fn a_subscription_takes_over_after_five_seconds(fixture: Fixture) -> CaseResult {
    needs(&fixture, TAKE_OVER)?;
    let place = place(&fixture).await?;
    let mut first = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    put(&fixture, &place.shard, &["a"]).await?;
    first.take(1).await?;
    fixture.pass(TAKE_OVER).await;
    let mut second = place.subscribe(&fixture, first.resumption()?).await?;
    put(&fixture, &place.shard, &["b"]).await?;
    check_labels(&second.take(1).await?, &["b"])?;
    first.check_fails(ErrorKind::InUse).await
}

async fn a_subscription_that_took_over_keeps_others_away(fixture: Fixture) -> CaseResult {
    needs(&fixture, TAKE_OVER)?;
    let place = place(&fixture).await?;
    let _first = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    fixture.pass(TAKE_OVER).await;
    let _second = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::InUse).await
}

async fn a_subscription_ends_in_good_order_after_five_minutes(fixture: Fixture) -> CaseResult {
    needs(&fixture, LIFETIME + LIFETIME_TOLERANCE)?;
    let place = place(&fixture).await?;
    let mut first = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    let opened_at = fixture.kinesis().now();
    put(&fixture, &place.shard, &["a"]).await?;
    check_labels(&first.take(1).await?, &["a"])?;
    first.wait_for_the_end().await?;
    let age = fixture.kinesis().now().saturating_since(opened_at);
    check(age.abs_diff(LIFETIME) <= LIFETIME_TOLERANCE, || {
        format!("a subscription should last for {LIFETIME:?}, not for {age:?}")
    })?;
    put(&fixture, &place.shard, &["b"]).await?;
    let mut second = place.subscribe(&fixture, first.resumption()?).await?;
    check_labels(&second.take(1).await?, &["b"])
}

async fn a_consumer_that_is_being_created_may_not_subscribe(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let arn = fixture.kinesis().describe_stream(&shard.stream).await?.arn;
    let registered = fixture.kinesis().register_consumer(&arn, "billing").await?;
    check_eq("the status at once", &registered.status, &ConsumerStatus::Creating)?;
    let place = Place { consumer: registered.arn, shard };
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::InUse).await
}

async fn an_unknown_consumer_may_not_subscribe(fixture: Fixture) -> CaseResult {
    let shard = one_shard(&fixture).await?;
    let arn = fixture.kinesis().describe_stream(&shard.stream).await?.arn;
    let unknown: ConsumerArn = format!("{arn}/consumer/auditing:1700000000").parse()?;
    let place = Place { consumer: unknown, shard };
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::NotFound).await
}

async fn a_deregistered_consumer_may_not_subscribe(fixture: Fixture) -> CaseResult {
    let place = place(&fixture).await?;
    deregister(&fixture, &place.consumer).await?;
    place.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::NotFound).await
}

async fn the_subscription_of_a_deregistered_consumer_fails(fixture: Fixture) -> CaseResult {
    let place = place(&fixture).await?;
    let mut subscriber = place.subscribe(&fixture, IteratorPosition::TrimHorizon).await?;
    deregister(&fixture, &place.consumer).await?;
    subscriber.check_fails(ErrorKind::NotFound).await
}

async fn an_unknown_shard_has_no_subscription(fixture: Fixture) -> CaseResult {
    let unknown = place(&fixture).await?.in_shard(&ShardId::new("shardId-000000000009"));
    unknown.check_refuses(&fixture, IteratorPosition::TrimHorizon, ErrorKind::NotFound).await
}

async fn a_malformed_position_has_no_subscription(fixture: Fixture) -> CaseResult {
    let parent = place(&fixture).await?;
    let stream = &parent.shard.stream;
    let number = put(&fixture, &parent.shard, &["a"]).await?.remove(0);
    fixture.split(stream, &parent.shard.shard_id, 1 << 127).await?;
    for child in shards(&fixture, stream).await?.iter().filter(|shard| shard.is_open()) {
        let position = IteratorPosition::AfterSequenceNumber(number.clone());
        let child = parent.in_shard(&child.shard_id);
        child.check_refuses(&fixture, position, ErrorKind::Refused).await?;
    }
    let hour_later = fixture.kinesis().now().saturating_add(Duration::from_hours(1));
    parent.check_refuses(&fixture, IteratorPosition::AtTimestamp(hour_later), ErrorKind::Refused).await
}

/// A new consumer, and the only shard of its stream.
async fn place(fixture: &Fixture) -> CaseResult<Place> {
    Place::new(fixture, &one_shard(fixture).await?, "billing").await
}
