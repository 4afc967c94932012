use crate::error::Result;
use crate::model::{SequenceNumber, Timestamp};

/// The sequence index that no record has: the start of a shard's range.
const START_INDEX: u64 = 0;

/// The highest sequence index, kept for the end of a shard's range.
const END_INDEX: u64 = i64::MAX as u64;

/// The latest time that the 36 bits of a sequence number can hold, in seconds since the Unix epoch.
const SECONDS_MAX: u64 = (1 << 36) - 1;

/// How one shard numbers its records: the service's form of 186 bits, written in decimal, which has 56 digits.
///
/// From the top: a constant 2, the shard's creation time, four bits of its ordinal, the sequence index, the current time,
/// the ordinal, and a version. So numbers ascend with the index in a shard, and a shard that was created later has the
/// higher numbers, whatever the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardNumbering {
    created_at_secs: u64,
    shard_ordinal: u32,
}

impl ShardNumbering {
    /// For a shard that follows `parents`, if it has any: its creation time is above theirs, so its numbers are too.
    pub(super) fn new(parents: &[Self], shard_ordinal: u32, now: Timestamp) -> Self {
        let after_parents = parents.iter().map(|parent| parent.created_at_secs + 1);
        Self { created_at_secs: after_parents.fold(seconds(now), u64::max), shard_ordinal }
    }

    /// The lowest number of the shard, below that of every record.
    pub(super) fn start(self) -> Result<SequenceNumber> {
        self.number(START_INDEX, self.created_at_secs)
    }

    /// The number of the `index`-th record, counted from 1.
    pub(super) fn record(self, index: u64, now: Timestamp) -> Result<SequenceNumber> {
        self.number(index, seconds(now))
    }

    /// The highest number of a shard that closes, above that of every record.
    pub(super) fn end(self, now: Timestamp) -> Result<SequenceNumber> {
        self.number(END_INDEX, seconds(now))
    }

    /// The highest number that the shard could ever hold.
    pub(super) fn ceiling(self) -> Result<SequenceNumber> {
        self.number(END_INDEX, SECONDS_MAX)
    }

    fn number(self, index: u64, seconds: u64) -> Result<SequenceNumber> {
        let ordinal = u64::from(self.shard_ordinal);
        let mut decimal = Decimal::default();
        decimal.push_bits(4, 2);
        decimal.push_bits(36, self.created_at_secs);
        decimal.push_bits(4, ordinal & 0xf);
        decimal.push_bits(64, index);
        decimal.push_bits(8, 0);
        decimal.push_bits(36, seconds.max(self.created_at_secs));
        decimal.push_bits(32, ordinal);
        decimal.push_bits(4, 2);
        decimal.digits().parse()
    }
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millis() / 1_000).unwrap_or(0).min(SECONDS_MAX)
}

/// A number of up to 54 + 18 decimal digits, built from bit fields.
#[derive(Default)]
struct Decimal {
    /// Digits in groups of 18, the lowest group first.
    groups: [u64; 4],
}

impl Decimal {
    const GROUP: u128 = 1_000_000_000_000_000_000;

    /// Appends a field of `width` (at most 64) bits. A group is below 2^60, so the shifted one fits 128 bits.
    fn push_bits(&mut self, width: u32, value: u64) {
        let mut carry = u128::from(value);
        for group in &mut self.groups {
            let shifted = (u128::from(*group) << width) + carry;
            *group = u64::try_from(shifted % Self::GROUP).unwrap_or_default();
            carry = shifted / Self::GROUP;
        }
    }

    /// The digits, without leading zeros unless there is nothing else.
    fn digits(&self) -> String {
        let [lowest, low, high, highest] = self.groups;
        let padded = format!("{highest:018}{high:018}{low:018}{lowest:018}");
        match padded.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn fields_lie_where_the_service_puts_them() {
        let numbering = ShardNumbering::new(&[], 0x12, NOW);
        // In hexadecimal: 2 06553f100 2 0000000000000003 00 06553f101 00000012 2.
        let number = numbering.record(3, NOW.saturating_add(Duration::from_secs(1)));
        assert_eq!(number.unwrap().as_str(), "49646437577153077907313937652112627639589570355530826018");
    }

    #[test]
    fn a_shard_holds_its_records_and_lies_above_its_parents() {
        let parent = ShardNumbering::new(&[], 9, NOW);
        let child = ShardNumbering::new(&[parent], 1, NOW);
        let ascending = [
            parent.start(),
            parent.record(1, NOW),
            parent.record(2, NOW),
            parent.end(NOW),
            parent.ceiling(),
            child.start(),
            child.record(1, NOW),
        ]
        .map(Result::unwrap);
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
        assert!(ascending.iter().all(|number| number.as_str().len() == 56));
    }
}
