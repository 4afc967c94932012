//! The row, small enough to be copied a million times, and the writes on it. What a write makes of a row, and whether it
//! may, is asked of the library.

use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use kcl_core::lease::{Lease, LeaseChange};
use kcl_core::model::{Checkpoint, RecordPosition, ShardId, ShardKey, StreamId, WorkerId};

use super::config::Planted;

/// A worker process. A restarted worker is another one.
pub(super) type Id = u8;

/// How far a shard is processed: 0 at the start, then one for each record, then [`END`].
pub(super) type Position = u8;

/// The end of a shard, after its only record.
pub(super) const END: Position = 2;

/// More worker processes than any configuration starts.
const IDS_MAX: Id = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Row {
    pub(super) counter: u8,
    pub(super) owner: Option<Id>,
    pub(super) request: Option<Id>,
    /// The last owner that became the owner by a write of its own.
    pub(super) hand_over_owner: Option<Id>,
    pub(super) checkpoint: Position,
}

/// What a write changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Change {
    Take,
    Renew,
    Checkpoint(Position),
    Release,
    /// Makes the asker the owner, and commits the last position if that is to be done.
    HandOver {
        to: Id,
        checkpoint: Option<Position>,
    },
    /// Asks for the lease, or withdraws that.
    Request {
        by: Option<Id>,
    },
}

/// A conditional write on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Write {
    pub(super) writer: Id,
    pub(super) shard: usize,
    /// The row as the writer saw it: the condition.
    pub(super) seen: Row,
    pub(super) change: Change,
}

impl Change {
    /// True if only the owner may write it.
    pub(super) fn is_an_owners(self) -> bool {
        !matches!(self, Self::Take | Self::Request { .. })
    }

    /// True if the owner ceases to be the owner by it.
    pub(super) fn is_departure(self) -> bool {
        matches!(self, Self::Release | Self::HandOver { .. })
    }

    /// The library's name for it; `None` for a request, which is no change.
    fn in_the_library(self, by: Id) -> Option<LeaseChange> {
        Some(match self {
            Self::Take => LeaseChange::Take { by: worker(by) },
            Self::Renew => LeaseChange::Renew,
            Self::Checkpoint(position) => {
                LeaseChange::Checkpoint { checkpoint: checkpoint(position), children: Vec::new() }
            }
            Self::Release => LeaseChange::Release,
            Self::HandOver { to, checkpoint: position } => {
                LeaseChange::HandOver { to: worker(to), checkpoint: position.map(checkpoint) }
            }
            Self::Request { .. } => return None,
        })
    }
}

impl Write {
    /// True if the table accepts the write on this row.
    pub(super) fn is_permitted(&self, row: Row, planted: Planted) -> bool {
        let seen = match planted {
            Planted::NoCounterCondition => Row { counter: row.counter, ..self.seen },
            Planted::NoOwnerCondition => Row { owner: row.owner, ..self.seen },
            _ => self.seen,
        };
        match self.change.in_the_library(self.writer) {
            Some(change) => row.lease().permits(&seen.lease(), &change),
            None => row.lease().permits_request(&seen.lease()),
        }
    }

    /// The row that the write makes of this one.
    pub(super) fn applied_to(&self, row: Row, planted: Planted) -> Row {
        match (self.change, self.change.in_the_library(self.writer)) {
            (_, Some(change)) => Row::of(&row.lease().after(&change)),
            (Change::Request { by }, _) => {
                let raise = u8::from(planted == Planted::RequestRaisesCounter);
                let row = Row::of(&row.lease().with_request(by.map(worker).as_ref()));
                Row { counter: row.counter + raise, ..row }
            }
            _ => row,
        }
    }
}

impl Row {
    /// True if the owner hands the lease over when it is asked: it became the owner by a write of its own.
    pub(super) fn answers_requests(self) -> bool {
        self.lease().answers_requests()
    }

    /// True if somebody else made the worker the owner.
    pub(super) fn awaits_taking_up_by(self, me: Id) -> bool {
        self.lease().awaits_taking_up_by(&worker(me))
    }

    /// The worker that the owner is asked to hand over to.
    pub(super) fn requested_by(self) -> Option<Id> {
        self.lease().requested_by().map(id_of)
    }

    /// The bits that a packed row takes.
    pub(super) const BITS: u32 = 24;

    /// All of it in one number: the checker hashes more than it does anything else.
    pub(super) fn packed(self) -> u64 {
        let id = |id: Option<Id>| id.map_or(0, |id| u64::from(id) + 1);
        let fields = [id(self.owner), id(self.request), id(self.hand_over_owner), self.checkpoint.into()];
        fields.into_iter().fold(u64::from(self.counter), |packed, field| packed << 4 | field)
    }

    fn lease(self) -> Lease {
        let mut lease = Lease::unowned(SHARD.clone(), checkpoint(self.checkpoint), Vec::new());
        lease.counter = self.counter.into();
        lease.owner = self.owner.map(worker);
        lease.hand_over_owner = self.hand_over_owner.map(worker);
        lease.with_request(self.request.map(worker).as_ref())
    }

    fn of(lease: &Lease) -> Self {
        let position = (0..=END).find(|position| checkpoint(*position) == lease.checkpoint);
        Self {
            counter: lease.counter.try_into().unwrap(),
            owner: lease.owner.as_ref().map(id_of),
            request: lease.request.as_ref().map(|request| id_of(&request.by)),
            hand_over_owner: lease.hand_over_owner.as_ref().map(id_of),
            checkpoint: position.unwrap(),
        }
    }
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.packed());
    }
}

static SHARD: LazyLock<ShardKey> =
    LazyLock::new(|| ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-0")));

static WORKERS: LazyLock<Vec<WorkerId>> =
    LazyLock::new(|| (0..IDS_MAX).map(|id| WorkerId::new(format!("worker-{id}")).unwrap()).collect());

static CHECKPOINTS: LazyLock<[Checkpoint; 3]> = LazyLock::new(|| {
    let first = RecordPosition { sequence_number: "1".parse().unwrap(), sub_sequence_number: 0 };
    [Checkpoint::TrimHorizon, Checkpoint::At(first), Checkpoint::ShardEnd]
});

fn worker(id: Id) -> WorkerId {
    WORKERS[usize::from(id)].clone()
}

fn checkpoint(position: Position) -> Checkpoint {
    CHECKPOINTS[usize::from(position)].clone()
}

fn id_of(worker: &WorkerId) -> Id {
    (0..IDS_MAX).find(|id| WORKERS[usize::from(*id)] == *worker).unwrap()
}
