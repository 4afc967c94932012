use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::errors::refused;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ShardId, ShardKey, Timestamp};

/// What the text of a shard iterator says. The service's is encrypted; callers must treat this one as opaque too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IteratorToken {
    pub(super) shard: ShardKey,
    /// The sequence index of the next record to read.
    pub(super) next_index: u64,
    pub(super) issued_at: Timestamp,
}

impl IteratorToken {
    /// Fails with [`ErrorKind::IteratorExpired`] if the iterator is too old to be used.
    pub(super) fn check_age(&self, lifetime: Duration, now: Timestamp) -> Result<()> {
        let age = now.saturating_since(self.issued_at);
        if age > lifetime {
            return Err(Error::new(
                ErrorKind::IteratorExpired,
                format!(
                    "the iterator of shard '{}' is {} ms old, more than its lifetime of {} ms; get another",
                    self.shard,
                    age.as_millis(),
                    lifetime.as_millis()
                ),
            ));
        }
        Ok(())
    }
}

impl fmt::Display for IteratorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShardKey { stream, shard_id } = &self.shard;
        let issued_at = self.issued_at.as_millis();
        write!(f, "{stream}/{shard_id}/{}/{issued_at}", self.next_index)
    }
}

impl FromStr for IteratorToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            refused(format!("'{text}' is not a shard iterator; get one with `get_shard_iterator`"))
        })
    }
}

fn parse(text: &str) -> Option<IteratorToken> {
    let parts: Vec<&str> = text.split('/').collect();
    let [stream, shard_id, next_index, issued_at] = parts[..] else {
        return None;
    };
    Some(IteratorToken {
        shard: ShardKey::new(stream.parse().ok()?, ShardId::new(shard_id)),
        next_index: next_index.parse().ok()?,
        issued_at: Timestamp::from_millis(issued_at.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_a_round_trip() {
        let token = IteratorToken {
            shard: ShardKey::new(
                "123456789012:orders:1700000000".parse().unwrap(),
                ShardId::new("shardId-000000000000"),
            ),
            next_index: 7,
            issued_at: Timestamp::from_millis(1),
        };
        assert_eq!(token.to_string().parse::<IteratorToken>().unwrap(), token);
    }

    #[test]
    fn garbage_is_refused() {
        for text in ["", "AAAA", "orders/shard/x/1", "or ders/shard/1/1", "orders/shard/1/1/1"] {
            let error = text.parse::<IteratorToken>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{text}");
        }
    }
}
