//! Two workers compare at once, each with a list of its own age, step by step between everything else that happens:
//! whatever rows they make beside each other, each record that was promised comes once.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest::sample::Index;

use super::histories::POSITIONS;
use super::world::{Tick, World};
use super::{book, stream};
use crate::lease::lineage::{leases_to_create, leases_to_delete};
use crate::lease::{Lease, LeaseBook};
use crate::model::{Checkpoint, InitialPosition, MonotonicTime, Shard};

/// A comparison as `ShardSync` makes it, stopped between any two calls.
enum Sync {
    Listed(Vec<Shard>),
    /// A scan is no snapshot: the rows of one half of the shards are older.
    HalfScanned(Vec<Shard>, Vec<Lease>),
    Creating(Vec<Shard>, LeaseBook, VecDeque<Lease>),
    Deleting(VecDeque<Lease>),
}

#[derive(Debug, Clone)]
enum Step {
    Put(Index),
    Split(Index),
    Merge(Index),
    Trim(u8),
    Read(Index, usize),
    /// A worker lists; of two pages, which may be of different ages, the second begins with the shard of this number.
    List {
        worker: usize,
        first_page: Index,
        second_page: Index,
        cut: Index,
    },
    Go(usize),
    Crash(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = any::<Index>;
    let list = (0..2_usize, place(), place(), place()).prop_map(|(worker, first_page, second_page, cut)| {
        Step::List { worker, first_page, second_page, cut }
    });
    let step = prop_oneof![
        8 => place().prop_map(Step::Put),
        3 => place().prop_map(Step::Split),
        2 => place().prop_map(Step::Merge),
        1 => (0..=100_u8).prop_map(Step::Trim),
        12 => (place(), 0..4_usize).prop_map(|(shard, count)| Step::Read(shard, count)),
        3 => list,
        25 => (0..2_usize).prop_map(Step::Go),
        1 => (0..2_usize).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 0..120)
}

struct Race {
    world: World,
    /// What the stream has listed so far, and when.
    lists: Vec<(Tick, Vec<Shard>)>,
    /// How many of the latest lists a worker may still be shown.
    ages: usize,
    syncs: [Option<Sync>; 2],
    /// The oldest list that rows were made from.
    first_list_at: Tick,
}

impl Race {
    fn new(position: InitialPosition, ages: usize) -> Self {
        let world = World::new(2, position);
        let lists = vec![(world.now, world.list())];
        Self { world, lists, ages, syncs: [None, None], first_list_at: Tick::MAX }
    }

    fn take(&mut self, step: &Step) {
        let open = self.world.open();
        match step {
            Step::Put(place) => self.world.put(open[place.index(open.len())]),
            Step::Split(place) => self.world.split(open[place.index(open.len())]),
            Step::Merge(place) => self.world.merge(open[place.index(open.len())]),
            Step::Trim(percent) => {
                let age = self.world.now - self.world.horizon;
                self.world.trim(self.world.horizon + age * Tick::from(*percent) / 100);
            }
            Step::Read(place, count) => self.world.read(place.index(self.world.shards.len()), *count),
            Step::List { worker, first_page, second_page, cut } if self.syncs[*worker].is_none() => {
                let shards = self.list(*first_page, *second_page, *cut);
                self.syncs[*worker] = Some(Sync::Listed(shards));
            }
            Step::List { worker, .. } | Step::Go(worker) => self.go(*worker),
            Step::Crash(worker) => self.syncs[*worker] = None,
        }
        let shards = self.world.list();
        if self.lists.last().is_none_or(|(_, last)| *last != shards) {
            self.lists.push((self.world.now, shards));
        }
    }

    /// Pages come in the order of shard ids. So a second one, if there is any, begins with a shard that the first list
    /// had, or with one that is younger than all of these.
    fn list(&mut self, first: Index, second: Index, cut: Index) -> Vec<Shard> {
        let recent = self.lists.split_at(self.lists.len().saturating_sub(self.ages)).1;
        let (first_at, first) = &recent[first.index(recent.len())];
        let is_near = |(at, list): &&(Tick, Vec<Shard>)| {
            if at < first_at { still_lists(first, list) } else { still_lists(list, first) }
        };
        let near: Vec<_> = recent.iter().filter(is_near).collect();
        let (second_at, second) = near[second.index(near.len())];
        self.first_list_at = self.first_list_at.min(*first_at).min(*second_at);
        let (first_page, _) = first.split_at(cut.index(first.len() + 1));
        let is_on_second_page =
            |shard: &&Shard| first_page.iter().all(|before| before.shard_id < shard.shard_id);
        first_page.iter().chain(second.iter().filter(is_on_second_page)).cloned().collect()
    }

