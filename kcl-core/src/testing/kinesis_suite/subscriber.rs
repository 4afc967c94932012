use std::time::Duration;

use tokio::time::timeout;

use super::Fixture;
use crate::ErrorKind;
use crate::model::{ConsumerArn, Record, SequenceNumber, ShardId, ShardKey, StreamId};
use crate::stream::{
    ConsumerDescription, ConsumerRef, ConsumerStatus, IteratorPosition, Subscription, SubscriptionEvent,
};
use crate::testing::conformance::{CaseResult, check_eq, check_error, fail};

/// How long an event may take: twice as long as an idle shard of the service is silent.
const EVENT_TIME_MAX: Duration = Duration::from_secs(10);

/// How many events a case waits through for what must come.
const EVENTS_MAX: usize = 100;

/// How long a case waits through them: the end of a shard or of a consumer is told within seconds.
const END_TIME_MAX: Duration = Duration::from_secs(10);

/// More events than an idle shard pushes in five minutes, if it pushes five a second.
const LIFE_EVENTS_MAX: usize = 2_000;

/// How often a case looks at a consumer that is to be active or gone: with the pause, for five seconds.
const LOOKS_MAX: usize = 100;

const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Registers a consumer with this name, and waits until it is active.
pub(super) async fn register(
    fixture: &Fixture,
    stream: &StreamId,
    name: &str,
) -> CaseResult<ConsumerDescription> {
    let kinesis = fixture.kinesis();
    let arn = kinesis.describe_stream(stream).await?.arn;
    let registered = kinesis.register_consumer(&arn, name).await?;
    for _ in 0..LOOKS_MAX {
        let described = kinesis.describe_consumer(&ConsumerRef::Arn(registered.arn.clone())).await?;
        if described.status == ConsumerStatus::Active {
            return Ok(described);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    fail(format!("consumer {} does not become active", registered.arn))
}

/// Deregisters a consumer, and waits until it is gone.
pub(super) async fn deregister(fixture: &Fixture, consumer: &ConsumerArn) -> CaseResult {
    let kinesis = fixture.kinesis();
    kinesis.deregister_consumer(consumer).await?;
    for _ in 0..LOOKS_MAX {
        match kinesis.describe_consumer(&ConsumerRef::Arn(consumer.clone())).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            described => {
                let status = described?.status;
                check_eq(
                    "the status of a consumer that was deregistered",
                    &status,
                    &ConsumerStatus::Deleting,
                )?;
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    fail(format!("consumer {consumer} was deregistered, and is still there"))
}

/// A consumer, and the shard that it subscribes to.
pub(super) struct Place {
    pub(super) consumer: ConsumerArn,
    pub(super) shard: ShardKey,
}

impl Place {
    /// For a new consumer, which is named `name`.
    pub(super) async fn new(fixture: &Fixture, shard: &ShardKey, name: &str) -> CaseResult<Self> {
        let consumer = register(fixture, &shard.stream, name).await?.arn;
        Ok(Self { consumer, shard: shard.clone() })
    }

    /// The same consumer, and another shard of its stream.
    pub(super) fn in_shard(&self, shard_id: &ShardId) -> Self {
        Self { consumer: self.consumer.clone(), shard: self.shard.sibling(shard_id) }
    }

    pub(super) async fn subscribe(
        &self,
        fixture: &Fixture,
        position: IteratorPosition,
    ) -> CaseResult<Subscriber> {
        let kinesis = fixture.kinesis();
        let subscription = kinesis.subscribe_to_shard(&self.consumer, &self.shard, &position).await?;
        Ok(Subscriber { subscription, continuation: None })
    }

    /// Fails unless a subscription is refused with an error of `kind`.
    pub(super) async fn check_refuses(
        &self,
        fixture: &Fixture,
        position: IteratorPosition,
        kind: ErrorKind,
    ) -> CaseResult {
        let kinesis = fixture.kinesis();
        let subscription = kinesis.subscribe_to_shard(&self.consumer, &self.shard, &position).await;
        check_error(&format!("a subscription from {position}"), subscription, kind)
    }
}

/// A subscription, and the number to go on after.
pub(super) struct Subscriber {
    subscription: Box<dyn Subscription>,
    pub(super) continuation: Option<SequenceNumber>,
}

impl Subscriber {
    /// A subscription of a new consumer, which is named `name`.
    pub(super) async fn open(
        fixture: &Fixture,
        shard: &ShardKey,
        name: &str,
        position: IteratorPosition,
    ) -> CaseResult<Self> {
        Place::new(fixture, shard, name).await?.subscribe(fixture, position).await
    }

    /// Where another subscription goes on. Fails if nothing has been delivered yet.
    pub(super) fn resumption(&self) -> CaseResult<IteratorPosition> {
        match &self.continuation {
            Some(number) => Ok(IteratorPosition::AfterSequenceNumber(number.clone())),
            None => fail("nothing that was delivered says where to go on"),
        }
    }

    /// The next event, or `None` after the last.
    pub(super) async fn next(&mut self) -> CaseResult<Option<SubscriptionEvent>> {
        let event = self.outcome().await??;
        if let Some(event) = &event {
            self.continuation.clone_from(&event.continuation);
        }
        Ok(event)
    }

    /// Lets events come until the subscription ends.
    pub(super) async fn wait_for_the_end(&mut self) -> CaseResult {
        for _ in 0..LIFE_EVENTS_MAX {
            if self.next().await?.is_none() {
                return Ok(());
            }
        }
        fail(format!("the subscription does not end: it has pushed {LIFE_EVENTS_MAX} events"))
    }

    /// What comes next must be an error of `kind`, perhaps after some events.
    pub(super) async fn check_fails(&mut self, kind: ErrorKind) -> CaseResult {
        let error = async {
            for _ in 0..EVENTS_MAX {
                match self.outcome().await? {
                    Ok(Some(_)) => {}
                    outcome => return check_error("the subscription", outcome, kind),
                }
            }
            fail(format!("{EVENTS_MAX} events came, where an error {kind:?} should"))
        };
        let late = || fail(format!("events came for {END_TIME_MAX:?}, where an error {kind:?} should"));
        timeout(END_TIME_MAX, error).await.unwrap_or_else(|_| late())
    }

    /// Waits no longer than `time` for an event, which must not come.
    pub(super) async fn glance(&mut self, time: Duration) -> CaseResult<Vec<Record>> {
        match timeout(time, self.subscription.next_event()).await {
            Ok(event) => Ok(event?.map(|event| event.records).unwrap_or_default()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// As many events as `count` records need.
    pub(super) async fn take(&mut self, count: usize) -> CaseResult<Vec<Record>> {
        let mut records = Vec::new();
        for _ in 0..EVENTS_MAX {
            match self.next().await? {
                Some(event) => records.extend(event.records),
                None => return fail("the subscription has ended early"),
            }
            if records.len() >= count {
                return Ok(records);
            }
        }
        fail(format!("{count} records should come, but only {} did", records.len()))
    }

    /// As many events as the end of the shard needs: the records, and the last event.
    pub(super) async fn drain(&mut self) -> CaseResult<(Vec<Record>, SubscriptionEvent)> {
        let late = || fail(format!("the closed shard does not end within {END_TIME_MAX:?}"));
        timeout(END_TIME_MAX, self.drain_events()).await.unwrap_or_else(|_| late())
    }

    async fn drain_events(&mut self) -> CaseResult<(Vec<Record>, SubscriptionEvent)> {
        let mut records = Vec::new();
        for _ in 0..EVENTS_MAX {
            let Some(event) = self.next().await? else {
                return fail("the subscription has ended before the shard");
            };
            records.extend(event.records.iter().cloned());
            if event.is_shard_end {
                return Ok((records, event));
            }
        }
        fail("the closed shard does not end")
    }

    async fn outcome(&mut self) -> CaseResult<crate::Result<Option<SubscriptionEvent>>> {
        match timeout(EVENT_TIME_MAX, self.subscription.next_event()).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => fail(format!("no event has come for {EVENT_TIME_MAX:?}")),
        }
    }
}
