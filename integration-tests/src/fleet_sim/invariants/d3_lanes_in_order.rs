//! D3: under one lease the records of a key are handled one after another and in order, whatever fails; and nothing is
//! committed beyond a record that is not finished under it, to the sub-sequence number.

use std::collections::BTreeMap;

use kcl_core::lease::LeaseChange;
use kcl_core::model::Checkpoint;

use super::records::{Front, Records};
use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, RecordNo, ShardNo};

#[derive(Debug)]
pub(super) struct LanesInOrder {
    rules: Rules,
    records: Records,
    keys: BTreeMap<RecordNo, u32>,
    /// The records of each key of a shard, in order.
    of_key: BTreeMap<(ShardNo, u32), Vec<RecordNo>>,
    leases: BTreeMap<(ProcessNo, ShardNo), Lanes>,
}

/// What a process has done of a shard under one lease.
#[derive(Debug, Default)]
struct Lanes {
    finished: Front,
    /// The keys that are being handled.
    running: BTreeMap<u32, RecordNo>,
}

impl LanesInOrder {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            rules: rules.clone(),
            records: Records::default(),
            keys: BTreeMap::new(),
            of_key: BTreeMap::new(),
            leases: BTreeMap::new(),
        }
    }

    fn check_write(&mut self, write: &Write<'_>) -> Result<(), Violation> {
        let Action::Change(change) = write.action else { return Ok(()) };
        let lease = (write.process, write.shard);
        match change {
            LeaseChange::Take { .. } => {
                let row = self.records.of(write.shard).zip(write.after);
                let finished = Front::at(row.map_or(0, |(records, row)| records.covered_by(&row.checkpoint)));
                self.leases.insert(lease, Lanes { finished, running: BTreeMap::new() });
                Ok(())
            }
            LeaseChange::Checkpoint { checkpoint, .. }
            | LeaseChange::HandOver { checkpoint: Some(checkpoint), .. } => {
                self.check_commit(lease, checkpoint)
            }
            _ => Ok(()),
        }
    }

    fn check_commit(&self, lease: (ProcessNo, ShardNo), to: &Checkpoint) -> Result<(), Violation> {
        let committed = self.records.of(lease.1).map_or(0, |records| records.covered_by(to));
        let finished = self.leases.get(&lease).map_or(0, |lanes| lanes.finished.reached);
        if committed <= finished {
            return Ok(());
        }
        let problem = format!("{committed} records were committed, and {finished} finished without a gap");
        Err(Violation::new("D3", problem))
    }

    fn call(&mut self, lease: (ProcessNo, ShardNo), record: RecordNo) -> Result<(), Violation> {
        let Self { records, keys, of_key, leases, .. } = self;
        let Some(key) = keys.get(&record) else { return Ok(()) };
        let lanes = leases.entry(lease).or_default();
        if let Some(other) = lanes.running.insert(*key, record) {
            let problem = format!("{other} of the same key is being handled");
            return Err(Violation::new("D3", problem));
        }
        let earlier = of_key.get(&(lease.1, *key)).into_iter().flatten();
        let mut unfinished = earlier
            .take_while(|earlier| **earlier < record)
            .filter(|earlier| !lanes.finished.has_passed(records.place(**earlier)));
        match unfinished.next() {
            Some(earlier) => Err(Violation::new("D3", format!("{earlier} of the same key is not finished"))),
            None => Ok(()),
        }
    }

    fn end_call(&mut self, lease: (ProcessNo, ShardNo), record: RecordNo) {
        if let Some(lanes) = self.leases.get_mut(&lease)
            && let Some(key) = self.keys.get(&record)
        {
            lanes.running.remove(key);
        }
    }
}

impl Invariant for LanesInOrder {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        self.records.observe(fact);
        if let Some((process, shard, record)) = fact.what.settled()
            && self.rules.has_lanes(shard)
        {
            let place = self.records.place(record);
            self.leases.entry((process, shard)).or_default().finished.pass(place);
            self.end_call((process, shard), record);
        }
        match fact.what {
            What::Put { shard, key, record, .. } => {
                self.keys.insert(record, key);
                self.of_key.entry((shard, key)).or_default().push(record);
            }
            What::Called { process, shard, record } => return self.call((process, shard), record),
            What::Failed { process, shard, records } => {
                records.iter().for_each(|record| self.end_call((process, shard), *record));
            }
            What::Wrote(write) if self.rules.has_lanes(write.shard) => return self.check_write(&write),
            _ => {}
        }
        Ok(())
    }
}
