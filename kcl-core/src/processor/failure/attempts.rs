//! What is tried next of a batch that fails. Pure: it knows how many records there are and when they arrived, and is told
//! how each try ended.
//!
//! F1. Every record is either taken by the processor or given up, once, and in order.
//! F2. Nothing is given up that is not exhausted: tried once more than there are retries, or too old.
//! F3. A cut does not count as a try, and there are at most as many cuts as records.

use std::iter;
use std::ops::Range;

use super::{FailureCondition, FailurePolicy};
use crate::model::Timestamp;

/// The tries of one batch, record by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// What is before this is taken or given up.
    start: usize,
    /// Where the parts of the rest end that are tried one after another, the next one last. Empty once all is done.
    ends: Vec<usize>,
    /// Failures of the next part.
    failed: u32,
    /// The last of them was one of the first record alone.
    is_first_to_blame: bool,
}

/// What a failure has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The same records are tried again.
    Again,
    /// Other records are tried next: fewer, or those from the one that failed on.
    Narrowed,
}

impl Attempts {
    /// No record of the batch has been tried.
    pub(crate) fn new(records: usize) -> Self {
        Self::with_alone(records, iter::empty())
    }

    /// The same, of a batch in which some records, given in order, are tried alone.
    pub(crate) fn with_alone(records: usize, alone: impl Iterator<Item = usize>) -> Self {
        let ends = alone.flat_map(|index| [index, index + 1]).chain([records]);
        let mut ends: Vec<usize> = ends.filter(|end| *end > 0).collect();
        ends.dedup();
        ends.reverse();
        Self { start: 0, ends, failed: 0, is_first_to_blame: false }
    }

    /// The records to try next; `None` once all are done.
    pub(crate) fn next(&self) -> Option<Range<usize>> {
        self.ends.last().map(|end| self.start..*end)
    }

    /// How often the records to try next have failed.
    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// The first of the records to try next, as many as the policy has no more tries for.
    pub(crate) fn exhausted(
        &self,
        policy: &FailurePolicy,
        now: Timestamp,
        arrival: impl Fn(usize) -> Timestamp,
    ) -> Option<(Range<usize>, FailureCondition)> {
        let next = self.next()?;
        if policy.maximum_retry_attempts.is_some_and(|retries| self.failed > retries) {
            let end = if self.is_first_to_blame { next.start + 1 } else { next.end };
            return Some((next.start..end, FailureCondition::RetryAttemptsExhausted));
        }
        let age_max = policy.maximum_record_age?;
        let is_aged = |index: &usize| now.saturating_since(arrival(*index)) > age_max;
        let aged = next.clone().take_while(is_aged).count();
        let range = next.start..next.start + aged;
        (aged > 0).then_some((range, FailureCondition::RecordAgeExceeded))
    }

    /// The first of the records to try next, up to `end`, are taken or given up. The others have all their tries.
    pub(crate) fn settle(&mut self, end: usize) {
        self.start = end;
        (self.failed, self.is_first_to_blame) = (0, false);
        if self.ends.last().is_some_and(|last| *last <= end) {
            self.ends.pop();
        }
    }

    /// A try has failed: of all records if `at` is `None` or none of them, else of that one, and those before it are taken.
    pub(crate) fn fail(&mut self, at: Option<usize>, policy: &FailurePolicy) -> Failure {
        let Some(next) = self.next() else { return Failure::Again };
        match at.filter(|at| next.contains(at)) {
            Some(at) if at > next.start => {
                self.start = at;
                (self.failed, self.is_first_to_blame) = (1, true);
                Failure::Narrowed
            }
            None if policy.bisect_batch_on_error && next.len() > 1 => {
                self.ends.push(next.start + next.len() / 2);
                (self.failed, self.is_first_to_blame) = (0, false);
                Failure::Narrowed
            }
            at => {
                self.failed = self.failed.saturating_add(1);
                self.is_first_to_blame = at.is_some();
                Failure::Again
            }
        }
    }
}

#[cfg(test)]
mod tests;
