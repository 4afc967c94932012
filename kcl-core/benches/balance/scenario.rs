use std::cmp::Reverse;

use fastrand::Rng;

/// Shards before anything happens.
const LEASES: usize = 1_000;

/// What happens to a fleet with equal shares, all at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Workers before. If there are none, the table is fresh.
    before: usize,
    /// Workers of these that crash, and that stop as planned.
    crash: usize,
    stop: usize,
    /// Workers that start.
    join: usize,
    /// Shards that split in two, and pairs of shards that merge.
    split: usize,
    merge: usize,
}

const NOTHING: Scenario = Scenario { name: "", before: 0, crash: 0, stop: 0, join: 0, split: 0, merge: 0 };

pub(crate) const SCENARIOS: [Scenario; 20] = [
    Scenario { name: "join, 1 to 2", before: 1, join: 1, ..NOTHING },
    Scenario { name: "join, 1 to 10", before: 1, join: 9, ..NOTHING },
    Scenario { name: "join, 1 to 100", before: 1, join: 99, ..NOTHING },
    Scenario { name: "join, 10 to 11", before: 10, join: 1, ..NOTHING },
    Scenario { name: "join, 50 to 100", before: 50, join: 50, ..NOTHING },
    Scenario { name: "join, 99 to 100", before: 99, join: 1, ..NOTHING },
    Scenario { name: "crash, 100 to 99", before: 100, crash: 1, ..NOTHING },
    Scenario { name: "crash, 100 to 50", before: 100, crash: 50, ..NOTHING },
    Scenario { name: "crash, 10 to 9", before: 10, crash: 1, ..NOTHING },
    Scenario { name: "crash, 2 to 1", before: 2, crash: 1, ..NOTHING },
    Scenario { name: "stop, 100 to 99", before: 100, stop: 1, ..NOTHING },
    Scenario { name: "stop, 100 to 50", before: 100, stop: 50, ..NOTHING },
    Scenario { name: "stop, 10 to 9", before: 10, stop: 1, ..NOTHING },
    Scenario { name: "stop, 2 to 1", before: 2, stop: 1, ..NOTHING },
    Scenario { name: "resize, 10 - 5 + 15", before: 10, stop: 5, join: 15, ..NOTHING },
    Scenario { name: "resize, 20 - 15 + 5", before: 20, stop: 15, join: 5, ..NOTHING },
    Scenario { name: "30, 100 shards split", before: 30, split: 100, ..NOTHING },
    Scenario { name: "30, 200 shards merge", before: 30, merge: 100, ..NOTHING },
    Scenario { name: "fresh table, 10 start", join: 10, ..NOTHING },
    Scenario { name: "fresh table, 100 start", join: 100, ..NOTHING },
];

/// How a lease stands when the first round begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// This worker lives, and has it.
    Held(usize),
    /// This worker has crashed, and the lease has expired.
    Expired(usize),
    /// This worker has stopped.
    Left(usize),
    /// Nobody has ever had it.
    New,
}

/// Where a run begins: which leases there are, and who is there to share them.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) leases: Vec<Standing>,
    /// The workers that live, the new ones included.
    pub(crate) workers: Vec<usize>,
}

impl Start {
    pub(crate) fn of(scenario: &Scenario, rng: &mut Rng) -> Self {
        let Scenario { before, crash, stop, join, split, merge, .. } = *scenario;
        let mut workers: Vec<usize> = (0..before).collect();
        rng.shuffle(&mut workers);
        let mut leases: Vec<Standing> = (0..LEASES)
            .map(|number| match workers.get(number % before.max(1)) {
                None => Standing::New,
                Some(_) if number % before < crash => Standing::Expired(workers[number % before]),
                Some(_) if number % before < crash + stop => Standing::Left(workers[number % before]),
                Some(worker) => Standing::Held(*worker),
            })
            .collect();
        rng.shuffle(&mut leases);
        leases.truncate(LEASES - split - 2 * merge);
        leases.extend(vec![Standing::New; 2 * split + merge]);
        workers.drain(..crash + stop);
        workers.extend(before..before + join);
        Self { leases, workers }
    }

    /// How many leases each worker that lives has.
    pub(crate) fn shares(&self) -> Vec<usize> {
        let held = |worker: &usize| {
            self.leases.iter().filter(|standing| **standing == Standing::Held(*worker)).count()
        };
        self.workers.iter().map(held).collect()
    }
}

/// The fewest leases that must leave a worker so that all `leases` are shared and no two shares are more than one apart:
/// what remains stays with those who have most.
pub(crate) fn fewest_moves(shares: &[usize], leases: usize) -> usize {
    let mut shares = shares.to_vec();
    shares.sort_by_key(|share| Reverse(*share));
    let (fair, remainder) = (leases / shares.len(), leases % shares.len());
    let too_many = |(rank, share): (usize, usize)| share.saturating_sub(fair + usize::from(rank < remainder));
    shares.into_iter().enumerate().map(too_many).sum()
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Rounds until every lease had an owner that lives, and shares were at most one apart; `None` if they never were.
    pub(crate) rounds: Option<usize>,
    /// Those of them that began with all workers in the table.
    pub(crate) rounds_known: usize,
    /// Leases that left a worker which lived, up to one round more.
    pub(crate) moves: usize,
    /// How many more these are than the fewest from the beginning.
    pub(crate) moves_too_many: usize,
    /// How many more were made, once all workers were in the table, than the fewest from there.
    pub(crate) moves_too_many_known: usize,
    /// Writes that found the row changed.
    pub(crate) races_lost: usize,
}

impl Outcome {
    /// The larger numbers of both.
    pub(crate) fn worst(self, other: Self) -> Self {
        Self { rounds: self.rounds.zip(other.rounds).map(|(a, b)| a.max(b)), ..self.merge(other, usize::max) }
    }

    /// The smaller numbers of both.
    pub(crate) fn best(self, other: Self) -> Self {
        let rounds = [self.rounds, other.rounds].into_iter().flatten().min();
        Self { rounds, ..self.merge(other, usize::min) }
    }

    fn merge(self, other: Self, choose: fn(usize, usize) -> usize) -> Self {
        Self {
            rounds: None,
            rounds_known: choose(self.rounds_known, other.rounds_known),
            moves: choose(self.moves, other.moves),
            moves_too_many: choose(self.moves_too_many, other.moves_too_many),
            moves_too_many_known: choose(self.moves_too_many_known, other.moves_too_many_known),
            races_lost: choose(self.races_lost, other.races_lost),
        }
    }
}

/// True if shares are at most one apart, and together are everything.
pub(crate) fn is_balanced(shares: &[usize], leases: usize) -> bool {
    let (least, most) = (shares.iter().min(), shares.iter().max());
    let is_even = most.zip(least).is_some_and(|(most, least)| most - least <= 1);
    is_even && shares.iter().sum::<usize>() == leases
}
