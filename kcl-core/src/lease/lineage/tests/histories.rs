//! Every short history of a stream, and long ones at random, with a fleet that runs through some of it: each record
//! that was promised comes once, and after those that its key had before.

use proptest::prelude::*;

use super::world::{Tick, World};
use crate::model::{Checkpoint, InitialPosition, Timestamp};

#[derive(Debug, Clone, Copy)]
enum Reshard {
    Split(usize),
    Merge(usize),
}

pub(super) const POSITIONS: [fn(Tick) -> InitialPosition; 3] = [
    |_| InitialPosition::TrimHorizon,
    |_| InitialPosition::Latest,
    |time| InitialPosition::AtTimestamp(Timestamp::from_millis(time)),
];

/// Every sequence of `length` reshards, each of the shard at a place in the order of hash keys.
fn histories(open: usize, length: usize) -> Vec<Vec<Reshard>> {
    let Some(rest) = length.checked_sub(1) else { return vec![Vec::new()] };
    let splits = (0..open).map(|place| (Reshard::Split(place), open + 1));
    let merges = (1..open).map(|place| (Reshard::Merge(place - 1), open - 1));
    let first = splits.chain(merges);
    let all = first.flat_map(|(reshard, open)| {
        histories(open, rest).into_iter().map(move |later| [vec![reshard], later].concat())
    });
    all.collect()
}

fn apply(world: &mut World, reshard: Reshard) {
    let open = world.open();
    match reshard {
        Reshard::Split(place) => world.split(open[place]),
        Reshard::Merge(place) => world.merge(open[place]),
    }
}

/// The fleet starts after `start` reshards, stops before one more than `stop`, and comes back after the last.
fn live_through(history: &[Reshard], start: usize, stop: usize, position: fn(Tick) -> InitialPosition) {
    let mut world = World::new(2, position(0));
    world.put_everywhere();
    let mut started_at = 0;
    for step in 0..=history.len() {
        if step == start {
            started_at = world.tick();
            world.position = position(started_at);
            world.sync();
            for shard in 0..world.shards.len() {
                world.read(shard, 0);
            }
        }
        world.put_everywhere();
        if (start..=stop).contains(&step) {
            world.settle();
        }
        if let Some(reshard) = history.get(step) {
            apply(&mut world, *reshard);
        }
        world.put_everywhere();
    }
    world.settle();
    world.assert_complete();
    world.assert_no_duplicate();
    if world.position != InitialPosition::TrimHorizon {
        world.assert_nothing_before(started_at);
    }
    world.assert_no_row_is_left_over();
}

#[test]
fn every_history_of_three_reshards_from_every_position_with_every_down_time_delivers_what_is_promised() {
    for history in histories(2, 3) {
        for (start, stop) in (0..=3).flat_map(|start| (start..=3).map(move |stop| (start, stop))) {
            for position in &POSITIONS {
                live_through(&history, start, stop, *position);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(prop::sample::Index),
    Split(prop::sample::Index),
    Merge(prop::sample::Index),
    /// The records are gone before this share of the time since the last trim.
    Trim(u8),
    Sync,
    Read(prop::sample::Index, usize),
    /// A Java worker cleans up, as `LeaseCleanupManager.java` does.
    JavaCleanUp,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Step::Put),
        4 => any::<prop::sample::Index>().prop_map(Step::Split),
        3 => any::<prop::sample::Index>().prop_map(Step::Merge),
        1 => (0..=100_u8).prop_map(Step::Trim),
        4 => Just(Step::Sync),
        10 => (any::<prop::sample::Index>(), 0..4_usize).prop_map(|(shard, count)| Step::Read(shard, count)),
        1 => Just(Step::JavaCleanUp),
    ];
    prop::collection::vec(step, 0..60)
}

/// Deletes the rows that Java would: finished, with children that all have rows which are not at their beginning, and
/// no parent's row left. The shard may still be listed.
fn java_clean_up(world: &mut World) {
    for shard in 0..world.shards.len() {
        let Some(row) = world.row(shard).cloned() else { continue };
        let is_started = |child: usize| {
            let row = world.row(child);
            row.is_some_and(|row| {
                !matches!(row.checkpoint, Checkpoint::TrimHorizon | Checkpoint::AtTimestamp)
            })
        };
        let parents_are_gone = world.shards[shard].parents.iter().all(|parent| world.row(*parent).is_none());
        let children = world.children(shard);
        if row.is_finished()
            && parents_are_gone
            && !children.is_empty()
            && children.into_iter().all(is_started)
        {
            world.delete(&row);
        }
    }
}

fn take_step(world: &mut World, step: &Step) {
    let open = world.open();
    match step {
        Step::Put(place) => world.put(open[place.index(open.len())]),
        Step::Split(place) => world.split(open[place.index(open.len())]),
        Step::Merge(place) => world.merge(open[place.index(open.len())]),
        Step::Trim(percent) => {
            let horizon = world.horizon + (world.now - world.horizon) * Tick::from(*percent) / 100;
            world.trim(horizon);
        }
        Step::Sync => {
            world.sync();
        }
        Step::Read(place, count) => world.read(place.index(world.shards.len()), *count),
        Step::JavaCleanUp => java_clean_up(world),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The fleet first syncs somewhere in the middle. Retention takes what it likes; Java workers clean up.
    #[test]
    fn long_histories_deliver_what_is_promised_once_and_leave_no_row_behind(
        before in steps(),
        after in steps(),
        position in 0..3_usize,
    ) {
        let mut world = World::new(2, InitialPosition::Latest);
        for step in before.iter().filter(|step| !matches!(step, Step::Sync | Step::Read(..))) {
            take_step(&mut world, step);
        }
        let start = world.tick();
        world.position = POSITIONS[position](start);
        world.sync();
        for step in &after {
            take_step(&mut world, step);
        }
        world.settle();
        world.assert_complete();
        world.assert_no_duplicate();
        if world.position != InitialPosition::TrimHorizon {
            world.assert_nothing_before(start);
        }
        world.assert_no_row_is_left_over();
    }
}
