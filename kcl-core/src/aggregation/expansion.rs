use std::iter::FusedIterator;

use super::aggregate::{Aggregate, Parsed};
use super::malformation::Malformation;
use super::outside_range::{OutsideRange, RangeJudge};
use super::seal::Seal;
use super::user_record::UserRecord;
use super::user_records::Cursor;
use crate::model::{HashKeyRange, Record, RecordPosition};

/// What one Kinesis record is delivered as, in order: the user records of an aggregate, or the record itself.
///
/// User records have the sequence number and the arrival time of their aggregate. They are made one by one as they are asked
/// for, without an allocation for any.
///
/// # Positions
///
/// The sub-sequence number of a user record is its place in the aggregate, whether those before it are delivered or not. So
/// a position means the same to a worker with another [`OutsideRange`], and to a Java worker, which counts those that it
/// delivers, but delivers either all of an aggregate or none.
#[derive(Debug)]
pub struct Expansion {
    source: Source,
    left_out: u64,
    malformation: Option<Malformation>,
}

#[derive(Debug)]
enum Source {
    /// The record itself, until it has been taken.
    Whole(Option<Record>),
    Parts(Box<Parts>),
}

/// The user records of an aggregate.
#[derive(Debug)]
struct Parts {
    /// The Kinesis record.
    container: Record,
    aggregate: Aggregate,
    cursor: Cursor,
    /// If only those inside a range are delivered, who says which they are.
    judge: Option<RangeJudge>,
}

impl Expansion {
    /// What `record`, which has this seal, is delivered as by a reader of the shard that has this range. A reader that does
    /// not know the range gives [`HashKeyRange::FULL`], which every hash key is in.
    pub fn new(record: Record, seal: Seal, range: HashKeyRange, outside: OutsideRange) -> Self {
        match Aggregate::open(&record.data, seal) {
            Parsed::Plain => Self::whole(record, None),
            Parsed::Malformed(malformation) => Self::whole(record, Some(malformation)),
            Parsed::Aggregate(aggregate) => Self::parts(record, aggregate, range, outside),
        }
    }

    /// The same of a user record, which is delivered as it is, whatever it begins as.
    pub(crate) fn of_user_record(record: Record, seal: Seal) -> Self {
        let malformation = match Aggregate::open(&record.data, seal) {
            Parsed::Malformed(malformation) => Some(malformation),
            Parsed::Plain | Parsed::Aggregate(_) => None,
        };
        Self::whole(record, malformation)
    }

    fn whole(record: Record, malformation: Option<Malformation>) -> Self {
        Self { source: Source::Whole(Some(record)), left_out: 0, malformation }
    }

    fn parts(container: Record, aggregate: Aggregate, range: HashKeyRange, outside: OutsideRange) -> Self {
        let mut judge = RangeJudge::new(range);
        let left_out = match outside {
            OutsideRange::Deliver => 0,
            OutsideRange::Filter => judge.count_outside(&aggregate),
            OutsideRange::FilterWhole if judge.count_outside(&aggregate) == 0 => 0,
            OutsideRange::FilterWhole => aggregate.user_record_count(),
        };
        if left_out == aggregate.user_record_count() {
            return Self { source: Source::Whole(None), left_out, malformation: None };
        }
        let judge = (left_out > 0).then_some(judge);
        let cursor = Cursor::default();
        let parts = Parts { container, aggregate, cursor, judge };
        Self { source: Source::Parts(Box::new(parts)), left_out, malformation: None }
    }

    /// Why a record that begins as an aggregate is delivered as it came.
    pub fn malformation(&self) -> Option<&Malformation> {
        self.malformation.as_ref()
    }

    /// The same, once: the record is a plain one from here on.
    pub(crate) fn take_malformation(&mut self) -> Option<Malformation> {
        self.malformation.take()
    }

    /// How many user records of the aggregate are left out because of the range, whether before or after the place at which
    /// this begins.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The memory that it takes beside the bytes of the record: more than those, if it is an aggregate of many keys.
    pub(crate) fn held_bytes(&self) -> usize {
        let parts = match &self.source {
            Source::Whole(_) => 0,
            Source::Parts(parts) => size_of::<Parts>() + parts.aggregate.tables_bytes(),
        };
        size_of::<Self>() + parts
    }

    /// At most how many records are still to come.
    pub fn remaining(&self) -> u64 {
        match &self.source {
            Source::Whole(record) => record.is_some().into(),
            Source::Parts(parts) => {
                parts.aggregate.user_record_count().saturating_sub(parts.cursor.next_sub_sequence_number())
            }
        }
    }

    /// Leaves out the user records up to and including this sub-sequence number: what has been delivered before.
    ///
    /// A record that is delivered as it came counts as number 0. One that a reader has stopped inside of is delivered, whatever
    /// that reader made of it: more than once rather than not at all.
    pub fn skip_through(&mut self, sub_sequence_number: u64) {
        match &mut self.source {
            Source::Whole(record) => {
                if sub_sequence_number == 0 {
                    *record = None;
                }
            }
            Source::Parts(parts) => parts.skip_through(sub_sequence_number),
        }
    }
}

impl Iterator for Expansion {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        match &mut self.source {
            Source::Whole(record) => record.take(),
            Source::Parts(parts) => parts.next(),
        }
    }
}

impl FusedIterator for Expansion {}

impl Parts {
    fn next(&mut self) -> Option<Record> {
        let Self { container, aggregate, cursor, judge } = self;
        loop {
            let user_record = cursor.next(aggregate)?;
            if judge.as_mut().is_none_or(|judge| judge.is_inside(aggregate, &user_record)) {
                return Some(deliver(container, &user_record));
            }
        }
    }

    fn skip_through(&mut self, sub_sequence_number: u64) {
        let first = sub_sequence_number.saturating_add(1);
        let passed = first.saturating_sub(self.cursor.next_sub_sequence_number());
        self.cursor.pass(&self.aggregate, passed);
    }
}

fn deliver(container: &Record, user_record: &UserRecord<'_>) -> Record {
    Record {
        position: RecordPosition {
            sequence_number: container.position.sequence_number.clone(),
            sub_sequence_number: user_record.sub_sequence_number(),
        },
        partition_key: user_record.partition_key(),
        explicit_hash_key: user_record.explicit_hash_key(),
        approximate_arrival: container.approximate_arrival,
        data: user_record.data(),
    }
}
