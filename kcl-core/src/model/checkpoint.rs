use std::fmt;

use super::SequenceNumber;

/// Where one user record lies in its shard: the Kinesis record, and its index inside a KPL aggregate (0 for a plain
/// record).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordPosition {
    /// The sequence number of the Kinesis record.
    pub sequence_number: SequenceNumber,
    /// The index of the user record inside its aggregate.
    pub sub_sequence_number: u64,
}

impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sequence_number, self.sub_sequence_number)
    }
}

/// How far a shard has been processed: what a lease row stores, so the next owner knows where to go on.
///
/// The order is the Java KCL's (`ExtendedSequenceNumber.java`): the three starting sentinels, then record positions,
/// then [`ShardEnd`](Self::ShardEnd). A worker only ever moves a checkpoint up in this order; an operator may
/// [rewind](crate::lease::LeaseChange::Rewind) it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checkpoint {
    /// Nothing processed: start at the first record at or after the time in the worker's settings. The row does not
    /// hold the time.
    AtTimestamp,
    /// Nothing processed: start at the oldest record that the stream still keeps.
    TrimHorizon,
    /// Nothing processed: start at the next record to arrive.
    Latest,
    /// Everything up to and including this record is processed.
    At(RecordPosition),
    /// The shard is closed and everything in it is processed.
    ShardEnd,
}

impl Checkpoint {
    /// True once a record has been committed, or the shard's end.
    pub fn has_begun(&self) -> bool {
        matches!(self, Self::At(_) | Self::ShardEnd)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtTimestamp => f.write_str("AT_TIMESTAMP"),
            Self::TrimHorizon => f.write_str("TRIM_HORIZON"),
            Self::Latest => f.write_str("LATEST"),
            Self::At(position) => position.fmt(f),
            Self::ShardEnd => f.write_str("SHARD_END"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_java_kcl() {
        let at = |sequence_number: &str, sub_sequence_number| {
            Checkpoint::At(RecordPosition {
                sequence_number: sequence_number.parse().unwrap(),
                sub_sequence_number,
            })
        };
        let ascending = [
            Checkpoint::AtTimestamp,
            Checkpoint::TrimHorizon,
            Checkpoint::Latest,
            at("9", 7),
            at("10", 0),
            at("10", 1),
            Checkpoint::ShardEnd,
        ];
        assert!(ascending.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
