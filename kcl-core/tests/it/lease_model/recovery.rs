//! What becomes of a state if nothing goes wrong any more. One run by a fixed rule: whoever has something to do does it,
//! and time passes only when nobody has.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::actions::{Action, Step, actions};
use super::config::{Config, Faults};
use super::row::{Change, END};
use super::state::{Shard, State};
use super::step::after;

/// A run that is longer than this goes round in circles.
const STEPS_MAX: usize = 200;

/// States from which everything ends well.
pub(super) type Known = HashSet<State, BuildHasherDefault<Fold>>;

/// A hasher that is quick without optimisation. Nobody sends it hostile keys.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, value: u64) {
        // The multiplier of FxHash.
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value.cast_unsigned() as u64);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// True if the shards are processed, both when the writes still on their way arrive at once and when they never do.
pub(super) fn recovers(config: &Config, state: &State, known: &mut Known) -> bool {
    let arriving = calm(state);
    let lost = State { late_writes: Default::default(), ..arriving.clone() };
    (arriving == lost || run(config, arriving, known)) && run(config, lost, known)
}

/// The same state without what only matters to faults and promises.
fn calm(state: &State) -> State {
    let mut calm = State { faults: Faults::default(), broken: None, ..state.clone() };
    for shard in &mut calm.shards {
        *shard = Shard { row: shard.row, before: shard.row, processed: END, has_been_lost: true };
    }
    calm
}

fn run(config: &Config, mut state: State, known: &mut Known) -> bool {
    let mut path = Vec::new();
    while !is_done(config, &state) && !known.contains(&state) {
        let next = next_action(config, &state).filter(|_| path.len() < STEPS_MAX);
        let Some(action) = next else { return false };
        let next = after(config, &state, action);
        path.push(std::mem::replace(&mut state, next));
    }
    known.extend(path);
    true
}

fn is_done(config: &Config, state: &State) -> bool {
    state.shards[..config.shards].iter().all(|shard| shard.row.checkpoint == END)
}

fn next_action(config: &Config, state: &State) -> Option<Action> {
    let ranked = actions(config, state).into_iter().filter_map(|action| Some((rank(state, action)?, action)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, action)| action)
}

/// What comes first; `None` for what a calm world does without.
fn rank(state: &State, action: Action) -> Option<u8> {
    let Action::Step { worker, shard, step } = action else { return Some(0) };
    let view = &state.workers[worker].views[shard];
    match step {
        Step::Scan { .. } => Some(1),
        // An owner answers a request.
        Step::Drain => view.seen.and_then(|seen| seen.request).map(|_| 2),
        Step::Process => Some(3),
        // A seeker has no need to ask, nor one that asked to think better of it.
        Step::Write { change: Change::Request { .. }, .. } => view.is_stopping.then_some(4),
        Step::Write { change: Change::Renew, .. } => None,
        Step::Write { .. } => Some(4),
        // Whoever believes to hold the lease would renew it, or learn better.
        Step::Expire { .. } => {
            let is_held = state.workers.iter().any(|worker| worker.views[shard].held().is_some());
            (!is_held).then_some(5)
        }
        _ => None,
    }
}
