use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kcl_core::model::WorkerId;

use super::fact::{Fact, What};
use super::names::{ProcessNo, RecordNo, ShardNo};

/// What a run is worth in numbers.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// For each crash of one worker of a settled fleet, how long it took until every shard of it ran elsewhere. Settled:
    /// nobody came or went from two failover times before until then.
    pub takeovers: Vec<Duration>,
    /// The same for crashes while others came or went.
    pub unsettled_takeovers: Vec<Duration>,
    /// For each shard of a worker that stopped as planned, how long nobody processed it.
    pub stop_gaps: Vec<Duration>,
    /// For each lease that was handed over by a worker that goes on, how long nobody processed the shard.
    pub move_gaps: Vec<Duration>,
    /// Records put.
    pub put: usize,
    /// Deliveries of a record after its first.
    pub duplicates: usize,
    settled: BTreeSet<RecordNo>,
    workers: BTreeMap<ProcessNo, WorkerId>,
    owners: BTreeMap<ShardNo, WorkerId>,
    /// Shards of dead workers that nobody processes yet, with the crash they wait since.
    orphans: BTreeMap<ShardNo, ProcessNo>,
    crashes: BTreeMap<ProcessNo, Crash>,
    failover_time: Duration,
    /// When a worker last came or went.
    changed_at: Duration,
    /// Processes that were asked to stop.
    stopping: BTreeSet<ProcessNo>,
    /// Shards that a worker has left, which, and when.
    left_at: BTreeMap<ShardNo, (ProcessNo, Duration)>,
}

#[derive(Debug, Clone)]
struct Crash {
    at: Duration,
    is_settled: bool,
}

impl Measures {
    /// Takes in a fact.
    pub fn observe(&mut self, fact: &Fact<'_>) {
        if let Some((_, _, record)) = fact.what.settled() {
            self.duplicates += usize::from(!self.settled.insert(record));
        }
        match fact.what {
            What::Put { .. } => self.put += 1,
            What::RunBegan { failover_time } => self.failover_time = failover_time,
            What::Started { process, worker, .. } => {
                self.change(fact.at);
                self.workers.insert(process, worker.clone());
            }
            What::Wrote(write) => {
                let owner = write.after.filter(|row| !row.is_finished()).and_then(|row| row.owner.clone());
                match owner {
                    Some(owner) => self.owners.insert(write.shard, owner),
                    None => self.owners.remove(&write.shard),
                };
            }
            What::StopAsked { process } => {
                self.change(fact.at);
                self.stopping.insert(process);
            }
            What::Goodbye { process, shard } => {
                self.left_at.insert(shard, (process, fact.at));
            }
            What::Crashed { process } => self.crash(process, fact.at),
            What::Stopped { process } => self.end(process),
            What::Began { shard, .. } => self.begin(shard, fact.at),
            What::Closed { shard } => {
                self.left_at.remove(&shard);
            }
            _ => {}
        }
    }

    /// The fleet is another one from now on.
    fn change(&mut self, at: Duration) {
        self.changed_at = at;
        self.crashes.values_mut().for_each(|crash| crash.is_settled = false);
    }

    fn crash(&mut self, process: ProcessNo, at: Duration) {
        let is_settled = at.saturating_sub(self.changed_at) > 2 * self.failover_time;
        self.change(at);
        if let Some(worker) = self.workers.get(&process) {
            let owned = self.owners.iter().filter(|(_, owner)| *owner == worker);
            self.orphans.extend(owned.map(|(shard, _)| (*shard, process)));
            self.crashes.insert(process, Crash { at, is_settled });
        }
        self.end(process);
    }

    fn end(&mut self, process: ProcessNo) {
        self.workers.remove(&process);
        if self.workers.is_empty() {
            // Nobody is there who could take over: what passes now is no delay of the protocol.
            self.left_at.clear();
            self.orphans.clear();
        }
    }

    fn begin(&mut self, shard: ShardNo, at: Duration) {
        if let Some((from, left_at)) = self.left_at.remove(&shard) {
            let gaps = if self.stopping.contains(&from) { &mut self.stop_gaps } else { &mut self.move_gaps };
            gaps.push(at.saturating_sub(left_at));
        }
        let Some(dead) = self.orphans.remove(&shard) else { return };
        let is_last = !self.orphans.values().any(|waiting| *waiting == dead);
        if is_last && let Some(crash) = self.crashes.remove(&dead) {
            let takeovers =
                if crash.is_settled { &mut self.takeovers } else { &mut self.unsettled_takeovers };
            takeovers.push(at.saturating_sub(crash.at));
        }
    }
}
