//! What texts may be as settings. An error says what to use instead.
//!
//! Nothing here looks at the environment, but for the clock in [`initial_position`].

use std::ops::RangeInclusive;

use kcl_core::model::{InitialPosition, Timestamp};
use kcl_core::stream::FanOutConsumer;

/// The service's rule for table names (`CreateTable`, DynamoDB API reference).
const TABLE_NAME_LENGTHS: RangeInclusive<usize> = 3..=255;

/// A region is a part of a host's name, which has at most so many characters (RFC 1035).
const REGION_LENGTHS: RangeInclusive<usize> = 1..=63;

/// Enough for a host's name and a random part. The id is written with each row, which the table charges for.
const WORKER_ID_LENGTHS: RangeInclusive<usize> = 1..=256;

/// The name of a table, or of an application, whose table has its name by default.
pub(crate) fn table_name(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if TABLE_NAME_LENGTHS.contains(&text.len()) && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err("use 3 to 255 letters, digits, '_', '.' or '-': what DynamoDB takes as a table's name".to_owned())
}

pub(crate) fn region(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = text.bytes().all(legal) && !text.starts_with('-') && !text.ends_with('-');
    if REGION_LENGTHS.contains(&text.len()) && is_name {
        return Ok(text.to_owned());
    }
    Err("use a region's name, such as eu-west-1: lower-case letters, digits and '-'".to_owned())
}

pub(crate) fn worker_id(text: &str) -> Result<String, String> {
    if WORKER_ID_LENGTHS.contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err("use a worker id of 1 to 256 printable characters".to_owned())
}

/// A URL that the SDK can use: it panics at an empty one, and tries one of another scheme for ever.
pub(crate) fn endpoint_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host)
            if host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                && host.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("use a URL of the scheme http or https, such as http://localhost:4566".to_owned()),
    }
}

/// The name or the ARN of a registered consumer.
pub(crate) fn fan_out_consumer(text: &str) -> Result<FanOutConsumer, String> {
    text.parse().map_err(|error: kcl_core::Error| error.to_string())
}

pub(crate) fn initial_position(text: &str) -> Result<InitialPosition, String> {
    // The edge of the program: the time is compared with once, and nothing later depends on the clock.
    position(text, jiff::Timestamp::now())
}

fn position(text: &str, now: jiff::Timestamp) -> Result<InitialPosition, String> {
    match text {
        "trim-horizon" => Ok(InitialPosition::TrimHorizon),
        "latest" => Ok(InitialPosition::Latest),
        time => match time.parse::<jiff::Timestamp>() {
            Ok(time) if time > now => {
                Err(format!("this is in the future, for it is {now:.0}; use latest, or an earlier time"))
            }
            Ok(time) => Ok(InitialPosition::AtTimestamp(Timestamp::from_millis(time.as_millisecond()))),
            Err(_) => Err(
                "use trim-horizon, latest, or a time with its offset from UTC, such as 2026-01-31T12:00:00Z"
                    .to_owned(),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_name_that_dynamodb_takes() {
        for text in ["abc", "Orders_2.x-y", &"x".repeat(255)] {
            assert_eq!(table_name(text).as_deref(), Ok(text));
        }
        for text in ["", "ab", "a b c", "a/bc", "größe", &"x".repeat(256)] {
            assert!(table_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_region_can_be_a_part_of_a_host() {
        assert_eq!(region("us-gov-west-1").as_deref(), Ok("us-gov-west-1"));
        for text in ["", "EU-WEST-1", "eu west 1", "eu-west-1.example", "-", "eu-", &"x".repeat(64)] {
            assert!(region(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_worker_id_can_be_read() {
        for text in ["a", "host é 1", &"é".repeat(256)] {
            assert_eq!(worker_id(text).as_deref(), Ok(text));
        }
        for text in ["", "a\nb", "\u{1b}[2J", &"x".repeat(257)] {
            assert!(worker_id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_a_url_of_the_web() {
        for text in ["http://localhost:4566", "https://kinesis.eu-west-1.amazonaws.com/", "http://[::1]:4566"]
        {
            assert_eq!(endpoint_url(text).as_deref(), Ok(text));
        }
        for text in
            ["", "localhost:4566", "ftp://localhost", "http://", "http:///path", "http://a b", "http://:1"]
        {
            assert!(endpoint_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_initial_position_is_a_word_or_a_time_that_has_been() {
        let now = jiff::Timestamp::from_millisecond(1_500).unwrap();
        let millis = |millis| Ok(InitialPosition::AtTimestamp(Timestamp::from_millis(millis)));
        assert_eq!(position("trim-horizon", now), Ok(InitialPosition::TrimHorizon));
        assert_eq!(position("latest", now), Ok(InitialPosition::Latest));
        assert_eq!(position("1970-01-01T00:00:01.5Z", now), millis(1_500));
        assert_eq!(position("1970-01-01T01:00:00+01:00", now), millis(0));
        assert!(position("1970-01-01T00:00:01.501Z", now).unwrap_err().contains("future"));
        for text in ["", "LATER", "1700000000", "2026-01-31", "2026-01-31T12:00:00"] {
            assert!(position(text, now).unwrap_err().contains("trim-horizon"), "{text}");
        }
    }
}
