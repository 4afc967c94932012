//! U2: the records of a key are first delivered in the order in which they were put, across splits and merges.

use std::collections::BTreeMap;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::RecordNo;

#[derive(Debug, Default)]
pub(super) struct KeysInOrder {
    /// Each record's key, and its place among the records of the key.
    places: BTreeMap<RecordNo, (u32, usize)>,
    keys: BTreeMap<u32, Key>,
}

#[derive(Debug, Default)]
struct Key {
    put: usize,
    delivered: usize,
}

impl Invariant for KeysInOrder {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        if let What::Put { key, record, .. } = fact.what {
            let of_key = self.keys.entry(key).or_default();
            self.places.insert(record, (key, of_key.put));
            of_key.put += 1;
        } else if let Some((_, _, record)) = fact.what.settled() {
            let Some((key, place)) = self.places.get(&record).copied() else {
                return Err(Violation::new("U2", "nobody put this record"));
            };
            let of_key = self.keys.entry(key).or_default();
            if place > of_key.delivered {
                let problem = format!("an earlier record of key {key} was not delivered before it");
                return Err(Violation::new("U2", problem));
            }
            of_key.delivered = of_key.delivered.max(place + 1);
        }
        Ok(())
    }
}
