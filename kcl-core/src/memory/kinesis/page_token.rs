use std::fmt;
use std::time::Duration;

use super::errors::refused;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ShardId, StreamId, Timestamp};
use crate::stream::{ShardFilter, ShardPageToken};

/// What the token of a page of shards says. Callers must treat it as opaque.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageToken {
    pub(super) stream: StreamId,
    /// The filter of the first page.
    pub(super) filter: ShardFilter,
    /// The last shard of the page before.
    pub(super) last: ShardId,
    pub(super) issued_at: Timestamp,
}

impl PageToken {
    /// Fails unless the token is one of `stream`, and still young enough to be used.
    pub(super) fn read(
        token: &ShardPageToken,
        stream: &StreamId,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Self> {
        let token = parse(&token.0).filter(|parsed| parsed.stream == *stream).ok_or_else(|| {
            refused(format!(
                "'{}' is not a page token of stream '{stream}'; start the listing again",
                token.0
            ))
        })?;
        let age = now.saturating_since(token.issued_at);
        if age > lifetime {
            return Err(expired(stream, age, lifetime));
        }
        Ok(token)
    }
}

impl From<PageToken> for ShardPageToken {
    fn from(token: PageToken) -> Self {
        Self(token.to_string())
    }
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stream, last, issued_at) = (&self.stream, &self.last, self.issued_at.as_millis());
        write!(f, "{stream}/{last}/{issued_at}/")?;
        match &self.filter {
            // What follows the last shard follows the shard that the filter names, too.
            ShardFilter::All | ShardFilter::FromTrimHorizon | ShardFilter::AfterShardId(_) => {
                f.write_str("all/0")
            }
            ShardFilter::AtTrimHorizon => f.write_str("horizon/0"),
            ShardFilter::AtLatest => f.write_str("latest/0"),
            ShardFilter::AtTimestamp(time) => write!(f, "at/{}", time.as_millis()),
            ShardFilter::FromTimestamp(time) => write!(f, "from/{}", time.as_millis()),
        }
    }
}

fn parse(text: &str) -> Option<PageToken> {
    let parts: Vec<&str> = text.split('/').collect();
    let [stream, last, issued_at, filter, time] = parts[..] else {
        return None;
    };
    let time = Timestamp::from_millis(time.parse().ok()?);
    let filter = match filter {
        "all" => ShardFilter::All,
        "horizon" => ShardFilter::AtTrimHorizon,
        "latest" => ShardFilter::AtLatest,
        "at" => ShardFilter::AtTimestamp(time),
        "from" => ShardFilter::FromTimestamp(time),
        _ => return None,
    };
    let issued_at = Timestamp::from_millis(issued_at.parse().ok()?);
    Some(PageToken { stream: stream.parse().ok()?, filter, last: ShardId::new(last), issued_at })
}

/// `ExpiredNextTokenException` of the service.
fn expired(stream: &StreamId, age: Duration, lifetime: Duration) -> Error {
    Error::new(
        ErrorKind::Transient,
        format!(
            "the page token of stream '{stream}' is {} ms old, more than its lifetime of {} ms; start the listing again",
            age.as_millis(),
            lifetime.as_millis()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_token_survives_a_round_trip() {
        let stream: StreamId = "123456789012:orders:1700000000".parse().unwrap();
        let filters = [
            ShardFilter::All,
            ShardFilter::AtTrimHorizon,
            ShardFilter::AtLatest,
            ShardFilter::AtTimestamp(NOW),
            ShardFilter::FromTimestamp(NOW),
        ];
        for filter in filters {
            let last = ShardId::new("shardId-000000000007");
            let token = || PageToken {
                stream: stream.clone(),
                filter: filter.clone(),
                last: last.clone(),
                issued_at: NOW,
            };
            let text = ShardPageToken::from(token());
            assert_eq!(PageToken::read(&text, &stream, Duration::ZERO, NOW).unwrap(), token());
        }
    }
}
