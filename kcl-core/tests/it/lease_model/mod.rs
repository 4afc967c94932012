//! The row protocol of `kcl_core::lease`, explored exhaustively: every order in which a few workers can take their steps,
//! with every fault at every place, within the bounds that each test names.
//!
//! What a write makes of a row, and whether it may, is asked of the library. What a worker decides and what it makes of
//! an answer is written down here once more, as small as it can be: this must say what the protocol says, and not more.
//! Time is abstract. A worker's clock may call a lease expired at any moment, and owners whose last success is older than
//! what it saw have then passed their deadline.

mod actions;
mod answers;
mod config;
mod model;
mod planted;
mod policy;
mod promises;
mod recovery;
mod row;
mod state;
mod step;
mod table;

use stateright::{Checker, Model};

use config::{Config, Faults, Planted};
use model::{KEEPS_ITS_PROMISES, LeaseModel};
use promises::broken;

/// Two workers and one shard, and nothing goes wrong but what a test adds.
const CALM: Config = Config {
    workers: 2,
    shards: 1,
    is_family: false,
    counter_max: 4,
    faults: NO_FAULTS,
    planted: Planted::Nothing,
};

const NO_FAULTS: Faults =
    Faults { lost_answers: 0, crashes: 0, pauses: 0, lapses: 0, stale_reads: 0, impatience: 0, deletions: 0 };

/// Explores all of it. There are at least so many states: far fewer would mean that something can no longer happen.
fn holds(config: Config, states_min: usize) {
    let checker = LeaseModel::new(config).checker().spawn_bfs().join();
    if let Some(path) = checker.discovery(KEEPS_ITS_PROMISES) {
        panic!("{:?} is broken by {path}", broken(checker.model(), path.last_state()));
    }
    println!("{} states, depth {}", checker.unique_state_count(), checker.max_depth());
    assert!(checker.unique_state_count() >= states_min, "only {} states", checker.unique_state_count());
}

#[test]
fn holds_over_many_writes() {
    holds(Config { counter_max: 8, ..CALM }, 25_000);
}

#[test]
fn holds_when_an_answer_is_lost() {
    let faults = Faults { lost_answers: 1, ..NO_FAULTS };
    holds(Config { counter_max: 5, faults, ..CALM }, 116_000);
}

#[test]
fn holds_when_answers_are_lost() {
    let faults = Faults { lost_answers: 2, ..NO_FAULTS };
    holds(Config { counter_max: 3, faults, ..CALM }, 152_000);
}

#[test]
fn holds_when_a_worker_crashes_in_doubt() {
    let faults = Faults { lost_answers: 1, crashes: 1, ..NO_FAULTS };
    holds(Config { counter_max: 3, faults, ..CALM }, 135_000);
}

#[test]
fn holds_when_a_worker_sleeps_or_loses_patience() {
    let faults = Faults { pauses: 1, lapses: 1, impatience: 1, ..NO_FAULTS };
    holds(Config { faults, ..CALM }, 35_000);
}

#[test]
fn holds_when_an_impatient_worker_is_in_doubt() {
    let faults = Faults { lost_answers: 1, impatience: 1, ..NO_FAULTS };
    holds(Config { counter_max: 3, faults, ..CALM }, 42_000);
}

#[test]
fn holds_when_a_read_is_stale() {
    let faults = Faults { stale_reads: 1, lapses: 1, ..NO_FAULTS };
    holds(Config { faults, ..CALM }, 40_000);
}

#[test]
fn holds_when_a_read_is_stale_in_doubt() {
    let faults = Faults { stale_reads: 1, lost_answers: 1, ..NO_FAULTS };
    holds(Config { counter_max: 3, faults, ..CALM }, 107_000);
}

#[test]
fn holds_when_a_row_is_deleted() {
    let faults = Faults { deletions: 1, lapses: 1, ..NO_FAULTS };
    holds(Config { counter_max: 3, faults, ..CALM }, 30_000);
}

#[test]
fn holds_for_three_workers() {
    holds(Config { workers: 3, counter_max: 3, ..CALM }, 46_000);
}

#[test]
fn holds_for_parent_and_child() {
    holds(Config { shards: 2, is_family: true, counter_max: 3, ..CALM }, 51_000);
}