    fn go(&mut self, worker: usize) {
        let Some(sync) = self.syncs[worker].take() else { return };
        self.syncs[worker] = match sync {
            Sync::Listed(shards) => Some(Sync::HalfScanned(shards, self.half(0))),
            Sync::HalfScanned(shards, rows) => {
                let mut seen = book(&[]);
                seen.observe_scan([rows, self.half(1)].concat(), MonotonicTime::default());
                let missing = leases_to_create(&stream(), &shards, &seen, self.world.position);
                Some(Sync::Creating(shards, seen, missing.into()))
            }
            Sync::Creating(shards, mut seen, mut missing) => match missing.pop_front() {
                Some(lease) => {
                    self.world.create(lease.clone());
                    seen.observe(lease, MonotonicTime::default());
                    Some(Sync::Creating(shards, seen, missing))
                }
                None => Some(Sync::Deleting(leases_to_delete(&stream(), &shards, &seen).into())),
            },
            Sync::Deleting(mut useless) => useless.pop_front().map(|row| {
                self.world.delete(&row);
                Sync::Deleting(useless)
            }),
        };
    }

    fn half(&self, parity: usize) -> Vec<Lease> {
        let shards = (0..self.world.shards.len()).filter(|shard| shard % 2 == parity);
        shards.filter_map(|shard| self.world.row(shard)).cloned().collect()
    }

    /// Both go on to their ends, and the stream is listed as it is.
    fn heal(&mut self) {
        for worker in [0, 1] {
            while self.syncs[worker].is_some() {
                self.go(worker);
            }
        }
        self.world.settle();
    }
}

/// True if what was open in the older list is still in the younger one, as it is in pages of one listing: they are minutes
/// apart, for a token is valid for 300 seconds (`NextToken` of `ListShards`, Kinesis API reference), and retention takes a
/// shard a day after it was closed at the earliest.
fn still_lists(younger: &[Shard], older: &[Shard]) -> bool {
    let mut open = older.iter().filter(|shard| shard.is_open());
    open.all(|shard| younger.iter().any(|listed| listed.shard_id == shard.shard_id))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Also from lists of which one page is older than the other, and from scans that are no snapshots.
    #[test]
    fn two_workers_that_compare_at_once_promise_every_record_once(steps in steps(), position in 0..3_usize) {
        let mut race = Race::new(POSITIONS[position](20), 4);
        for step in &steps {
            race.take(step);
        }
        race.heal();
        race.world.assert_complete();
        race.world.assert_no_duplicate();
        if race.world.position == InitialPosition::Latest {
            race.world.assert_nothing_before(race.first_list_at);
        }
        race.world.assert_no_row_is_left_over();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Rows made and deleted by one list do not make the next one delete or make them again.
    #[test]
    fn a_list_that_flaps_moves_no_row_to_and_fro(steps in steps(), position in 0..3_usize) {
        let mut race = Race::new(POSITIONS[position](20), 4);
        for step in &steps {
            race.take(step);
        }
        race.heal();
        let mut deleted = BTreeSet::new();
        for (_, shards) in race.lists.iter().rev().take(2).cycle().take(6) {
            for lease in leases_to_create(&stream(), shards, &race.world.table, race.world.position) {
                prop_assert!(!deleted.contains(&lease.shard), "{} is made again", lease.shard);
                race.world.create(lease);
            }
            for row in leases_to_delete(&stream(), shards, &race.world.table) {
                deleted.insert(row.shard.clone());
                race.world.delete(&row);
            }
        }
    }
}

/// One worker lists, the shards are split twice, and another lists and makes all its rows before the first one scans. These
/// rows follow shards that neither the list nor the table knows.
#[test]
fn rows_newer_than_a_list_do_not_make_its_old_shards_begin_at_their_beginning() {
    let mut world = World::new(2, InitialPosition::Latest);
    world.split(0);
    world.merge(2);
    world.put(4);
    world.merge(4);
    world.trim(5);
    let old_list = world.list();
    world.split(5);
    world.split(6);
    world.sync();
    let made = leases_to_create(&stream(), &old_list, &world.table, InitialPosition::Latest);
    assert!(made.iter().all(|lease| lease.checkpoint == Checkpoint::Latest), "{made:#?}");
}
