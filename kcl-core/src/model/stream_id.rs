use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// Which stream a shard belongs to.
///
/// A table that serves one stream needs only its name. A table that serves many tells streams of one name apart by
/// account and creation time, in the Java KCL's form `account:name:epoch` (`StreamIdentifier.java`), which is what
/// [`Display`](fmt::Display) writes and [`FromStr`] reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    name: String,
    incarnation: Option<Incarnation>,
}

/// What tells a stream from another of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Incarnation {
    account: String,
    creation_epoch_secs: u64,
}

impl StreamId {
    /// A stream known by its name alone, in the account and region of the client.
    pub fn named(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { name, incarnation: None })
    }

    /// A stream of `account`, created `creation_epoch_secs` seconds after the Unix epoch.
    pub fn with_incarnation(
        account: impl Into<String>,
        name: impl Into<String>,
        creation_epoch_secs: u64,
    ) -> Result<Self> {
        let (account, name) = (account.into(), name.into());
        check_name(&name)?;
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused(format!("the account id '{account}' of stream '{name}' is not a number")));
        }
        Ok(Self { name, incarnation: Some(Incarnation { account, creation_epoch_secs }) })
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.incarnation {
            None => f.write_str(&self.name),
            Some(Incarnation { account, creation_epoch_secs }) => {
                write!(f, "{account}:{}:{creation_epoch_secs}", self.name)
            }
        }
    }
}

impl FromStr for StreamId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [name] => Self::named(name),
            [account, name, epoch] => {
                let epoch = epoch.parse().map_err(|_| {
                    refused(format!(
                        "the creation epoch '{epoch}' of stream '{text}' is not a number of seconds"
                    ))
                })?;
                Self::with_incarnation(account, name, epoch)
            }
            _ => Err(refused(format!("'{text}' is neither a stream name nor account:name:epoch"))),
        }
    }
}

/// The service's own rule for stream names (`CreateStream`, Kinesis API reference).
fn check_name(name: &str) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if (1..=128).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(refused(format!(
        "'{name}' is not a stream name: 1 to 128 letters, digits, '_', '.' or '-' are allowed"
    )))
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_survive_a_round_trip() {
        for text in ["orders", "123456789012:orders:1700000000"] {
            assert_eq!(text.parse::<StreamId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_form_is_refused_with_the_value_in_the_message() {
        for text in ["", "a b", "1:orders", "x:orders:1", "1:orders:soon"] {
            let error = text.parse::<StreamId>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.to_string().contains('\''), "{error}");
        }
    }
}
