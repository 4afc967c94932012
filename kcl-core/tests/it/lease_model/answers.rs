//! What the answer to a write means to its writer (`HeldLease::try_write` in the library).

use super::config::Planted;
use super::promises::Promise;
use super::row::{Change, END, Position, Row, Write};
use super::state::{Doubt, Held, Hold, View};

/// What the table answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// Written; this is the row.
    Applied(Row),
    /// The row that stood in the way.
    Lost(Row),
}

/// The writer hears nothing: any of its writes may have been applied.
pub(super) fn learn_nothing(view: &mut View, write: &Write) {
    match (&mut view.hold, write.change) {
        (Hold::Held(held), change) => {
            let doubt = if change.is_departure() { Doubt::Leaving } else { Doubt::Staying };
            held.doubt = held.doubt.max(doubt);
        }
        (_, Change::Take) => view.hold = Hold::Taking,
        (_, Change::Request { by: None }) => view.is_stopping = true,
        _ => {}
    }
}

/// The writer takes in the answer. Returns the promise that it thereby breaks.
pub(super) fn learn(view: &mut View, write: &Write, answer: Answer, planted: Planted) -> Option<Promise> {
    view.is_stopping |= write.change == Change::Request { by: None };
    match (view.hold, answer) {
        (Hold::Held(held), Answer::Applied(row)) => settle(view, held, row, write, planted),
        (Hold::Held(held), Answer::Lost(row)) => return meet_obstacle(view, held, row, write, planted),
        (_, Answer::Applied(row)) if write.change == Change::Take => begin(view, row),
        (_, Answer::Applied(row)) => view.observe(row, write.writer, planted),
        (hold, Answer::Lost(row)) => {
            view.hold = Hold::Nothing;
            view.observe(row, write.writer, planted);
            let was_in_doubt = hold == Hold::Taking && planted != Planted::NoDoubtRecognition;
            if was_in_doubt && is_own_write(row, write) {
                // What looks like this take may be an older renewal, which began the others' patience long ago. So the
                // lease is taken once more, on top of it.
                view.left_over = Some(row.counter);
                let looks_alike = without_request(row) == write.applied_to(write.seen, planted);
                if looks_alike && planted == Planted::TakeTrustsLookalike {
                    begin(view, row);
                }
            }
        }
    }
    None
}

/// A holder's write was applied.
fn settle(view: &mut View, held: Held, row: Row, write: &Write, planted: Planted) {
    view.observe(row, write.writer, planted);
    let kept = Hold::Held(Held { doubt: Doubt::None, ..held });
    view.hold = if write.change.is_departure() { Hold::Nothing } else { kept };
}

/// A holder's write was not applied (`Obstacle::read` in the library).
fn meet_obstacle(
    view: &mut View,
    held: Held,
    found: Row,
    write: &Write,
    planted: Planted,
) -> Option<Promise> {
    let was_in_doubt = held.doubt != Doubt::None && planted != Planted::NoDoubtRecognition;
    let is_next = was_in_doubt && found.counter == write.seen.counter + 1;
    let is_mine = found.owner == Some(write.writer);
    if is_next && without_request(found) == without_request(write.applied_to(write.seen, planted)) {
        settle(view, held, found, write, planted);
        return unstored(write.change, found);
    }
    if is_next && is_mine || was_in_doubt && planted == Planted::DoubtTrustsAnyRow {
        // An earlier write, on top of which this one is still to be made.
        view.seen = Some(found);
        view.hold = Hold::Held(Held { doubt: Doubt::None, ..held });
        return None;
    }
    if is_mine && found.counter == write.seen.counter {
        // Only the request has changed. What is in doubt may still arrive, so the doubt stays.
        view.seen = Some(found);
        let is_consuming = held.is_consuming || planted == Planted::ResumeAfterWithdrawal;
        view.hold = Hold::Held(Held { is_consuming, ..held });
        return None;
    }
    view.observe(found, write.writer, planted);
    view.hold = Hold::Nothing;
    let is_all_committed =
        unstored(write.change, found).is_none() || planted == Planted::DoubtIgnoresCheckpoint;
    if held.doubt == Doubt::Leaving && write.change.is_departure() && is_all_committed {
        // Given away before, whoever has it by now.
        return unstored(write.change, found);
    }
    is_mine.then_some(Promise::KeepsItsOwn)
}

/// True if `row` may be what a write on top of the seen row left.
fn is_own_write(row: Row, write: &Write) -> bool {
    row.owner == Some(write.writer) && row.counter == write.seen.counter + 1
}

/// A request may come and go at any time, whatever the owner writes.
fn without_request(row: Row) -> Row {
    Row { request: None, ..row }
}

/// What is broken if the processor is told that the change is made and the row is `stored`.
fn unstored(change: Change, stored: Row) -> Option<Promise> {
    let position: Position = match change {
        Change::Checkpoint(position) => position,
        Change::HandOver { checkpoint, .. } => checkpoint.unwrap_or(0),
        _ => 0,
    };
    (position > stored.checkpoint).then_some(Promise::AcknowledgedIsStored)
}

/// Starts the consumer where the row says.
pub(super) fn begin(view: &mut View, row: Row) {
    let held = Held { position: row.checkpoint, is_consuming: row.checkpoint < END, doubt: Doubt::None };
    *view = View { seen: Some(row), hold: Hold::Held(held), ..View::default() };
}
