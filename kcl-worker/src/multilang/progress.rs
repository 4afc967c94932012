use std::collections::VecDeque;

use kcl_core::model::{Checkpoint, Record, RecordPosition};
use kcl_core::processor::{CheckpointOutOfRange, RecordBatch};
use kcl_core::{Error, ErrorKind};

use super::messages::CheckpointRequest;

/// The Java exception of a position that is none, or outside of what may be committed.
const OUT_OF_RANGE: &str = "IllegalArgumentException";

/// How far the children of a shard have come, and what a fresh one has to be given again. Pure.
///
/// A child may hold records back and checkpoint later, so what it has taken and not committed dies with it. Those records
/// are kept here, up to a number of bytes.
#[derive(Debug)]
pub(super) struct Progress {
    /// What the children have committed.
    committed: Checkpoint,
    /// The last record that the child at work was given.
    given: Option<RecordPosition>,
    /// What was taken and is not committed, in order.
    taken: VecDeque<Taken>,
    bytes: usize,
    bytes_max: usize,
    /// Up to here records were taken, and are neither committed nor kept.
    forgotten: Option<RecordPosition>,
    /// The framework commits what is taken.
    is_automatic: bool,
}

/// Records that a child has taken together.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    pub(super) millis_behind_latest: u64,
}

impl Progress {
    pub(super) fn new(committed: Checkpoint, bytes_max: usize) -> Self {
        let taken = VecDeque::new();
        Self { committed, given: None, taken, bytes: 0, bytes_max, forgotten: None, is_automatic: false }
    }

    /// What is taken counts as committed: the framework does that.
    pub(super) fn committed_by_the_framework(self) -> Self {
        Self { is_automatic: true, ..self }
    }

    pub(super) fn committed(&self) -> &Checkpoint {
        &self.committed
    }

    /// A fresh child begins, which has been given nothing. Returns what it has to be given again; the last position of what
    /// cannot be, if there is such.
    pub(super) fn begin_again(&mut self) -> Result<Vec<Taken>, RecordPosition> {
        self.given = None;
        match &self.forgotten {
            Some(position) => Err(position.clone()),
            None => Ok(self.taken.iter().cloned().collect()),
        }
    }

    /// How many of these records, the first ones, are committed: a child that failed may have come to that.
    pub(super) fn count_committed(&self, records: &[Record]) -> usize {
        records.partition_point(|record| self.covers(&record.position))
    }

    /// The child is being given these.
    pub(super) fn give(&mut self, records: &[Record]) {
        self.given = records.last().map(|record| record.position.clone()).max(self.given.take());
    }

    /// The child has taken a batch for the first time.
    pub(super) fn take(&mut self, batch: &RecordBatch) {
        if self.is_automatic {
            if let Some(last) = batch.records.last() {
                self.commit(&last.position);
            }
            return;
        }
        let records = batch.records[self.count_committed(&batch.records)..].to_vec();
        if records.is_empty() {
            return;
        }
        self.bytes += bytes_of(&records);
        self.taken.push_back(Taken { records, millis_behind_latest: batch.millis_behind_latest });
        if self.bytes > self.bytes_max {
            self.forgotten = self.taken.back().and_then(last_of);
            self.taken.clear();
            self.bytes = 0;
        }
    }

    /// Everything up to here is committed.
    pub(super) fn commit(&mut self, position: &RecordPosition) {
        self.committed = Checkpoint::At(position.clone()).max(self.committed.clone());
        while let Some(mut first) = self.taken.pop_front() {
            self.bytes -= bytes_of(&first.records);
            first.records.drain(..self.count_committed(&first.records));
            if !first.records.is_empty() {
                self.bytes += bytes_of(&first.records);
                self.taken.push_front(first);
                break;
            }
        }
        if self.forgotten.as_ref().is_some_and(|forgotten| self.covers(forgotten)) {
            self.forgotten = None;
        }
    }

    /// True if the child has taken something that is not committed.
    pub(super) fn is_behind(&self) -> bool {
        !self.taken.is_empty() || self.forgotten.is_some()
    }

