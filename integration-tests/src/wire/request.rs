//! Reading the arguments of a request, as the Kinesis API reference names and encodes them.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kcl_core::model::{ShardId, ShardKey, StreamArn, StreamId, Timestamp};
use kcl_core::stream::{IteratorPosition, ShardFilter};
use serde_json::Value;

use super::answer::Refusal;

/// What separates the parts of our tokens: no name of a stream or shard has it.
pub(super) const SEPARATOR: char = '|';

const MILLIS_PER_SECOND: f64 = 1_000.0;

/// The arguments of a request.
pub(super) struct Arguments<'a>(pub(super) &'a Value);

impl Arguments<'_> {
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Refusal> {
        self.optional(name).ok_or_else(|| Refusal::validation(format!("{name} is missing")))
    }

    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<T, Refusal> {
        let text = self.text(name)?;
        text.parse().map_err(|_| Refusal::invalid(format!("{name} '{text}' has not the form it must have")))
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    /// The stream of a request, by name or by ARN.
    pub(super) fn stream(&self) -> Result<StreamId, Refusal> {
        let name = match self.optional("StreamARN") {
            Some(_) => self.parsed::<StreamArn>("StreamARN")?.stream_name().to_owned(),
            None => self.text("StreamName")?.to_owned(),
        };
        Ok(StreamId::named(name)?)
    }

    pub(super) fn shard(&self, name: &str) -> Result<ShardId, Refusal> {
        Ok(ShardId::new(self.text(name)?))
    }

    pub(super) fn data(&self) -> Result<Bytes, Refusal> {
        let decoded = BASE64_STANDARD.decode(self.text("Data")?);
        decoded.map(Bytes::from).map_err(|_| Refusal::validation("Data is not base64".to_owned()))
    }

    pub(super) fn explicit_hash_key(&self) -> Result<Option<u128>, Refusal> {
        self.optional("ExplicitHashKey").map(|_| self.parsed("ExplicitHashKey")).transpose()
    }

    /// The fields of `GetShardIterator`, or of the `StartingPosition` of `SubscribeToShard`.
    pub(super) fn position(&self, type_field: &str, number_field: &str) -> Result<IteratorPosition, Refusal> {
        match self.text(type_field)? {
            "TRIM_HORIZON" => Ok(IteratorPosition::TrimHorizon),
            "LATEST" => Ok(IteratorPosition::Latest),
            "AT_TIMESTAMP" => Ok(IteratorPosition::AtTimestamp(self.timestamp()?)),
            "AT_SEQUENCE_NUMBER" => Ok(IteratorPosition::AtSequenceNumber(self.parsed(number_field)?)),
            "AFTER_SEQUENCE_NUMBER" => Ok(IteratorPosition::AfterSequenceNumber(self.parsed(number_field)?)),
            other => Err(Refusal::validation(format!("{type_field} '{other}' is none"))),
        }
    }

    pub(super) fn shard_filter(&self) -> Result<ShardFilter, Refusal> {
        if let Some(after) = self.optional("ExclusiveStartShardId") {
            return Ok(ShardFilter::AfterShardId(ShardId::new(after)));
        }
        let Some(filter) = self.0.get("ShardFilter").map(Arguments) else {
            return Ok(ShardFilter::All);
        };
        match filter.text("Type")? {
            "AFTER_SHARD_ID" => Ok(ShardFilter::AfterShardId(filter.shard("ShardId")?)),
            "AT_TRIM_HORIZON" => Ok(ShardFilter::AtTrimHorizon),
            "FROM_TRIM_HORIZON" => Ok(ShardFilter::FromTrimHorizon),
            "AT_LATEST" => Ok(ShardFilter::AtLatest),
            "AT_TIMESTAMP" => Ok(ShardFilter::AtTimestamp(filter.timestamp()?)),
            "FROM_TIMESTAMP" => Ok(ShardFilter::FromTimestamp(filter.timestamp()?)),
            other => Err(Refusal::validation(format!("the shard filter '{other}' is none"))),
        }
    }

    /// Times are seconds since the Unix epoch, with a fraction.
    fn timestamp(&self) -> Result<Timestamp, Refusal> {
        let seconds = self.0.get("Timestamp").and_then(Value::as_f64);
        let seconds = seconds.ok_or_else(|| Refusal::validation("Timestamp is missing".to_owned()))?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float that is too large becomes the largest number"
        )]
        Ok(Timestamp::from_millis((seconds * MILLIS_PER_SECOND).round() as i64))
    }
}

/// A token of ours: the stream, and the token of the in-memory Kinesis.
pub(super) fn split_token(token: &str) -> Result<(StreamId, &str), Refusal> {
    let unknown = || Refusal::invalid(format!("'{token}' is no token of this service"));
    let (stream, inner) = token.split_once(SEPARATOR).ok_or_else(unknown)?;
    Ok((stream.parse().map_err(|_| unknown())?, inner))
}

/// An iterator of ours: stream, shard, and the token of the in-memory Kinesis.
pub(super) fn split_iterator(token: &str) -> Result<(ShardKey, &str), Refusal> {
    let (stream, rest) = split_token(token)?;
    let (shard, inner) = rest
        .split_once(SEPARATOR)
        .ok_or_else(|| Refusal::invalid(format!("'{token}' is no iterator of this service")))?;
    Ok((ShardKey::new(stream, ShardId::new(shard)), inner))
}
