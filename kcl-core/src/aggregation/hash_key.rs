//! Hash keys as the format writes them: decimal numbers below 2^128.

use md5::{Digest, Md5};

/// So many decimal digits fit into 64 bits, whatever they are.
const DIGITS_AT_ONCE: usize = 19;

/// The hash key of a partition key: its MD5 digest, read as a big-endian number (Kinesis API reference, `PutRecord`).
pub fn hash_key_of(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// The number, or `None` unless it is one or more digits and below 2^128.
pub(super) fn parse_hash_key(digits: &[u8]) -> Option<u128> {
    let (first, rest) = digits.split_at(digits.len().min(DIGITS_AT_ONCE));
    if first.is_empty() {
        return None;
    }
    // Multiplying 128 bits for each digit would cost twice as much.
    rest.chunks(DIGITS_AT_ONCE).try_fold(parse_digits(first)?.into(), |number: u128, digits| {
        let power = (0..digits.len()).fold(1, |power: u64, _| power * 10);
        number.checked_mul(power.into())?.checked_add(parse_digits(digits)?.into())
    })
}

/// Of at most [`DIGITS_AT_ONCE`] digits.
fn parse_digits(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_hash_key_is_refused() {
        let too_large = "340282366920938463463374607431768211456";
        let longer = "9".repeat(40);
        for text in ["", "-1", "+1", " 1", "1 ", "1a", "0x1", "\u{661}", too_large, longer.as_str()] {
            assert_eq!(parse_hash_key(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn leading_zeros_do_no_harm() {
        assert_eq!(parse_hash_key(b"0"), Some(0));
        assert_eq!(parse_hash_key(b"007"), Some(7));
        assert_eq!(parse_hash_key("0".repeat(100).as_bytes()), Some(0));
        let largest = format!("{}{}", "0".repeat(50), u128::MAX);
        assert_eq!(parse_hash_key(largest.as_bytes()), Some(u128::MAX));
    }

    #[test]
    fn the_hash_key_is_the_md5_digest() {
        assert_eq!(hash_key_of("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    proptest! {
        #[test]
        fn every_number_below_2_to_the_128_is_a_hash_key(number: u128, shift in 0_u32..128) {
            let number = number >> shift;
            prop_assert_eq!(parse_hash_key(number.to_string().as_bytes()), Some(number));
        }
    }
}
