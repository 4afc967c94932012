use std::str::FromStr;
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

impl FanOutConsumer {
    /// Fails with [`ErrorKind::Refused`] unless the service would take the name.
    fn validate(&self) -> Result<()> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        match self {
            Self::Named(name) if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.bytes().all(legal) => {
                Err(refused(format!(
                    "'{name}' is not a consumer name: 1 to {NAME_CHARS_MAX} letters, digits, '_', '.' or '-' are allowed"
                )))
            }
            Self::Named(_) | Self::Arn(_) => Ok(()),
        }
    }
}

impl FromStr for FanOutConsumer {
    type Err = Error;

    /// Reads an ARN, or else a name. Fails with [`ErrorKind::Refused`] if it is neither.
    fn from_str(text: &str) -> Result<Self> {
        let consumer =
            if text.starts_with("arn:") { Self::Arn(text.parse()?) } else { Self::Named(text.to_owned()) };
        consumer.validate()?;
        Ok(consumer)
    }
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
        self.consumer.validate()?;
        if self.silence_max < FALL_BACK_MIN {
            return Err(refused(format!(
                "silence_max is {:?}; at least {FALL_BACK_MIN:?} is needed, since idle shards are told of every few seconds",
                self.silence_max
            )));
        }
        if let Some(after) = self.fall_back_to_polling_after.filter(|after| *after < FALL_BACK_MIN) {
            return Err(refused(format!(
                "fall_back_to_polling_after is {after:?}; at least {FALL_BACK_MIN:?} is needed for a shard that has just moved"
            )));
        }
        Ok(())
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_a_name_or_an_arn() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/billing:1700000000";
        assert_eq!(arn.parse::<FanOutConsumer>().unwrap(), FanOutConsumer::Arn(arn.parse().unwrap()));
        let name = "billing_2.x-y";
        assert_eq!(name.parse::<FanOutConsumer>().unwrap(), FanOutConsumer::Named(name.to_owned()));
        for text in ["", "a b", "größe", "a/b", "arn:aws:sqs:x", &"x".repeat(129)] {
            assert_eq!(text.parse::<FanOutConsumer>().unwrap_err().kind(), ErrorKind::Refused, "{text}");
        }
    }

    #[test]
    fn times_too_short_for_a_shard_that_moves_are_refused() {
        let good = FanOutSettings::new(FanOutConsumer::Named("billing".to_owned()));
        assert!(good.validate().is_ok());
        let short = Duration::from_secs(5);
        for bad in [
            FanOutSettings { silence_max: short, ..good.clone() },
            FanOutSettings { fall_back_to_polling_after: Some(short), ..good.clone() },
            FanOutSettings { consumer: FanOutConsumer::Named(String::new()), ..good },
        ] {
            assert_eq!(bad.validate().unwrap_err().kind(), ErrorKind::Refused, "{bad:?}");
        }
    }
}
