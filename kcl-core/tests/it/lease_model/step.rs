//! What an action makes of the state.

use super::actions::{Action, Step};
use super::answers::{begin, learn, learn_nothing};
use super::config::{Config, Planted};
use super::policy::is_impatient;
use super::promises::Promise;
use super::row::{Change, END, Write};
use super::state::{Hold, Shard, State, View, Worker};
use super::table::{deliver, forget_dead_writes};

/// The state after an action.
pub(super) fn after(config: &Config, state: &State, action: Action) -> State {
    let mut next = state.clone();
    match action {
        Action::Step { worker, shard, step } => take_step(config, &mut next, worker, shard, step),
        Action::Arrive { slot } => {
            if let Some(write) = next.late_writes[slot].take() {
                let _unheard = deliver(config, &mut next, &write);
            }
        }
        Action::Crash { worker } => crash(config, &mut next, worker),
        Action::Recreate { shard } => {
            next.faults.deletions -= 1;
            let shard = &mut next.shards[shard];
            *shard = Shard { processed: shard.processed, has_been_lost: true, ..Shard::default() };
        }
    }
    forget_dead_writes(config, &mut next);
    next
}

fn take_step(config: &Config, state: &mut State, worker: usize, shard: usize, step: Step) {
    let view = &mut state.workers[worker].views[shard];
    match step {
        Step::Scan { is_stale } => scan(config, state, worker, shard, is_stale),
        Step::Expire { owner_sleeps } => expire(config, state, worker, shard, owner_sleeps),
        Step::Lapse => {
            state.faults.lapses -= 1;
            stop(state, worker, shard);
        }
        Step::Process => process(state, worker, shard),
        Step::Drain => {
            if let Hold::Held(held) = &mut view.hold {
                held.is_consuming = false;
            }
        }
        Step::Write { change, is_answered } => write(config, state, worker, shard, change, is_answered),
        Step::GiveUpTake => give_up_take(view),
        Step::StartUnwritten => {
            if let Some(seen) = view.seen {
                begin(view, seen);
            }
        }
    }
}

fn scan(config: &Config, state: &mut State, worker: usize, shard: usize, is_stale: bool) {
    let Shard { row, before, .. } = state.shards[shard];
    state.faults.stale_reads -= u8::from(is_stale);
    let shown = if is_stale { before } else { row };
    let me = state.workers[worker].id;
    let view = &mut state.workers[worker].views[shard];
    match (&view.hold, &mut view.seen) {
        (Hold::Held(_), Some(seen)) => seen.request = shown.request,
        _ => view.observe(shown, me, config.planted),
    }
}

fn expire(config: &Config, state: &mut State, worker: usize, shard: usize, owner_sleeps: bool) {
    state.faults.pauses -= u8::from(owner_sleeps);
    let view = &mut state.workers[worker].views[shard];
    view.is_expired = true;
    let counter = view.seen.map_or(0, |seen| seen.counter);
    for other in 0..config.workers {
        let view = &mut state.workers[other].views[shard];
        let Some(base) = view.seen.map(|seen| seen.counter) else { continue };
        match view.hold {
            Hold::Held(_) if base <= counter && config.planted != Planted::NoDeadline => {
                if owner_sleeps {
                    state.shards[shard].has_been_lost = true;
                } else {
                    stop(state, other, shard);
                }
            }
            // All attempts of a take end long before a failover time has passed since one of them was applied.
            Hold::Taking if base < counter => give_up_take(view),
            _ => {}
        }
    }
}

/// The worker no longer believes in its lease. What it has not committed, the next owner repeats.
fn stop(state: &mut State, worker: usize, shard: usize) {
    let view = &mut state.workers[worker].views[shard];
    view.hold = Hold::Nothing;
    view.is_expired = false;
    state.shards[shard].has_been_lost = true;
}

fn give_up_take(view: &mut View) {
    view.hold = Hold::Nothing;
    view.left_over = view.seen.map(|seen| seen.counter + 1);
}

fn process(state: &mut State, worker: usize, shard: usize) {
    let Hold::Held(held) = &mut state.workers[worker].views[shard].hold else { return };
    held.position += 1;
    held.is_consuming = held.position < END;
    let position = held.position;
    let shard = &mut state.shards[shard];
    let is_repeated = position <= shard.processed && !shard.has_been_lost;
    shard.processed = shard.processed.max(position);
    if is_repeated {
        state.note(Promise::NothingRepeated);
    }
}

fn write(config: &Config, state: &mut State, worker: usize, shard: usize, change: Change, is_answered: bool) {
    let writer = state.workers[worker].id;
    let view = &mut state.workers[worker].views[shard];
    let Some(seen) = view.seen else { return };
    let write = Write { writer, shard, seen, change };
    state.faults.impatience -= u8::from(is_impatient(view, &write));
    if !is_answered {
        state.faults.lost_answers -= 1;
        learn_nothing(view, &write);
        // None sorts first, and there are as many places as answers to lose.
        state.late_writes[0] = Some(write);
        return;
    }
    let answer = deliver(config, state, &write);
    let view = &mut state.workers[worker].views[shard];
    if let Some(promise) = learn(view, &write, answer, config.planted) {
        state.note(promise);
    }
}

fn crash(config: &Config, state: &mut State, worker: usize) {
    let id = config.workers + usize::from(config.faults.crashes - state.faults.crashes);
    state.faults.crashes -= 1;
    for (shard, view) in (0..).zip(state.workers[worker].views) {
        if view.held().is_some() {
            state.shards[shard].has_been_lost = true;
        }
    }
    state.workers[worker] = Worker { id: u8::try_from(id).unwrap(), ..Worker::default() };
}
