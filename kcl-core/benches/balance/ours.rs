//! Rounds of our rule at its worst: in a round all workers decide from the same look at the table, whatever the others do
//! meanwhile. As in a worker, who loses a race learns the row that stood in its way, and decides again.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use kcl_core::lease::{Lease, LeaseChange};
use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId, WorkerId};
use kcl_core::testing::{WantedLeases, wanted_leases};

use super::scenario::{Outcome, Standing, Start, fewest_moves, is_balanced};

/// The rule has failed long before.
const ROUNDS_MAX: usize = 100;

type Rows = BTreeMap<ShardKey, Lease>;

struct Fleet {
    rows: Rows,
    /// Those who live.
    workers: BTreeSet<WorkerId>,
    moves: usize,
    races_lost: usize,
}

/// One write on its way.
struct Write {
    by: WorkerId,
    shard: ShardKey,
    is_take: bool,
}

/// Runs until shares are equal, and one round more, in which nothing should move.
pub(crate) fn run(start: &Start, rng: &mut Rng) -> Outcome {
    let mut fleet = Fleet::of(start, rng);
    let mut rounds = 0;
    let mut known = None;
    while !fleet.is_balanced() && rounds < ROUNDS_MAX {
        if fleet.is_known() {
            known.get_or_insert((rounds, fleet.moves + fleet.fewest_moves()));
        }
        fleet.round(rng);
        rounds += 1;
    }
    let is_balanced = fleet.is_balanced();
    let fewest = fewest_moves(&start.shares(), start.leases.len());
    let (known_since, fewest_known) = known.unwrap_or((rounds, fleet.moves));
    fleet.round(rng);
    Outcome {
        rounds: is_balanced.then_some(rounds),
        rounds_known: rounds - known_since,
        moves: fleet.moves,
        moves_too_many: fleet.moves.saturating_sub(fewest),
        moves_too_many_known: fleet.moves.saturating_sub(fewest_known),
        races_lost: fleet.races_lost,
    }
}

impl Fleet {
    fn of(start: &Start, rng: &mut Rng) -> Self {
        // Names as they come: new ones stand between old ones.
        let highest = start.workers.iter().chain(start.leases.iter().filter_map(owner)).max();
        let names: Vec<WorkerId> = (0..=highest.copied().unwrap_or_default())
            .map(|_| WorkerId::new(format!("worker-{:016x}", rng.u64(..))).unwrap())
            .collect();
        let stream = StreamId::named("orders").unwrap();
        let rows = start.leases.iter().enumerate().map(|(number, standing)| {
            let shard = ShardKey::new(stream.clone(), ShardId::new(format!("shardId-{number:012}")));
            let row = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
            let row = owner(standing).map_or(row.clone(), |by| row.after(&take(&names[*by])));
            let is_left = matches!(standing, Standing::Left(_));
            let row = if is_left { row.after(&LeaseChange::Release) } else { row };
            (row.shard.clone(), row)
        });
        Self {
            rows: rows.collect(),
            workers: start.workers.iter().map(|number| names[*number].clone()).collect(),
            moves: 0,
            races_lost: 0,
        }
    }

    /// Everybody looks and decides, all writes are made in any order, and owners do what they are asked.
    fn round(&mut self, rng: &mut Rng) {
        let seen = self.rows.clone();
        let mut views: BTreeMap<WorkerId, Rows> = BTreeMap::new();
        let mut writes: Vec<Write> =
            self.workers.iter().flat_map(|me| self.decide(me, &seen, is_shown(&seen, me))).collect();
        while !writes.is_empty() {
            rng.shuffle(&mut writes);
            let mut losers = BTreeSet::new();
            for Write { by, shard, is_take } in std::mem::take(&mut writes) {
                let view = views.entry(by.clone()).or_insert_with(|| seen.clone());
                if !self.write(&by, &view[&shard], is_take) {
                    losers.insert(by);
                }
                view.insert(shard.clone(), self.rows[&shard].clone());
            }
            let again = losers.iter().flat_map(|me| self.decide(me, &views[me], is_shown(&seen, me)));
            writes = again.collect();
        }
        self.answer_requests();
    }

    fn decide(&self, me: &WorkerId, view: &Rows, is_introduced: bool) -> Vec<Write> {
        let rows: Vec<Lease> = view.values().cloned().collect();
        let is_expired = |row: &Lease| row.owner.as_ref().is_some_and(|owner| !self.workers.contains(owner));
        let WantedLeases { take, ask } = wanted_leases(&rows, is_expired, me, is_introduced);
        let write = |is_take| move |shard| Write { by: me.clone(), shard, is_take };
        take.into_iter().map(write(true)).chain(ask.into_iter().map(write(false))).collect()
    }

    /// One conditional write; false if the row has changed since it was seen.
    fn write(&mut self, by: &WorkerId, seen: &Lease, is_take: bool) -> bool {
        let row = &self.rows[&seen.shard];
        let is_applied = if is_take { row.permits(seen, &take(by)) } else { row.permits_request(seen) };
        if !is_applied {
            self.races_lost += 1;
            return false;
        }
        if is_take {
            self.pass(&row.clone(), by);
        } else {
            self.rows.insert(seen.shard.clone(), row.with_request(Some(by)));
        }
        true
    }

    /// Owners hand over, and those who asked take up.
    fn answer_requests(&mut self) {
        let asked: Vec<Lease> = self.rows.values().filter(|row| row.request.is_some()).cloned().collect();
        for row in asked {
            if let Some(to) = row.requested_by() {
                self.pass(&row.after(&LeaseChange::HandOver { to: to.clone(), checkpoint: None }), to);
                self.moves += 1;
            }
        }
    }

    fn pass(&mut self, row: &Lease, to: &WorkerId) {
        let is_stolen = row.owner.as_ref().is_some_and(|owner| owner != to && self.workers.contains(owner));
        self.moves += usize::from(is_stolen);
        self.rows.insert(row.shard.clone(), row.after(&take(to)));
    }

    fn is_known(&self) -> bool {
        self.workers.iter().all(|worker| is_shown(&self.rows, worker))
    }

    fn is_balanced(&self) -> bool {
        is_balanced(&self.shares(), self.rows.len())
    }

    fn fewest_moves(&self) -> usize {
        fewest_moves(&self.shares(), self.rows.len())
    }

    fn shares(&self) -> Vec<usize> {
        let share = |worker: &WorkerId| self.rows.values().filter(|row| row.is_owned_by(worker)).count();
        self.workers.iter().map(share).collect()
    }
}

fn take(by: &WorkerId) -> LeaseChange {
    LeaseChange::Take { by: by.clone() }
}

/// The last owner.
fn owner(standing: &Standing) -> Option<&usize> {
    match standing {
        Standing::Held(worker) | Standing::Expired(worker) | Standing::Left(worker) => Some(worker),
        Standing::New => None,
    }
}

/// True if the rows show a worker to the others.
fn is_shown(rows: &Rows, worker: &WorkerId) -> bool {
    rows.values().any(|row| row.is_owned_by(worker) || row.requested_by() == Some(worker))
}
