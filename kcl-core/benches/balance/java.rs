//! Rounds of the Java KCL 2 at its best: workers look at the table one after another, each after the writes of those before
//! it, and nobody loses a race (`DynamoDBLeaseTaker`, with its default settings).

use std::collections::BTreeMap;

use fastrand::Rng;

use super::scenario::{Outcome, Standing, Start, fewest_moves, is_balanced};

/// Eleven virtual hours.
const ROUNDS_MAX: usize = 2_000;

/// A row that has not moved for three failover times is taken by whoever sees it first, beyond its share. Rounds are two
/// apart, and what has expired is at least one old.
const VERY_OLD_ROUNDS: usize = 1;

/// `maxLeasesToStealAtOneTime`.
const STEALS_MAX: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Owned(usize),
    /// Expired when the first round begins.
    Expired,
    /// Nobody's yet. An age is counted from the start of time, so it is very old.
    New,
}

struct Fleet {
    rows: Vec<Row>,
    workers: Vec<usize>,
    moves: usize,
}

/// Runs until shares are equal, and one round more, in which nothing should move.
pub(crate) fn run(start: &Start, rng: &mut Rng) -> Outcome {
    let mut fleet = Fleet::of(start);
    let mut rounds = 0;
    while !fleet.is_balanced() && rounds < ROUNDS_MAX {
        fleet.round(rounds, rng);
        rounds += 1;
    }
    let is_balanced = fleet.is_balanced();
    fleet.round(rounds, rng);
    let fewest = fewest_moves(&start.shares(), start.leases.len());
    Outcome {
        rounds: is_balanced.then_some(rounds),
        rounds_known: 0,
        moves: fleet.moves,
        moves_too_many: fleet.moves.saturating_sub(fewest),
        moves_too_many_known: 0,
        races_lost: 0,
    }
}

impl Fleet {
    fn of(start: &Start) -> Self {
        let row = |standing: &Standing| match standing {
            Standing::Held(worker) => Row::Owned(*worker),
            // It does not release, so a planned stop is a crash.
            Standing::Expired(_) | Standing::Left(_) => Row::Expired,
            Standing::New => Row::New,
        };
        Self { rows: start.leases.iter().map(row).collect(), workers: start.workers.clone(), moves: 0 }
    }

    fn round(&mut self, number: usize, rng: &mut Rng) {
        let mut order = self.workers.clone();
        rng.shuffle(&mut order);
        for me in order {
            self.take_leases(me, number, rng);
        }
    }

    fn take_leases(&mut self, me: usize, round: usize, rng: &mut Rng) {
        let is_very_old = |row: &Row| match row {
            Row::Owned(_) => false,
            Row::Expired => round >= VERY_OLD_ROUNDS,
            Row::New => true,
        };
        let very_old = self.numbers_where(is_very_old);
        if !very_old.is_empty() {
            for number in very_old {
                self.rows[number] = Row::Owned(me);
            }
            return;
        }
        let mut counts = self.counts();
        let mine = *counts.entry(me).or_default();
        let target = self.rows.len().div_ceil(counts.len());
        let needed = target.saturating_sub(mine);
        let mut available = self.numbers_where(|row| !matches!(row, Row::Owned(_)));
        rng.shuffle(&mut available);
        for number in available.iter().take(needed) {
            self.rows[*number] = Row::Owned(me);
        }
        if available.is_empty() && needed > 0 {
            self.steal(me, needed, target, &counts, rng);
        }
    }

    /// From the one that has most, if that is too many, or as many as it should be while more than one is needed.
    fn steal(
        &mut self,
        me: usize,
        needed: usize,
        target: usize,
        counts: &BTreeMap<usize, usize>,
        rng: &mut Rng,
    ) {
        let most = counts.values().max().copied().unwrap_or_default();
        let richest: Vec<usize> =
            counts.iter().filter(|(_, count)| **count == most).map(|(worker, _)| *worker).collect();
        let Some(from) = rng.choice(richest).filter(|_| most >= target) else { return };
        let too_many = needed.min(most - target).max(usize::from(needed > 1));
        let mut stealable = self.numbers_where(|row| *row == Row::Owned(from));
        rng.shuffle(&mut stealable);
        for number in stealable.into_iter().take(too_many.min(STEALS_MAX)) {
            self.rows[number] = Row::Owned(me);
            self.moves += 1;
        }
    }

    fn numbers_where(&self, holds: impl Fn(&Row) -> bool) -> Vec<usize> {
        (0..self.rows.len()).filter(|number| holds(&self.rows[*number])).collect()
    }

    fn counts(&self) -> BTreeMap<usize, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            if let Row::Owned(worker) = row {
                *counts.entry(*worker).or_default() += 1;
            }
        }
        counts
    }

    fn is_balanced(&self) -> bool {
        let counts = self.counts();
        let shares: Vec<usize> =
            self.workers.iter().map(|worker| counts.get(worker).copied().unwrap_or_default()).collect();
        is_balanced(&shares, self.rows.len())
    }
}
