use super::IteratorPosition;
use super::record_source::{CLOCK_MARGIN, StartPosition};
use crate::model::{Record, RecordPosition, SequenceNumber, Timestamp};

/// How far a shard has been read: where the next iterator or subscription starts, and which of the records that it
/// returns are new.
///
/// Invariants: (1) what [`accept`](Self::accept) lets through ascends, each Kinesis record once. (2) A start asked for
/// after a failure lies at or before the first record that was not let through.
#[derive(Debug, Clone)]
pub(super) struct ReadPosition {
    read_to: ReadTo,
    /// A place behind it to which the service says that it has come: further, in a quiet shard, than the last record.
    continuation: Option<SequenceNumber>,
    /// The last time at which a reader that starts at the tip is known to have been there.
    at_tip: Option<Timestamp>,
    /// The record that must come before all others, or else retention has taken it.
    expected_first: Option<RecordPosition>,
}

#[derive(Debug, Clone)]
enum ReadTo {
    /// Nothing has been read.
    Start(StartPosition),
    /// The last record that was read.
    Record(RecordPosition),
}

impl ReadPosition {
    pub(super) fn new(start: StartPosition) -> Self {
        Self { read_to: ReadTo::Start(start), continuation: None, at_tip: None, expected_first: None }
    }

    /// Where an iterator or subscription that is asked for at `now` must start.
    pub(super) fn next_start(&mut self, now: Timestamp) -> IteratorPosition {
        if let Some(number) = &self.continuation {
            // A record that did not come before this place is still missing.
            return IteratorPosition::AfterSequenceNumber(number.clone());
        }
        self.expected_first = None;
        match &self.read_to {
            ReadTo::Start(StartPosition::TrimHorizon) => IteratorPosition::TrimHorizon,
            ReadTo::Start(StartPosition::AtTimestamp(time)) => IteratorPosition::AtTimestamp(*time),
            ReadTo::Start(StartPosition::Latest) => match self.at_tip {
                None => {
                    self.at_tip = Some(now);
                    IteratorPosition::Latest
                }
                // It was asked for before, or has been there: the tip of today would skip what arrived since.
                Some(time) => IteratorPosition::AtTimestamp(time.saturating_sub(CLOCK_MARGIN)),
            },
            // Not after it: it may be an aggregate of which a part is still to come, and its absence tells that retention
            // has passed it.
            ReadTo::Start(StartPosition::After(last)) | ReadTo::Record(last) => {
                self.expected_first = Some(last.clone());
                IteratorPosition::AtSequenceNumber(last.sequence_number.clone())
            }
        }
    }

    /// Leaves the new ones of `records`, which ascend, and are the last of the shard if it `is_end`. Returns the position that
    /// retention has taken, if it has.
    pub(super) fn accept(&mut self, records: &mut Vec<Record>, is_end: bool) -> Option<RecordPosition> {
        let first = records.first().map(|record| &record.position.sequence_number);
        let is_told = first.is_some() || is_end;
        let trimmed = self
            .expected_first
            .take_if(|_| is_told)
            .filter(|expected| first != Some(&expected.sequence_number));
        let read = records.partition_point(|record| self.has_read(&record.position));
        records.drain(..read);
        if let Some(last) = records.last() {
            self.set_last(last);
        }
        trimmed
    }

    /// The last record that could be kept is this one.
    pub(super) fn set_last(&mut self, last: &Record) {
        self.read_to = ReadTo::Record(last.position.clone());
        self.continuation = None;
    }

    /// The service says that everything up to `number` has been returned. Not believed of the very record at which reading
    /// starts: until that has come, a part of it may be still to come.
    pub(super) fn continue_after(&mut self, number: SequenceNumber) {
        let last = match &self.read_to {
            ReadTo::Start(StartPosition::After(last)) | ReadTo::Record(last) => Some(&last.sequence_number),
            ReadTo::Start(_) => None,
        };
        if last.into_iter().chain(&self.continuation).all(|place| number > *place) {
            self.continuation = Some(number);
        }
    }

    /// The service does not know where to go on. True if that was a place which it had named itself: reading goes on behind the
    /// last record instead. (Emulators know only the numbers of records.)
    pub(super) fn distrust_continuation(&mut self) -> bool {
        self.continuation.take().is_some()
    }

    /// A read that was begun at `time` showed that there is nothing more for now.
    pub(super) fn note_tip(&mut self, time: Timestamp) {
        self.at_tip = Some(time);
    }

    fn has_read(&self, position: &RecordPosition) -> bool {
        let number = &position.sequence_number;
        if self.continuation.as_ref().is_some_and(|read| number <= read) {
            return true;
        }
        match &self.read_to {
            // The record itself may be processed in part.
            ReadTo::Start(StartPosition::After(last)) => *number < last.sequence_number,
            ReadTo::Start(_) => false,
            ReadTo::Record(last) => position <= last,
        }
    }
}

#[cfg(test)]
mod tests;
