use std::collections::BTreeMap;
use std::fmt::Write;

use kcl_core::model::{ShardId, Timestamp};

use super::letters::{Letters, ShardLetters};
use crate::run::rfc3339;

/// What there is to redrive, in words.
pub(super) fn describe(letters: &Letters) -> String {
    let (Some(stream), Some((first, last))) = (&letters.stream, arrivals(letters)) else {
        return "there are no letters\n".to_owned();
    };
    let (batches, records, shards) = (letters.envelopes.len(), letters.len(), letters.shards.len());
    let mut text = format!("{batches} batches of stream {stream}: {records} records of {shards} shards");
    if letters.copies > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ", without {} copies", letters.copies);
    }
    let _ = write!(text, "\ngiven up: {}\narrived: {first} to {last}\n", conditions(letters));
    text.extend(letters.shards.iter().map(|(name, shard)| line(name, shard)));
    text
}

fn line(name: &ShardId, shard: &ShardLetters) -> String {
    let records = shard.letters.len();
    match &shard.parents[..] {
        [] => format!("  {name}: {records} records\n"),
        parents => {
            let parents: Vec<&str> = parents.iter().map(ShardId::as_str).collect();
            format!("  {name}: {records} records, after {}\n", parents.join(" and "))
        }
    }
}

/// Why the records were given up, and how many.
fn conditions(letters: &Letters) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for letter in letters.shards.values().flat_map(|shard| &shard.letters) {
        *counts.entry(letters.envelopes[letter.envelope].condition.to_string()).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(condition, count)| format!("{count} {condition}")).collect();
    counts.join(", ")
}

/// When the oldest and the newest record arrived.
fn arrivals(letters: &Letters) -> Option<(String, String)> {
    let times = || letters.records().map(|record| record.approximate_arrival);
    Some((shown(times().min()?), shown(times().max()?)))
}

/// A file may say any time, also one that no calendar has.
fn shown(time: Timestamp) -> String {
    rfc3339(time).unwrap_or_else(|_| format!("{} ms after 1970", time.as_millis()))
}