    /// The position that a child asks to commit; `None` if it was given nothing yet. Or else the name of a Java exception.
    ///
    /// As in the Java KCL, a request without a number means everything given so far, one without a sub-sequence number the
    /// first record of an aggregate, and nothing below the last checkpoint is accepted; but the framework's checkpoints, of which
    /// the child does not know, are no reason to refuse one.
    pub(super) fn resolve(
        &self,
        request: &CheckpointRequest,
    ) -> Result<Option<RecordPosition>, &'static str> {
        let Some(digits) = &request.sequence_number else { return Ok(self.given.clone()) };
        let sequence_number = digits.parse().map_err(|_| OUT_OF_RANGE)?;
        let sub_sequence_number =
            u64::try_from(request.sub_sequence_number.unwrap_or(0)).map_err(|_| OUT_OF_RANGE)?;
        let position = RecordPosition { sequence_number, sub_sequence_number };
        let checkpoint = Checkpoint::At(position.clone());
        if self.is_automatic && checkpoint <= self.committed {
            return Ok(None);
        }
        let is_given = Some(&position) <= self.given.as_ref() || checkpoint == self.committed;
        if checkpoint < self.committed || !is_given { Err(OUT_OF_RANGE) } else { Ok(Some(position)) }
    }

    /// True if this is the last record that the child was given.
    pub(super) fn is_last_given(&self, position: &RecordPosition) -> bool {
        self.given.as_ref() == Some(position)
    }

    fn covers(&self, position: &RecordPosition) -> bool {
        Checkpoint::At(position.clone()) <= self.committed
    }
}

/// The simple name of the exception that the Java KCL has for what went wrong with a checkpoint.
pub(super) fn exception_name(error: &Error) -> &'static str {
    if CheckpointOutOfRange::of(error).is_some() {
        return OUT_OF_RANGE;
    }
    match error.kind() {
        ErrorKind::LeaseLost => "ShutdownException",
        ErrorKind::Throttled => "ThrottlingException",
        ErrorKind::NotFound | ErrorKind::Corrupt => "InvalidStateException",
        _ => "KinesisClientLibDependencyException",
    }
}

fn last_of(taken: &Taken) -> Option<RecordPosition> {
    taken.records.last().map(|record| record.position.clone())
}

