use std::collections::BTreeMap;
use std::sync::Arc;

use super::MemoryKinesisSettings;
use super::arn::consumer_arn;
use super::errors::{in_use, not_found, refused, throttled};
use super::subscription_slot::SubscriptionSlot;
use crate::error::Result;
use crate::model::{ConsumerArn, ShardId, StreamArn, Timestamp};
use crate::stream::{ConsumerDescription, ConsumerRef, ConsumerStatus};

/// The most characters of a consumer's name (`RegisterStreamConsumer`, Kinesis API reference).
const NAME_CHARS_MAX: usize = 128;

/// The registered consumers of one stream.
#[derive(Debug)]
pub(super) struct Consumers {
    stream: StreamArn,
    settings: Arc<MemoryKinesisSettings>,
    by_name: BTreeMap<String, Consumer>,
    /// The epoch in the ARN that was given last; none is given twice.
    last_epoch_secs: i64,
}

/// A consumer, from its registration until it is deleted.
#[derive(Debug)]
struct Consumer {
    arn: ConsumerArn,
    created_at: Timestamp,
    active_at: Timestamp,
    deleted_at: Option<Timestamp>,
    slots: BTreeMap<ShardId, SubscriptionSlot>,
}

impl Consumers {
    pub(super) fn new(stream: StreamArn, settings: Arc<MemoryKinesisSettings>) -> Self {
        Self { stream, settings, by_name: BTreeMap::new(), last_epoch_secs: 0 }
    }

    /// Forgets the consumers whose deletion is done.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        self.by_name.retain(|_, consumer| consumer.deleted_at.is_none_or(|deleted_at| deleted_at > now));
    }

    pub(super) fn count(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn register(&mut self, name: &str, now: Timestamp) -> Result<ConsumerDescription> {
        check_name(name)?;
        if self.by_name.contains_key(name) {
            return Err(in_use(format!("{} has a consumer '{name}' already", self.stream)));
        }
        self.check_count(now)?;
        self.last_epoch_secs = (now.as_millis() / 1_000).max(self.last_epoch_secs + 1);
        let consumer = Consumer {
            arn: consumer_arn(&self.stream, name, self.last_epoch_secs)?,
            created_at: now,
            active_at: now.saturating_add(self.settings.fan_out.consumer_transition),
            deleted_at: None,
            slots: BTreeMap::new(),
        };
        let description = consumer.describe(name, now);
        self.by_name.insert(name.to_owned(), consumer);
        Ok(description)
    }

    pub(super) fn describe(&self, consumer: &ConsumerRef, now: Timestamp) -> Result<ConsumerDescription> {
        let is_meant = |(name, registered): &(&String, &Consumer)| match consumer {
            ConsumerRef::Arn(arn) => registered.arn == *arn,
            ConsumerRef::Name { name: wanted, .. } => *name == wanted,
        };
        match self.by_name.iter().find(is_meant) {
            Some((name, registered)) => Ok(registered.describe(name, now)),
            None => Err(not_found(format!("there is no consumer {consumer}"))),
        }
    }

    /// Begins the deletion of a consumer, whose subscriptions can deliver nothing more. Returns the shards of those.
    pub(super) fn deregister(&mut self, arn: &ConsumerArn, now: Timestamp) -> Result<Vec<ShardId>> {
        let deleted_at = now.saturating_add(self.settings.fan_out.consumer_transition);
        let consumer = self.consumer_mut(arn)?;
        if consumer.deleted_at.is_some() {
            return Err(in_use(format!("consumer {arn} is being deleted already")));
        }
        consumer.deleted_at = Some(deleted_at);
        let shards = std::mem::take(&mut consumer.slots).into_keys().collect();
        self.pass_time(now);
        Ok(shards)
    }

    fn check_count(&self, now: Timestamp) -> Result<()> {
        let limits = self.settings.limits;
        let is_creating = |consumer: &&Consumer| consumer.status(now) == ConsumerStatus::Creating;
        let creating = self.by_name.values().filter(is_creating).count();
        let is_full = |count, limit: Option<usize>| limit.is_some_and(|limit| count >= limit);
        if is_full(self.by_name.len(), limits.consumers) || is_full(creating, limits.consumers_being_created)
        {
            return Err(throttled(format!(
                "{} has {} consumers already, of which {creating} are being created",
                self.stream,
                self.by_name.len()
            )));
        }
        Ok(())
    }

    /// The place of an active consumer's subscription to a shard.
    pub(super) fn slot(
        &mut self,
        arn: &ConsumerArn,
        shard: &ShardId,
        now: Timestamp,
    ) -> Result<&mut SubscriptionSlot> {
        let consumer = self.consumer_mut(arn)?;
        match consumer.status(now) {
            ConsumerStatus::Active => Ok(consumer.slots.entry(shard.clone()).or_default()),
            ConsumerStatus::Creating => {
                Err(in_use(format!("consumer {arn} is being created; wait until it is active")))
            }
            ConsumerStatus::Deleting => Err(not_found(format!("consumer {arn} has been deregistered"))),
        }
    }

    fn consumer_mut(&mut self, arn: &ConsumerArn) -> Result<&mut Consumer> {
        let registered = self.by_name.values_mut().find(|consumer| consumer.arn == *arn);
        registered.ok_or_else(|| not_found(format!("there is no consumer {arn}")))
    }
}

impl Consumer {
    fn describe(&self, name: &str, now: Timestamp) -> ConsumerDescription {
        ConsumerDescription {
            name: name.to_owned(),
            arn: self.arn.clone(),
            status: self.status(now),
            created_at: self.created_at,
        }
    }

    fn status(&self, now: Timestamp) -> ConsumerStatus {
        match self.deleted_at {
            Some(_) => ConsumerStatus::Deleting,
            None if now < self.active_at => ConsumerStatus::Creating,
            None => ConsumerStatus::Active,
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(refused(format!(
        "'{name}' is not a consumer's name: 1 to {NAME_CHARS_MAX} letters, digits, '_', '.' or '-' are allowed"
    )))
}
