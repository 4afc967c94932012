use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The full name of a stream: `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamArn(String);

/// The full name of a registered consumer: `arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM/consumer/NAME:EPOCH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerArn(String);

impl StreamArn {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the stream.
    pub fn stream_name(&self) -> &str {
        resource(&self.0).and_then(|resource| resource.strip_prefix("stream/")).unwrap_or_default()
    }
}

impl ConsumerArn {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamArn {
    type Err = Error;

    /// Fails with [`ErrorKind::Refused`] unless the text has the form of a stream's ARN.
    fn from_str(text: &str) -> Result<Self> {
        match parts(text)[..] {
            ["stream", name] if !name.is_empty() => Ok(Self(text.to_owned())),
            _ => Err(refused(format!(
                "'{text}' is not the ARN of a stream, such as 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders'"
            ))),
        }
    }
}

impl FromStr for ConsumerArn {
    type Err = Error;

    /// Fails with [`ErrorKind::Refused`] unless the text has the form of a consumer's ARN.
    fn from_str(text: &str) -> Result<Self> {
        match parts(text)[..] {
            ["stream", stream, "consumer", consumer] if !stream.is_empty() && consumer.contains(':') => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(refused(format!(
                "'{text}' is not the ARN of a consumer, such as \
                 'arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/billing:1700000000'"
            ))),
        }
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What follows the account in an ARN of Kinesis, if the text is one.
fn resource(text: &str) -> Option<&str> {
    let mut fields = text.splitn(6, ':');
    let is_ours = fields.next() == Some("arn") && fields.nth(1) == Some("kinesis");
    fields.nth(2).filter(|_| is_ours)
}

fn parts(text: &str) -> Vec<&str> {
    resource(text).map(|resource| resource.split('/').collect()).unwrap_or_default()
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    const CONSUMER: &str =
        "arn:aws-cn:kinesis:eu-west-1:123456789012:stream/orders/consumer/billing:1700000000";

    #[test]
    fn arns_are_told_apart() {
        assert_eq!(STREAM.parse::<StreamArn>().unwrap().stream_name(), "orders");
        assert_eq!(CONSUMER.parse::<ConsumerArn>().unwrap().to_string(), CONSUMER);
        for wrong in
            [CONSUMER, "", "orders", "arn:aws:sqs:eu-west-1:1:stream/orders", "arn:aws:kinesis:r:1:stream/"]
        {
            assert_eq!(wrong.parse::<StreamArn>().unwrap_err().kind(), ErrorKind::Refused, "{wrong}");
        }
        for wrong in [STREAM, "", "billing", "arn:aws:kinesis:r:1:stream/s/consumer/no-epoch"] {
            assert_eq!(wrong.parse::<ConsumerArn>().unwrap_err().kind(), ErrorKind::Refused, "{wrong}");
        }
    }
}
