//! The records of a file of failed batches. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kcl_core::model::{Record, RecordPosition, ShardId, ShardKey, StreamArn, StreamId};
use kcl_core::processor::FailedBatch;

/// What on-failure destinations have kept of one stream: each record once, in the order of its shard.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// The stream; `None` if there are no letters.
    pub(super) stream: Option<StreamId>,
    pub(super) stream_arn: Option<StreamArn>,
    /// The batches as they came, without their records.
    pub(super) envelopes: Vec<FailedBatch>,
    pub(super) shards: BTreeMap<ShardId, ShardLetters>,
    /// Records that came more than once: how often they did so in vain.
    pub(super) copies: usize,
}

/// The letters of one shard.
#[derive(Debug, Default)]
pub(super) struct ShardLetters {
    /// Those shards that it follows of which there are letters, too.
    pub(super) parents: Vec<ShardId>,
    /// The highest of the leases under which they were given up.
    pub(super) fencing_token: u64,
    /// Ascending in position, at least one.
    pub(super) letters: Vec<Letter>,
}

/// A record that was given up.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) record: Record,
    /// The index of the batch that it came in.
    pub(super) envelope: usize,
    /// The line of the file that the batch is.
    line: usize,
}

/// What is wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl Letters {
    /// Takes in the batch of a line.
    pub(super) fn add(&mut self, line: usize, mut batch: FailedBatch) -> Result<(), BadLine> {
        let ShardKey { stream, shard_id } = batch.shard.clone();
        if let Some(known) = self.stream.as_ref().filter(|known| **known != stream) {
            let problem = format!("it is of stream '{stream}', and those before it are of '{known}'");
            return Err(BadLine { line, problem });
        }
        self.stream = Some(stream);
        self.stream_arn = self.stream_arn.take().or_else(|| batch.stream_arn.clone());
        let envelope = self.envelopes.len();
        let shard = self.shards.entry(shard_id).or_default();
        shard.parents.extend(batch.parents.iter().cloned());
        shard.fencing_token = shard.fencing_token.max(batch.fencing_token);
        let letter = |record| Letter { record, envelope, line };
        shard.letters.extend(batch.records.drain(..).map(letter));
        self.envelopes.push(batch);
        Ok(())
    }

    /// Brings them in order once all are there. Returns the lines that say of a record what an earlier one does not.
    pub(super) fn sort(&mut self) -> Vec<BadLine> {
        let mut bad = Vec::new();
        for shard in self.shards.values_mut() {
            // Stable, so of several copies the first in the file stands.
            shard.letters.sort_by(|one, other| one.record.position.cmp(&other.record.position));
            let before = shard.letters.len();
            shard.letters.dedup_by(|later, earlier| {
                let is_copy = later.record.position == earlier.record.position;
                if is_copy && later.record != earlier.record {
                    bad.push(BadLine {
                        line: later.line,
                        problem: format!(
                            "its record {} is not the one that line {} has under this number",
                            later.record.position, earlier.line
                        ),
                    });
                }
                is_copy
            });
            self.copies += before - shard.letters.len();
        }
        self.keep_known_parents();
        bad.sort_by_key(|bad| bad.line);
        bad
    }

    /// Leaves the parents that have letters themselves. Shards that follow each other in a circle follow nothing.
    fn keep_known_parents(&mut self) {
        let known: BTreeSet<ShardId> = self.shards.keys().cloned().collect();
        for (name, shard) in &mut self.shards {
            shard.parents.retain(|parent| known.contains(parent) && parent != name);
            shard.parents.sort();
            shard.parents.dedup();
        }
        let mut waiting = known;
        loop {
            let follows =
                |name: &&ShardId| self.shards[*name].parents.iter().any(|parent| waiting.contains(parent));
            let left: BTreeSet<ShardId> = waiting.iter().filter(follows).cloned().collect();
            if left.len() == waiting.len() {
                break;
            }
            waiting = left;
        }
        for name in waiting {
            if let Some(shard) = self.shards.get_mut(&name) {
                shard.parents.clear();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.shards.values().map(|shard| shard.letters.len()).sum()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.shards.values().flat_map(|shard| &shard.letters).map(|letter| &letter.record)
    }
}

impl ShardLetters {
    /// How many letters come before this place.
    pub(super) fn before(&self, is_before: impl Fn(&RecordPosition) -> bool) -> usize {
        self.letters.partition_point(|letter| is_before(&letter.record.position))
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}
