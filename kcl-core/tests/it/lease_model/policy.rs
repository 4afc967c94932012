//! What a worker may write, given what it knows. It decides from its view alone, never from the table.

use super::config::{Config, Planted};
use super::row::{Change, END, Id, Row, Write};
use super::state::{Held, Hold, State, View, Worker};

/// The writes that a worker may send now.
pub(super) fn writes_due(config: &Config, state: &State, worker: &Worker, shard: usize) -> Vec<Change> {
    let view = &worker.views[shard];
    let Some(seen) = view.seen else { return Vec::new() };
    match view.hold {
        Hold::Held(held) => writes_of_a_holder(config.planted, held, seen),
        Hold::Taking => vec![Change::Take],
        Hold::Nothing if seen.checkpoint == END || !may_start(config, worker, shard) => Vec::new(),
        Hold::Nothing if view.is_stopping => writes_of_one_who_stops(seen, worker.id),
        Hold::Nothing => writes_of_a_seeker(state, view, seen, worker.id),
    }
}

/// L7: the parent's row is finished, as far as was seen.
fn may_start(config: &Config, worker: &Worker, shard: usize) -> bool {
    let is_child = config.is_family && shard == 1;
    let is_parent_finished = || worker.views[0].seen.is_some_and(|parent| parent.checkpoint == END);
    !is_child || is_parent_finished() || config.planted == Planted::ChildBeforeParent
}

fn writes_of_a_holder(planted: Planted, held: Held, seen: Row) -> Vec<Change> {
    let Held { position, is_consuming, .. } = held;
    let is_committed = position <= seen.checkpoint;
    let renew = is_consuming.then_some(Change::Renew);
    let ahead = u8::from(planted == Planted::CommitAhead && is_consuming);
    let commit = (position + ahead > seen.checkpoint).then_some(position + ahead);
    let behind = seen.checkpoint.checked_sub(1).filter(|_| planted == Planted::CommitBehind);
    // A shard that has ended is finished by whoever got so far.
    let asker = seen.requested_by().filter(|_| position < END);
    let last_commit = (!is_committed && planted != Planted::HandOverWithoutCommit).then_some(position);
    let may_hand_over = !is_consuming || planted == Planted::HandOverBeforeDrain;
    let hand_over =
        asker.filter(|_| may_hand_over).map(|to| Change::HandOver { to, checkpoint: last_commit });
    let may_release = !is_consuming
        && asker.is_none()
        && (is_committed || planted == Planted::ReleaseWithoutCommit)
        && (position == END || planted != Planted::NoReleaseAfterWithdrawal);
    let release = may_release.then_some(Change::Release);
    let (commit, behind) = (commit.map(Change::Checkpoint), behind.map(Change::Checkpoint));
    [renew, commit, hand_over, release, behind].into_iter().flatten().collect()
}

/// Its request goes; and a lease that it was given nevertheless goes back.
fn writes_of_one_who_stops(seen: Row, me: Id) -> Vec<Change> {
    let withdraw = (seen.requested_by() == Some(me)).then_some(Change::Request { by: None });
    let release = seen.awaits_taking_up_by(me).then_some(Change::Release);
    withdraw.into_iter().chain(release).collect()
}

fn writes_of_a_seeker(state: &State, view: &View, seen: Row, me: Id) -> Vec<Change> {
    let is_patient = state.faults.impatience == 0;
    let take = (is_takeable(view, seen, me) || !is_patient).then_some(Change::Take);
    let is_asked = seen.requested_by() == Some(me);
    let may_ask = !view.is_expired
        && !is_asked
        && seen.owner != Some(me)
        && seen.answers_requests()
        && (seen.request.is_none() || !is_patient);
    let ask = may_ask.then_some(Change::Request { by: Some(me) });
    let withdraw = is_asked.then_some(Change::Request { by: None });
    [take, ask, withdraw].into_iter().flatten().collect()
}

/// True if a worker takes the lease without being impatient: nobody has it, or it is this worker's without its knowing.
fn is_takeable(view: &View, seen: Row, me: Id) -> bool {
    let is_left_over = seen.owner == Some(me) && view.left_over == Some(seen.counter);
    seen.owner.is_none() || view.is_expired || is_left_over || seen.awaits_taking_up_by(me)
}

/// True if a patient worker would not send this.
pub(super) fn is_impatient(view: &View, write: &Write) -> bool {
    match write.change {
        Change::Take => view.hold == Hold::Nothing && !is_takeable(view, write.seen, write.writer),
        Change::Request { by: Some(_) } => write.seen.request.is_some(),
        _ => false,
    }
}