fn bytes_of(records: &[Record]) -> usize {
    records.iter().map(|record| record.data.len() + record.partition_key.len()).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kcl_core::model::{ShardId, ShardKey, StreamId, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn at(number: u64) -> RecordPosition {
        RecordPosition { sequence_number: number.to_string().parse().unwrap(), sub_sequence_number: 0 }
    }

    /// Records of eleven bytes.
    fn batch(numbers: std::ops::RangeInclusive<u64>) -> RecordBatch {
        let record = |number| Record {
            position: at(number),
            partition_key: "k".into(),
            explicit_hash_key: None,
            approximate_arrival: Timestamp::default(),
            data: Bytes::from_static(b"ten bytes.."),
        };
        let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-0"));
        RecordBatch { shard, records: numbers.map(record).collect(), millis_behind_latest: 0 }
    }

    fn request(number: &str, sub_sequence_number: Option<i64>) -> CheckpointRequest {
        CheckpointRequest { sequence_number: Some(number.to_owned()), sub_sequence_number }
    }

    fn after(committed: u64, taken: std::ops::RangeInclusive<u64>, bytes_max: usize) -> Progress {
        let mut progress = Progress::new(Checkpoint::At(at(committed)), bytes_max);
        let batch = batch(taken);
        progress.give(&batch.records);
        progress.take(&batch);
        progress
    }

    #[test]
    fn what_may_be_committed_is_what_the_java_kcl_accepts() {
        let progress = after(5, 6..=9, usize::MAX);
        let all = CheckpointRequest { sequence_number: None, sub_sequence_number: None };
        assert_eq!(progress.resolve(&all), Ok(Some(at(9))));
        for within in ["5", "6", "9"] {
            assert_eq!(progress.resolve(&request(within, None)), Ok(Some(at(within.parse().unwrap()))));
        }
        for outside in ["4", "10", "LATEST", "SHARD_END", "", "-7", "nonsense"] {
            assert_eq!(
                progress.resolve(&request(outside, None)),
                Err("IllegalArgumentException"),
                "{outside}"
            );
        }
        assert_eq!(progress.resolve(&request("9", Some(1))), Err("IllegalArgumentException"));
        assert_eq!(progress.resolve(&request("8", Some(-1))), Err("IllegalArgumentException"));
        let within_aggregate = RecordPosition { sub_sequence_number: 1, ..at(8) };
        assert_eq!(progress.resolve(&request("8", Some(1))), Ok(Some(within_aggregate)));
    }

    #[test]
    fn a_fresh_child_may_commit_nothing_but_what_it_was_given_itself() {
        let mut progress = after(5, 6..=9, usize::MAX);
        progress.begin_again().unwrap();
        assert_eq!(progress.resolve(&request("6", None)), Err("IllegalArgumentException"));
        let all = CheckpointRequest { sequence_number: None, sub_sequence_number: None };
        assert_eq!(progress.resolve(&all), Ok(None));
    }

    #[test]
    fn what_the_framework_commits_is_neither_kept_nor_refused_to_a_child() {
        let mut progress = Progress::new(Checkpoint::At(at(5)), 40).committed_by_the_framework();
        let batch = batch(6..=9);
        progress.give(&batch.records);
        assert_eq!(progress.resolve(&request("7", None)), Ok(Some(at(7))));
        progress.take(&batch);
        assert_eq!(progress.committed(), &Checkpoint::At(at(9)));
        assert!(progress.begin_again().unwrap().is_empty() && !progress.is_behind());
        assert_eq!(progress.resolve(&request("7", None)), Ok(None));
        assert_eq!(progress.resolve(&request("10", None)), Err("IllegalArgumentException"));
    }

    #[test]
    fn what_is_too_much_to_keep_is_known_until_it_is_committed() {
        let mut progress = after(5, 6..=9, 40);
        assert!(progress.is_behind());
        assert_eq!(progress.begin_again().unwrap_err(), at(9));
        progress.commit(&at(8));
        assert_eq!(progress.begin_again().unwrap_err(), at(9));
        progress.commit(&at(9));
        assert!(progress.begin_again().unwrap().is_empty() && !progress.is_behind());
    }

    proptest! {
        /// Whatever was taken and committed, a fresh child gets each record above the checkpoint, once and in order.
        #[test]
        fn a_fresh_child_is_given_everything_above_the_checkpoint(steps in prop::collection::vec((1..5_u64, 0..12_u64), 1..20)) {
            let (mut progress, mut taken) = (Progress::new(Checkpoint::TrimHorizon, usize::MAX), 0);
            let mut committed = 0;
            for (count, back) in steps {
                let batch = batch(taken + 1..=taken + count);
                taken += count;
                progress.give(&batch.records);
                progress.take(&batch);
                if let Some(number) = taken.checked_sub(back).filter(|number| *number > 0) {
                    progress.commit(&at(number));
                    committed = committed.max(number);
                }
                let again = progress.begin_again().unwrap();
                let positions: Vec<_> = again.iter().flat_map(|taken| &taken.records).map(|record| record.position.clone()).collect();
                let expected: Vec<_> = (committed + 1..=taken).map(at).collect();
                prop_assert_eq!(positions, expected);
                prop_assert_eq!(progress.is_behind(), committed < taken);
            }
        }
    }

    #[test]
    fn errors_have_the_names_that_clients_of_the_java_daemon_know() {
        let out_of_range = Error::from(CheckpointOutOfRange {
            position: at(9),
            lowest: Checkpoint::TrimHorizon,
            highest: Checkpoint::TrimHorizon,
        });
        assert_eq!(exception_name(&out_of_range), "IllegalArgumentException");
        for (kind, name) in [
            (ErrorKind::LeaseLost, "ShutdownException"),
            (ErrorKind::Throttled, "ThrottlingException"),
            (ErrorKind::NotFound, "InvalidStateException"),
            (ErrorKind::Transient, "KinesisClientLibDependencyException"),
            (ErrorKind::Refused, "KinesisClientLibDependencyException"),
        ] {
            assert_eq!(exception_name(&Error::new(kind, "")), name);
        }
    }
}
