use std::fmt::Write;
use std::sync::Arc;

use kcl_core::lease::Lease;
use kcl_core::model::{Checkpoint, ShardId};
use kcl_core::processor::FailedBatch;

use super::letters::{Letter, Letters, ShardLetters};
use super::rejects::Rejects;
use super::watch::Seen;
use crate::Failure;

/// What became of each letter.
#[derive(Debug)]
pub(super) struct Outcome {
    letters: Arc<Letters>,
    /// Batches of what is neither processed nor in the destination, in the order of the file.
    pub(super) left: Vec<FailedBatch>,
    /// Records that failed again, and that the destination has.
    pub(super) given_up: usize,
    /// Why it came to no good end.
    pub(super) trouble: Option<String>,
}

impl Outcome {
    /// What comes after the position of its shard is not processed, unless the destination has it.
    pub(super) fn of(letters: Arc<Letters>, rows: &[Lease], seen: Seen) -> Self {
        let (mut left, mut given_up) = (Vec::new(), 0);
        for (name, shard) in &letters.shards {
            let row = rows.iter().find(|row| row.shard.shard_id == *name);
            let done = match row.map(|row| &row.checkpoint) {
                _ if seen.ended.contains(name) => shard.letters.len(),
                Some(Checkpoint::ShardEnd) => shard.letters.len(),
                Some(Checkpoint::At(position)) => shard.before(|at| at <= position),
                _ => 0,
            };
            let is_given_up = seen.given_up_of(name, shard);
            given_up += is_given_up.iter().filter(|is_given_up| **is_given_up).count();
            let behind = shard.letters.iter().zip(is_given_up).skip(done);
            left.extend(behind.filter(|(_, is_given_up)| !is_given_up).map(|(letter, _)| letter));
        }
        let left = in_batches(&letters, &left);
        Self { letters, left, given_up, trouble: seen.trouble }
    }

    /// Writes down what is left.
    pub(super) fn reject(&self, rejects: &Rejects) -> Result<(), Failure> {
        self.left.iter().try_for_each(|batch| rejects.append(batch)).map_err(|error| {
            let verdict = self.counts();
            Failure::runtime(format!(
                "{error}; {verdict}, of which that file lacks some; the letters themselves are as they were"
            ))
        })
    }

    /// True if every record is processed, and no shard failed to come to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.rejected() == 0 && self.given_up == 0 && self.trouble.is_none()
    }

    /// What a person needs to know of it.
    pub(super) fn verdict(&self, rejects: &Rejects) -> String {
        let mut text = self.counts();
        if rejects.has_lines() {
            // Writing to a string cannot fail.
            let _ =
                write!(text, "; '{}' has what was rejected, and can be redriven", rejects.path().display());
        }
        text + "\n"
    }

    fn counts(&self) -> String {
        let (all, rejected, given_up) = (self.letters.len(), self.rejected(), self.given_up);
        let mut text = format!("{} of {all} records processed", all - rejected - given_up);
        if given_up > 0 {
            let _ = write!(text, ", {given_up} failed again and were given up");
        }
        if rejected > 0 {
            let _ = write!(text, ", {rejected} rejected");
        }
        text
    }

    fn rejected(&self) -> usize {
        self.left.iter().map(|batch| batch.records.len()).sum()
    }
}

impl Seen {
    /// For each letter of a shard, if the destination has it.
    fn given_up_of(&self, name: &ShardId, shard: &ShardLetters) -> Vec<bool> {
        let mut is_given_up = vec![false; shard.letters.len()];
        for (_, from, to) in self.given_up.iter().filter(|(of, ..)| of == name) {
            let range = shard.before(|at| at < from)..shard.before(|at| at <= to);
            is_given_up[range].fill(true);
        }
        is_given_up
    }
}

/// The letters in the batches that they came in, with the story that they came with.
fn in_batches(letters: &Letters, left: &[&Letter]) -> Vec<FailedBatch> {
    let mut batches = letters.envelopes.clone();
    for letter in left {
        batches[letter.envelope].records.push(letter.record.clone());
    }
    batches.retain(|batch| !batch.records.is_empty());
    batches
}
