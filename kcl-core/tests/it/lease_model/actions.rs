//! What can happen next.

use super::config::{Config, Faults, Planted};
use super::policy::writes_due;
use super::row::{Change, END};
use super::state::{Hold, Shard, State, Worker};

/// One thing that happens. Workers, shards and slots are indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A worker takes a step with one shard.
    Step { worker: usize, shard: usize, step: Step },
    /// A write whose writer waits no longer reaches the table.
    Arrive { slot: usize },
    /// A worker forgets everything, and another takes its place.
    Crash { worker: usize },
    /// Somebody deletes a row, and it is made again.
    Recreate { shard: usize },
}

/// What a worker does with one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Scan {
        is_stale: bool,
    },
    /// A failover time has passed since the worker saw the row move. An owner whose last successful write is no newer
    /// than that has passed its deadline, and stops; unless it sleeps through it.
    Expire {
        owner_sleeps: bool,
    },
    /// The owner has reached its deadline before anybody else knows.
    Lapse,
    /// The owner processes the next record, or meets the shard's end.
    Process,
    /// The owner finishes its batch and stops the consumer.
    Drain,
    Write {
        change: Change,
        is_answered: bool,
    },
    /// The last attempt of a take has got no answer.
    GiveUpTake,
    /// A planted mistake: the asker starts without a write of its own.
    StartUnwritten,
}

/// Everything that can happen next. The order is fixed.
pub(super) fn actions(config: &Config, state: &State) -> Vec<Action> {
    let mut actions = Vec::new();
    for worker in 0..config.workers {
        for shard in 0..config.shards {
            let steps = steps(config, state, worker, shard);
            actions.extend(steps.into_iter().map(|step| Action::Step { worker, shard, step }));
        }
        let has_begun = state.workers[worker].views.iter().any(|view| view.seen.is_some());
        actions.extend((has_begun && state.faults.crashes > 0).then_some(Action::Crash { worker }));
    }
    let late_writes = (0..).zip(&state.late_writes);
    actions.extend(late_writes.filter_map(|(slot, write)| write.map(|_| Action::Arrive { slot })));
    if state.faults.deletions > 0 {
        actions.extend((0..config.shards).map(|shard| Action::Recreate { shard }));
    }
    actions
}

fn steps(config: &Config, state: &State, worker: usize, shard: usize) -> Vec<Step> {
    let Faults { lost_answers, pauses, lapses, stale_reads, .. } = state.faults;
    let Worker { id, views } = &state.workers[worker];
    let view = &views[shard];
    let mut steps = Vec::new();
    let mut may = |is_possible: bool, step: Step| steps.extend(is_possible.then_some(step));
    may(teaches(config, state, worker, shard, false), Step::Scan { is_stale: false });
    let is_stale_possible = stale_reads > 0 && teaches(config, state, worker, shard, true);
    may(is_stale_possible, Step::Scan { is_stale: true });
    if let Some(held) = view.held() {
        may(held.is_consuming, Step::Process);
        may(held.is_consuming, Step::Drain);
        may(lapses > 0, Step::Lapse);
    }
    if let (Hold::Nothing, Some(seen)) = (view.hold, view.seen) {
        let is_owned = seen.owner.is_some() && seen.checkpoint < END;
        let may_expire = is_owned && !view.is_expired && config.planted != Planted::NoExpiry;
        may(may_expire, Step::Expire { owner_sleeps: false });
        may(may_expire && pauses > 0, Step::Expire { owner_sleeps: true });
        let starts_unwritten = config.planted == Planted::TakeUpWithoutWrite;
        may(starts_unwritten && seen.awaits_taking_up_by(*id), Step::StartUnwritten);
    }
    may(view.hold == Hold::Taking, Step::GiveUpTake);
    for change in writes_due(config, state, &state.workers[worker], shard) {
        may(true, Step::Write { change, is_answered: true });
        may(lost_answers > 0, Step::Write { change, is_answered: false });
    }
    steps
}

/// True if a read of the row would change the worker's view. An owner learns from its own writes; a scan shows it
/// requests.
fn teaches(config: &Config, state: &State, worker: usize, shard: usize, is_stale: bool) -> bool {
    let Worker { id, views } = &state.workers[worker];
    let Shard { row, before, .. } = state.shards[shard];
    let shown = if is_stale { before } else { row };
    let view = &views[shard];
    match view.hold {
        // A finished row interests only who waits for it.
        Hold::Nothing if shown.checkpoint == END && !(config.is_family && shard == 0) => false,
        Hold::Nothing => view.seen != Some(shown) && !(is_stale && before == row),
        Hold::Taking => false,
        Hold::Held(_) => {
            shown.owner == Some(*id) && view.seen.is_some_and(|seen| seen.request != shown.request)
        }
    }
}
