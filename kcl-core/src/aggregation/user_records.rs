use std::iter::FusedIterator;

use super::aggregate::Aggregate;
use super::fields::RecordFields;
use super::layout::RECORDS;
use super::user_record::UserRecord;
use super::wire::{Reader, Span, Value};

/// The user records of an aggregate, in order. Takes none of them apart that is passed over by [`nth`](Iterator::nth) or
/// [`skip`](Iterator::skip).
#[derive(Debug, Clone)]
pub struct UserRecords<'a> {
    aggregate: &'a Aggregate,
    cursor: Cursor,
}

impl<'a> UserRecords<'a> {
    pub(super) fn new(aggregate: &'a Aggregate) -> Self {
        Self { aggregate, cursor: Cursor::default() }
    }
}

impl<'a> Iterator for UserRecords<'a> {
    type Item = UserRecord<'a>;

    fn next(&mut self) -> Option<UserRecord<'a>> {
        self.cursor.next(self.aggregate)
    }

    fn nth(&mut self, count: usize) -> Option<UserRecord<'a>> {
        // Lossless: no machine of ours has more than 64 bits.
        self.cursor.pass(self.aggregate, u64::try_from(count).unwrap_or(u64::MAX));
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left =
            usize::try_from(self.aggregate.user_record_count() - self.cursor.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for UserRecords<'_> {}

impl FusedIterator for UserRecords<'_> {}

/// A place between two user records of an aggregate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    /// Where in the message it is.
    at: usize,
    /// The sub-sequence number of the user record that follows.
    next: u64,
}

impl Cursor {
    pub(super) fn next<'a>(&mut self, aggregate: &'a Aggregate) -> Option<UserRecord<'a>> {
        let sub_sequence_number = self.next;
        let span = self.advance(aggregate)?;
        let fields = RecordFields::read(aggregate.message(), span, sub_sequence_number).ok()?;
        Some(UserRecord::new(aggregate, fields, sub_sequence_number))
    }

    /// Passes over so many user records, or as many as there are.
    pub(super) fn pass(&mut self, aggregate: &Aggregate, count: u64) {
        for _ in 0..count {
            if self.advance(aggregate).is_none() {
                return;
            }
        }
    }

    /// The sub-sequence number of the user record that follows.
    pub(super) fn next_sub_sequence_number(self) -> u64 {
        self.next
    }

    fn advance(&mut self, aggregate: &Aggregate) -> Option<Span> {
        let mut reader = Reader::resume(aggregate.message(), self.at);
        // The survey has read all of it: there is no error to be told.
        while let Ok(Some(field)) = reader.next() {
            if let (RECORDS, Value::Bytes(span)) = (field.number, field.value) {
                self.at = reader.at();
                self.next += 1;
                return Some(span);
            }
        }
        self.at = aggregate.message().len();
        None
    }
}
