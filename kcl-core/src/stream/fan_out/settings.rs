use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::model::ConsumerArn;

/// Long enough for a subscription to be taken over from the last owner of a shard, which takes up to five seconds.
const FALL_BACK_MIN: Duration = Duration::from_secs(6);

/// The longest name of a consumer (`RegisterStreamConsumer`, Kinesis API reference).
const NAME_CHARS_MAX: usize = 128;

/// Which registered consumer the application reads as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FanOutConsumer {
    /// The consumer of this name, which is registered if there is none. All workers of an application use the same, and
    /// no other application does.
    Named(String),
    /// This consumer, which somebody has registered. The way to read a stream of another account.
    Arn(ConsumerArn),
}

/// How shards are read by enhanced fan-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOutSettings {
    /// Which registered consumer the application reads as.
    pub consumer: FanOutConsumer,
    /// A subscription from which nothing comes for as long as this is replaced: the service tells of idle shards, too, every few
    /// seconds. Default 30 s.
    pub silence_max: Duration,
    /// A shard that could not be subscribed to for as long as this is polled, until it can. Default `None`: it waits.
    /// At least 6 s, since a shard that has just moved may need five.
    pub fall_back_to_polling_after: Option<Duration>,
    /// Takes back the registration when the worker stops. Only for an application of one worker: those of others could
    /// no longer read. Default false. A consumer given by its ARN is never deregistered.
    pub deregister_at_stop: bool,
}

impl FanOutSettings {
    /// Defaults for an application that reads as `consumer`.
    pub fn new(consumer: FanOutConsumer) -> Self {
        Self {
            consumer,
            silence_max: Duration::from_secs(30),
            fall_back_to_polling_after: None,
            deregister_at_stop: false,
        }
    }

    /// Fails with [`ErrorKind::Refused`], naming the value, if a worker could not run with these settings.
    pub fn validate(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Refused, message));
        if let FanOutConsumer::Named(name) = &self.consumer {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
            if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.bytes().all(legal) {
                return refuse(format!(
                    "'{name}' is not a consumer name: 1 to {NAME_CHARS_MAX} letters, digits, '_', '.' or '-' are allowed"
                ));
            }
        }
        if self.silence_max < FALL_BACK_MIN {
            return refuse(format!(
                "silence_max is {:?}; at least {FALL_BACK_MIN:?} is needed, since idle shards are told of every few seconds",
                self.silence_max
            ));
        }
        if let Some(after) = self.fall_back_to_polling_after.filter(|after| *after < FALL_BACK_MIN) {
            return refuse(format!(
                "fall_back_to_polling_after is {after:?}; at least {FALL_BACK_MIN:?} is needed for a shard that has just moved"
            ));
        }
        Ok(())
    }
}
