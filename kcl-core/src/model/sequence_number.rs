use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};

/// The most digits that the service's pattern `0|([1-9]\d{0,128})` allows.
const DIGITS_MAX: usize = 129;

/// A record's sequence number: a decimal number, in practice of 56 digits, so larger than a `u128`.
///
/// Order is numeric. Without leading zeros that is the order of length, then of text, which needs no big integer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(Arc<str>);

impl SequenceNumber {
    /// Its decimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SequenceNumber {
    type Err = Error;

    /// Fails with [`ErrorKind::Corrupt`] unless the text has the service's form.
    fn from_str(digits: &str) -> Result<Self> {
        let canonical = digits == "0" || !digits.starts_with('0');
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        if (1..=DIGITS_MAX).contains(&digits.len()) && canonical && all_digits {
            return Ok(Self(digits.into()));
        }
        Err(Error::new(ErrorKind::Corrupt, format!("'{digits}' is not a Kinesis sequence number")))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_is_no_sequence_number_is_refused() {
        for text in ["", "00", "012", "-1", "+1", "1a", "LATEST", " 1", &"9".repeat(130)] {
            assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_is_numeric(a: u128, b: u128) {
            let parse = |number: u128| number.to_string().parse::<SequenceNumber>().unwrap();
            prop_assert_eq!(parse(a).cmp(&parse(b)), a.cmp(&b));
        }
    }
}
