use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{FanOutConsumer, FanOutSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::model::{ConsumerArn, StreamId};
use crate::retry::{Retry, RetryDelays, within};
use crate::stream::kinesis::REQUEST_TIMEOUT;
use crate::stream::{ConsumerDescription, ConsumerRef, ConsumerStatus, Kinesis};

/// All shards of a worker ask through here, so a failure is remembered for a while. The service allows 20 descriptions of
/// consumers and 5 registrations a second for an account (Kinesis quotas).
const FAILURE_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(1), max: Duration::from_secs(30) };

/// The rhythm in which a consumer that is being registered is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Registering takes the service seconds, half a minute at worst.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// The one registered consumer as which a worker subscribes to all its shards.
#[derive(Debug)]
pub(crate) struct Registration {
    kinesis: Arc<dyn Kinesis>,
    stream: StreamId,
    settings: FanOutSettings,
    events: Events,
    /// Held while the service is asked, so that it is asked once for all shards.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    known: Option<ConsumerArn>,
    failure: Option<Failure>,
    retry: Retry,
}

/// Why there is no consumer, and until when nobody asks again.
#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    message: String,
    until: Instant,
}

impl Registration {
    pub(crate) fn new(
        kinesis: Arc<dyn Kinesis>,
        stream: StreamId,
        settings: FanOutSettings,
        events: Events,
        seed: u64,
    ) -> Self {
        let retry = Retry::new(FAILURE_DELAYS, seed);
        Self {
            kinesis,
            stream,
            settings,
            events,
            state: Mutex::new(State { known: None, failure: None, retry }),
        }
    }

    pub(crate) fn settings(&self) -> &FanOutSettings {
        &self.settings
    }

    /// The consumer's ARN, once it may subscribe.
    pub(crate) async fn arn(&self) -> Result<ConsumerArn> {
        let mut state = self.state.lock().await;
        if let Some(arn) = &state.known {
            return Ok(arn.clone());
        }
        if let Some(failure) = state.failure.as_ref().filter(|failure| Instant::now() < failure.until) {
            return Err(Error::new(failure.kind, failure.message.clone()));
        }
        let found = timeout(ACTIVE_TIMEOUT, self.find()).await.unwrap_or_else(|_| {
            let problem = format!("{} was not ready to subscribe within {ACTIVE_TIMEOUT:?}", self.name());
            Err(Error::new(ErrorKind::Transient, problem))
        });
        match found {
            Ok(arn) => {
                state.retry.reset();
                state.failure = None;
                state.known = Some(arn.clone());
                Ok(arn)
            }
            Err(error) => {
                let until = Instant::now() + state.retry.next_delay();
                state.failure = Some(Failure { kind: error.kind(), message: error.to_string(), until });
                Err(error)
            }
        }
    }

    /// A subscription as `arn` was answered by `NotFound`. True if it is the consumer that is missing: the next one to ask
    /// for it registers it anew. False if the consumer is there, so it must be the shard.
    pub(crate) async fn is_missing(&self, arn: &ConsumerArn) -> Result<bool> {
        let mut state = self.state.lock().await;
        if state.known.as_ref() != Some(arn) {
            return Ok(true);
        }
        match self.describe(&ConsumerRef::Arn(arn.clone())).await {
            Ok(found) if found.status != ConsumerStatus::Deleting => Ok(false),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => {
                state.known = None;
                Ok(true)
            }
        }
    }

    /// Takes back the registration, if the settings say so.
    pub(crate) async fn end(&self) -> Result<()> {
        let is_ours = matches!(self.settings.consumer, FanOutConsumer::Named(_));
        if !self.settings.deregister_at_stop || !is_ours {
            return Ok(());
        }
        let Some(arn) = self.state.lock().await.known.take() else { return Ok(()) };
        let call = self.kinesis.deregister_consumer(&arn);
        match within(REQUEST_TIMEOUT, "DeregisterStreamConsumer", call).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => {
                self.events.emit(&Event::ConsumerDeregistered { consumer: &arn });
                Ok(())
            }
        }
    }

    async fn find(&self) -> Result<ConsumerArn> {
        let consumer = match &self.settings.consumer {
            FanOutConsumer::Arn(arn) => ConsumerRef::Arn(arn.clone()),
            FanOutConsumer::Named(name) => {
                let call = self.kinesis.describe_stream(&self.stream);
                let stream = within(REQUEST_TIMEOUT, "DescribeStreamSummary", call).await?.arn;
                ConsumerRef::Name { stream, name: name.clone() }
            }
        };
        loop {
            match self.describe(&consumer).await {
                Ok(found) if found.status == ConsumerStatus::Active => return Ok(found.arn),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => self.register(&consumer, error).await?,
                Err(error) => return Err(error),
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn describe(&self, consumer: &ConsumerRef) -> Result<ConsumerDescription> {
        within(REQUEST_TIMEOUT, "DescribeStreamConsumer", self.kinesis.describe_consumer(consumer)).await
    }

    /// Registers a consumer of this name. Fails with `missing` if it is known by its ARN alone.
    async fn register(&self, consumer: &ConsumerRef, missing: Error) -> Result<()> {
        let ConsumerRef::Name { stream, name } = consumer else { return Err(missing) };
        let call = self.kinesis.register_consumer(stream, name);
        match within(REQUEST_TIMEOUT, "RegisterStreamConsumer", call).await {
            Ok(registered) => {
                self.events.emit(&Event::ConsumerRegistered { consumer: &registered.arn });
                Ok(())
            }
            // Another worker was faster.
            Err(error) if error.kind() == ErrorKind::InUse => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn name(&self) -> String {
        match &self.settings.consumer {
            FanOutConsumer::Named(name) => format!("consumer '{name}' of stream '{}'", self.stream),
            FanOutConsumer::Arn(arn) => format!("consumer {arn}"),
        }
    }
}
