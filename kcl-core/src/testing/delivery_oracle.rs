use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Record, RecordPosition, SequenceNumber, ShardId, ShardKey};

/// The most offending records that a verdict names; the rest is counted.
const NAMED_MAX: usize = 5;

/// Judges a run by what a user is promised: every record put is delivered, and records of one partition key come in
/// the order in which they were put, across splits, merges, crashes and moves. Knows nothing of how it is done.
///
/// Tell it of each record put, in order for each key, and of each record that a processor has *finished* with. A
/// delivery may be told before its put.
#[derive(Debug, Default)]
pub struct DeliveryOracle {
    log: Mutex<Log>,
}

/// Which record, in one stream: a sequence number names a record only within its shard.
type RecordId = (ShardId, RecordPosition);

#[derive(Debug, Default)]
struct Log {
    /// Each record put, with its key and its place among the records of its key.
    puts: BTreeMap<RecordId, (String, usize)>,
    puts_by_key: BTreeMap<String, usize>,
    /// Every delivery, in the order of the telling.
    deliveries: Vec<RecordId>,
    delivered: BTreeSet<RecordId>,
    outstanding: BTreeSet<RecordId>,
}

impl DeliveryOracle {
    /// Nothing put, nothing delivered.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record of `partition_key` was put into `shard_id` after all others of that key.
    pub fn put(&self, partition_key: &str, shard_id: &ShardId, sequence_number: &SequenceNumber) {
        let position = RecordPosition { sequence_number: sequence_number.clone(), sub_sequence_number: 0 };
        self.put_at(partition_key, shard_id, position);
    }

    /// A user record of `partition_key` was put into `shard_id`, in an aggregate, after all others of that key.
    pub fn put_at(&self, partition_key: &str, shard_id: &ShardId, position: RecordPosition) {
        let id = (shard_id.clone(), position);
        let mut log = self.log();
        let of_key = log.puts_by_key.entry(partition_key.to_owned()).or_default();
        let place = *of_key;
        *of_key += 1;
        if !log.delivered.contains(&id) {
            log.outstanding.insert(id.clone());
        }
        log.puts.insert(id, (partition_key.to_owned(), place));
    }

    /// A processor has finished with a record.
    pub fn deliver(&self, shard: &ShardKey, record: &Record) {
        let id = (shard.shard_id.clone(), record.position.clone());
        let mut log = self.log();
        log.outstanding.remove(&id);
        log.delivered.insert(id.clone());
        log.deliveries.push(id);
    }

    /// How many of the records put so far have not been delivered.
    pub fn outstanding(&self) -> usize {
        self.log().outstanding.len()
    }

    /// What the run was worth, up to here.
    pub fn verdict(&self) -> Verdict {
        let log = self.log();
        let mut next_of_key: BTreeMap<&str, usize> = BTreeMap::new();
        let mut first_seen = BTreeSet::new();
        let mut out_of_order = Vec::new();
        let mut unknown = Vec::new();
        for id in log.deliveries.iter().filter(|id| first_seen.insert(*id)) {
            let Some((key, place)) = log.puts.get(id) else {
                unknown.push(id.clone());
                continue;
            };
            let next = next_of_key.entry(key).or_default();
            if place != next {
                out_of_order.push(id.clone());
            }
            *next = (*next).max(place + 1);
        }
        Verdict {
            put: log.puts.len(),
            delivered: first_seen.len(),
            duplicates: log.deliveries.len() - first_seen.len(),
            missing: Offenders::from_ids(log.outstanding.iter()),
            unknown: Offenders::from_ids(unknown.iter()),
            out_of_order: Offenders::from_ids(out_of_order.iter()),
        }
    }

    /// A panic elsewhere cannot leave the log half written in a way that matters to a verdict.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oracle's judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Records put.
    pub put: usize,
    /// Different records delivered.
    pub delivered: usize,
    /// Deliveries of a record after its first: permitted, and worth knowing.
    pub duplicates: usize,
    /// Records put and not delivered.
    pub missing: Offenders,
    /// Records delivered that nobody put.
    pub unknown: Offenders,
    /// Records whose first delivery came before that of an earlier record of the same key, or after that of a later
    /// one.
    pub out_of_order: Offenders,
}

impl Verdict {
    /// True if every record was delivered, and every key in order.
    pub fn is_good(&self) -> bool {
        self.missing.count == 0 && self.unknown.count == 0 && self.out_of_order.count == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { put, delivered, duplicates, missing, unknown, out_of_order } = self;
        write!(f, "{put} records put, {delivered} delivered, {duplicates} duplicates, ")?;
        write!(f, "{missing} missing, {unknown} unknown, {out_of_order} out of order")
    }
}

/// Records that break a promise: how many, and the first few by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offenders {
    /// How many.
    pub count: usize,
    /// The first few, as `shard/sequence number/sub-sequence number`.
    pub named: Vec<String>,
}

impl Offenders {
    fn from_ids<'a>(ids: impl ExactSizeIterator<Item = &'a RecordId>) -> Self {
        let count = ids.len();
        let named =
            ids.take(NAMED_MAX).map(|(shard_id, position)| format!("{shard_id}/{position}")).collect();
        Self { count, named }
    }
}

impl fmt::Display for Offenders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)?;
        if self.named.is_empty() {
            return Ok(());
        }
        let more = if self.count > self.named.len() { ", ..." } else { "" };
        write!(f, " ({}{more})", self.named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{StreamId, Timestamp};

    fn shard() -> ShardKey {
        ShardKey::new(StreamId::named("s").unwrap(), ShardId::new("shardId-0"))
    }

    fn record(sequence_number: &str) -> Record {
        let sequence_number = sequence_number.parse().unwrap();
        Record {
            position: RecordPosition { sequence_number, sub_sequence_number: 0 },
            partition_key: "key".into(),
            explicit_hash_key: None,
            approximate_arrival: Timestamp::default(),
            data: Bytes::new(),
        }
    }

    fn verdict(puts: &[&str], deliveries: &[&str]) -> Verdict {
        let oracle = DeliveryOracle::new();
        for sequence_number in puts {
            oracle.put("key", &shard().shard_id, &sequence_number.parse().unwrap());
        }
        for sequence_number in deliveries {
            oracle.deliver(&shard(), &record(sequence_number));
        }
        oracle.verdict()
    }

    #[test]
    fn a_repeat_after_a_move_is_a_duplicate_and_nothing_worse() {
        let verdict = verdict(&["1", "2", "3"], &["1", "2", "1", "2", "3"]);
        assert!(verdict.is_good(), "{verdict}");
        assert_eq!(verdict.duplicates, 2);
    }

    #[test]
    fn a_record_that_never_came_is_missing_by_name() {
        let verdict = verdict(&["1", "2"], &["1"]);
        assert!(!verdict.is_good());
        assert_eq!(verdict.missing.named, ["shardId-0/2/0"]);
    }

    #[test]
    fn a_record_that_came_before_an_earlier_one_of_its_key_is_out_of_order() {
        assert_eq!(verdict(&["1", "2", "3"], &["1", "3", "2"]).out_of_order.count, 2);
    }

    #[test]
    fn a_record_that_nobody_put_is_unknown() {
        assert_eq!(verdict(&["1"], &["1", "9"]).unknown.count, 1);
    }
}
