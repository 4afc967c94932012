//! Everything that a step can depend on: the table, what each worker has seen and believes, and what a god would note.

use std::hash::{Hash, Hasher};

use super::config::{Faults, Planted};
use super::promises::Promise;
use super::row::{Id, Position, Row, Write};

/// The most workers that a configuration may have.
pub(super) const WORKERS_MAX: usize = 3;

/// The most shards.
pub(super) const SHARDS_MAX: usize = 2;

/// The most writes whose answers are lost.
pub(super) const LATE_WRITES_MAX: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct State {
    pub(super) shards: [Shard; SHARDS_MAX],
    pub(super) workers: [Worker; WORKERS_MAX],
    /// Writes whose writers wait for no answer, in order. Each arrives at some time, or never.
    pub(super) late_writes: [Option<Write>; LATE_WRITES_MAX],
    /// What may still go wrong.
    pub(super) faults: Faults,
    /// The first promise that a step on the way here has broken.
    pub(super) broken: Option<Promise>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shard {
    pub(super) row: Row,
    /// The row as a stale read shows it.
    pub(super) before: Row,
    /// The highest position that any worker has processed.
    pub(super) processed: Position,
    /// The lease was once lost in a way that may repeat records: by a crash, by expiry, or to a thief.
    pub(super) has_been_lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Worker {
    pub(super) id: Id,
    pub(super) views: [View; SHARDS_MAX],
}

/// What a worker knows of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct View {
    /// The row as last seen: for a holder, as its last successful write left it.
    pub(super) seen: Option<Row>,
    /// It has not moved for a failover time.
    pub(super) is_expired: bool,
    pub(super) hold: Hold,
    /// It wants the lease no longer, and takes its request back.
    pub(super) is_stopping: bool,
    /// The counter that a take whose answer is lost would have left.
    pub(super) left_over: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Hold {
    #[default]
    Nothing,
    /// A take was sent and its answer is lost.
    Taking,
    Held(Held),
}

/// A lease that the worker believes to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) position: Position,
    /// Its consumer runs.
    pub(super) is_consuming: bool,
    pub(super) doubt: Doubt,
}

/// Whether writes on top of the row that was seen have been sent whose answers are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Doubt {
    None,
    /// None was to give the lease away.
    Staying,
    /// One was to give it away.
    Leaving,
}

impl View {
    pub(super) fn held(&self) -> Option<&Held> {
        match &self.hold {
            Hold::Held(held) => Some(held),
            _ => None,
        }
    }

    /// Takes in a row that was read or returned.
    pub(super) fn observe(&mut self, row: Row, me: Id, planted: Planted) {
        let has_moved = self.seen.is_none_or(|seen| seen.counter != row.counter || seen.owner != row.owner);
        self.is_expired &= !has_moved || planted == Planted::ExpiryIgnoresRenewals;
        self.seen = Some(row);
        self.is_stopping &= row.owner == Some(me) || row.request == Some(me);
    }
}

impl Hash for View {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let hold = match self.hold {
            Hold::Nothing => 0,
            Hold::Taking => 1,
            Hold::Held(Held { position, is_consuming, doubt }) => {
                2 + (u64::from(position) << 2 | u64::from(is_consuming) << 4 | (doubt as u64) << 5)
            }
        };
        let seen = self.seen.map_or(0, |seen| seen.packed() + 1);
        let left_over = self.left_over.map_or(0, |counter| u64::from(counter) + 1);
        let known = left_over << 8 | u64::from(self.is_stopping) << 4 | u64::from(self.is_expired);
        hasher.write_u64(seen << 32 | known << 8 | hold);
    }
}

impl Hash for Shard {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let rows = self.row.packed() << Row::BITS | self.before.packed();
        let history = u64::from(self.processed) << 1 | u64::from(self.has_been_lost);
        hasher.write_u64(rows << 8 | history);
    }
}

impl State {
    /// Notes the first broken promise of a run.
    pub(super) fn note(&mut self, promise: Promise) {
        self.broken.get_or_insert(promise);
    }
}
