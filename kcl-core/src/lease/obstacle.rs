use super::{Lease, LeaseChange};
use crate::model::WorkerId;

/// What the row that stood in the way of an owner's write means for it (L5 of the [protocol](super)). Pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// This very write was applied before, and its answer lost.
    OwnChange(Box<Lease>),
    /// An earlier write of another kind was applied, and its answer lost: this one is still to be made, on top of it.
    OwnEarlierChange(Box<Lease>),
    /// The lease was given away before, whoever has it by now.
    GivenAway,
    /// Somebody touched the row without moving it: it was asked for, or a request was withdrawn.
    Touched(Box<Lease>),
    /// The row is somebody else's, or gone.
    Foreign(Option<Box<Lease>>),
}

/// Writes on top of a row were sent whose answers are not known: one of them may have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// None was to give the lease away.
    Staying,
    /// One was to give it away.
    Leaving,
}

impl Obstacle {
    /// `me` wanted to make `change` of `base`, and `found` was there instead.
    pub(crate) fn read(
        me: &WorkerId,
        base: &Lease,
        doubt: Option<Doubt>,
        change: &LeaseChange,
        found: Option<Lease>,
    ) -> Self {
        let Some(found) = found else {
            return Self::not_mine(doubt, change, None);
        };
        let is_next = doubt.is_some() && found.counter == base.counter + 1;
        // A take that was applied is made again: it may have been applied long ago, and the lease been lost since.
        let may_be_done = !matches!(change, LeaseChange::Take { .. });
        if is_next && may_be_done && without_wishes(&found) == without_wishes(&base.after(change)) {
            return Self::OwnChange(Box::new(found));
        }
        // Nobody else writes this, as long as worker ids are unique.
        if is_next && found.is_owned_by(me) {
            return Self::OwnEarlierChange(Box::new(found));
        }
        if found.is_owned_by(me) && found.counter == base.counter {
            return Self::Touched(Box::new(found));
        }
        Self::not_mine(doubt, change, Some(found))
    }

    fn not_mine(doubt: Option<Doubt>, change: &LeaseChange, found: Option<Lease>) -> Self {
        let is_all_committed = match (change, &found) {
            (LeaseChange::Release | LeaseChange::HandOver { checkpoint: None, .. }, _) => true,
            (LeaseChange::HandOver { checkpoint: Some(checkpoint), .. }, Some(row)) => {
                row.checkpoint >= *checkpoint
            }
            _ => false,
        };
        if doubt == Some(Doubt::Leaving) && is_all_committed {
            return Self::GivenAway;
        }
        Self::Foreign(found.map(Box::new))
    }
}

/// A request and a pin may come and go at any time, whatever the owner writes.
fn without_wishes(row: &Lease) -> Lease {
    Lease { request: None, pinned_to: None, ..row.clone() }
}
