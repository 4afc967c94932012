mod histories;
mod races;
mod trouble;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::lease::LeaseChange;
use crate::model::{HashKeyRange, MonotonicTime, RecordPosition, Timestamp};

fn stream() -> StreamId {
    StreamId::named("orders").unwrap()
}

fn id(number: usize) -> ShardId {
    ShardId::new(format!("shardId-{number:012}"))
}

/// Shard `i` of the result follows the shards `family[i]`; whoever is followed is closed.
fn shards(family: &[&[usize]]) -> Vec<Shard> {
    let closed: BTreeSet<usize> = family.iter().flat_map(|parents| parents.iter().copied()).collect();
    family
        .iter()
        .enumerate()
        .map(|(number, parents)| Shard {
            shard_id: id(number),
            parent: parents.first().map(|parent| id(*parent)),
            adjacent_parent: parents.get(1).map(|parent| id(*parent)),
            hash_key_range: HashKeyRange::FULL,
            starting_sequence_number: (number + 1).to_string().parse().unwrap(),
            ending_sequence_number: closed.contains(&number).then(|| "99".parse().unwrap()),
        })
        .collect()
}

fn book(rows: &[(usize, Checkpoint)]) -> LeaseBook {
    let mut book = LeaseBook::new(Duration::from_secs(10));
    for (number, checkpoint) in rows {
        let lease = Lease::unowned(ShardKey::new(stream(), id(*number)), checkpoint.clone(), Vec::new());
        book.observe(lease, MonotonicTime::default());
    }
    book
}

fn at(sequence_number: &str) -> Checkpoint {
    let sequence_number = sequence_number.parse().unwrap();
    Checkpoint::At(RecordPosition { sequence_number, sub_sequence_number: 0 })
}

fn created(shards: &[Shard], book: &LeaseBook, position: InitialPosition) -> Vec<(usize, Checkpoint)> {
    let number = |shard_id: &ShardId| shards.iter().position(|shard| shard.shard_id == *shard_id).unwrap();
    let leases = leases_to_create(&stream(), shards, book, position);
    leases.into_iter().map(|lease| (number(&lease.shard.shard_id), lease.checkpoint)).collect()
}

/// 0 is split into 1 and 2, which are merged into 3; 4 stands alone.
const FAMILY: &[&[usize]] = &[&[], &[0], &[0], &[1, 2], &[]];

#[test]
fn an_empty_table_at_the_trim_horizon_gets_every_shard_parents_first() {
    let created = created(&shards(FAMILY), &book(&[]), InitialPosition::TrimHorizon);
    let order: Vec<usize> = created.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, [0, 4, 1, 2, 3]);
    assert!(created.iter().all(|(_, checkpoint)| *checkpoint == Checkpoint::TrimHorizon));
}

#[test]
fn an_empty_table_at_latest_gets_the_open_shards_only() {
    let created = created(&shards(FAMILY), &book(&[]), InitialPosition::Latest);
    assert_eq!(created, [(4, Checkpoint::Latest), (3, Checkpoint::Latest)]);
}

#[test]
fn at_timestamp_gives_children_the_same_start() {
    let position = InitialPosition::AtTimestamp(Timestamp::from_millis(1));
    let created = created(&shards(FAMILY), &book(&[(0, Checkpoint::AtTimestamp)]), position);
    assert!(created.iter().all(|(_, checkpoint)| *checkpoint == Checkpoint::AtTimestamp), "{created:?}");
}

#[test]
fn a_reshard_of_a_reshard_while_the_fleet_was_down_starts_at_the_beginning_even_under_latest() {
    let created = created(&shards(FAMILY), &book(&[(0, Checkpoint::Latest)]), InitialPosition::Latest);
    let start = Checkpoint::TrimHorizon;
    assert_eq!(created, [(4, Checkpoint::Latest), (1, start.clone()), (2, start.clone()), (3, start)]);
}

#[test]
fn a_shard_whose_trimmed_parent_has_a_row_starts_at_the_beginning() {
    let mut shards = shards(FAMILY);
    shards.remove(0);
    let leases =
        leases_to_create(&stream(), &shards, &book(&[(0, Checkpoint::ShardEnd)]), InitialPosition::Latest);
    let first = leases.iter().find(|lease| lease.shard.shard_id == id(1)).unwrap();
    assert_eq!(first.checkpoint, Checkpoint::TrimHorizon);
}

#[test]
fn a_finished_shard_that_was_cleaned_up_is_not_made_again() {
    let created = created(&shards(FAMILY), &book(&[(3, at("7"))]), InitialPosition::TrimHorizon);
    assert_eq!(created, [(4, Checkpoint::TrimHorizon)]);
}

#[test]
fn the_row_of_an_unfinished_shard_that_somebody_deleted_is_made_again() {
    let begun = Checkpoint::TrimHorizon;
    let rows = [(0, Checkpoint::ShardEnd), (2, begun.clone()), (3, begun.clone()), (4, at("7"))];
    assert_eq!(created(&shards(FAMILY), &book(&rows), InitialPosition::TrimHorizon), [(1, begun)]);
}

#[test]
fn a_child_of_a_shard_that_has_delivered_records_starts_at_its_beginning_though_the_time_was_moved() {
    let position = InitialPosition::AtTimestamp(Timestamp::from_millis(1));
    let start = Checkpoint::TrimHorizon;
    let rows = [(0, at("7")), (4, at("7"))];
    let made = created(&shards(FAMILY), &book(&rows), position);
    assert_eq!(made, [(1, start.clone()), (2, start.clone()), (3, start.clone())]);
    let rows = [(0, at("7")), (1, Checkpoint::AtTimestamp), (2, Checkpoint::AtTimestamp), (4, at("7"))];
    assert_eq!(created(&shards(FAMILY), &book(&rows), position), [(3, start)]);
}

/// A split between two pages of the listing shows the parent as open beside its children.
#[test]
fn a_parent_that_is_shown_as_open_beside_its_children_is_not_started_at_the_tip() {
    let mut shards = shards(FAMILY);
    for shard in &mut shards {
        shard.ending_sequence_number = None;
    }
    let created = created(&shards, &book(&[]), InitialPosition::Latest);
    assert_eq!(created, [(4, Checkpoint::Latest), (3, Checkpoint::Latest)]);
}

#[test]
fn an_ended_shard_whose_children_have_no_row_is_noticed() {
    let mut parent = Lease::unowned(ShardKey::new(stream(), id(0)), Checkpoint::ShardEnd, Vec::new());
    parent.children = vec![id(1)];
    let mut book = book(&[]);
    book.observe(parent.clone(), MonotonicTime::default());
    assert_eq!(ended_without_children(&book), BTreeSet::from([parent.shard]));
    let child = Lease::unowned(ShardKey::new(stream(), id(1)), Checkpoint::TrimHorizon, vec![id(0)]);
    book.observe(child, MonotonicTime::default());
    assert!(ended_without_children(&book).is_empty());
}

#[test]
fn an_open_shard_whose_row_has_ended_is_noticed() {
    let rows = [(0, Checkpoint::ShardEnd), (3, at("7")), (4, Checkpoint::ShardEnd)];
    let found = finished_but_open(&stream(), &shards(FAMILY), &book(&rows));
    assert_eq!(found, [ShardKey::new(stream(), id(4))]);
}

#[test]
fn a_merged_shard_waits_for_both_parents() {
    let shards = shards(FAMILY);
    let leases = leases_to_create(&stream(), &shards, &book(&[]), InitialPosition::TrimHorizon);
    let merged = leases.into_iter().find(|lease| lease.shard.shard_id == id(3)).unwrap();
    let waits_for = |rows: &[(usize, Checkpoint)]| unfinished_parents(&merged, &book(rows));
    let (begun, end) = (Checkpoint::TrimHorizon, Checkpoint::ShardEnd);
    assert_eq!(waits_for(&[(1, begun.clone()), (2, end.clone())]), [id(1)]);
    assert_eq!(waits_for(&[(1, end.clone()), (2, begun)]), [id(2)]);
    assert!(waits_for(&[(1, end.clone()), (2, end)]).is_empty());
}

#[test]
fn a_finished_row_is_deleted_only_once_unlisted_and_followed_by_begun_rows() {
    let mut shards = shards(&[&[], &[0]]);
    let mut book = book(&[(0, Checkpoint::ShardEnd)]);
    let deleted = |shards: &[Shard], book: &LeaseBook| leases_to_delete(&stream(), shards, book).len();
    assert_eq!(deleted(&shards, &book), 0, "still listed");
    shards.remove(0);
    assert_eq!(deleted(&shards, &book), 0, "its child has no row and would start elsewhere");
    let child = Lease::unowned(ShardKey::new(stream(), id(1)), Checkpoint::TrimHorizon, vec![id(0)]);
    book.observe(child.clone(), MonotonicTime::default());
    assert_eq!(deleted(&shards, &book), 0, "its child has not begun");
    let checkpoint = at("7");
    let begun = child.after(&LeaseChange::Checkpoint { checkpoint, children: Vec::new() });
    book.observe(begun, MonotonicTime::default());
    assert_eq!(deleted(&shards, &book), 1);
}

proptest! {
    /// Any family, any initial position: after the rows are created, every open shard is covered, parents come
    /// first, and creating again does nothing.
    #[test]
    fn every_open_shard_is_covered_once(
        choices in proptest::collection::vec((0..2_u8, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..14),
        latest: bool,
    ) {
        let mut family: Vec<Vec<usize>> = vec![vec![], vec![]];
        let mut open = vec![0, 1];
        for (kind, first, second) in choices {
            let a = open.remove(first.index(open.len()));
            if kind == 0 || open.is_empty() {
                open.extend([family.len(), family.len() + 1]);
                family.extend([vec![a], vec![a]]);
            } else {
                let b = open.remove(second.index(open.len()));
                open.push(family.len());
                family.push(vec![a, b]);
            }
        }
        let family: Vec<&[usize]> = family.iter().map(Vec::as_slice).collect();
        let shards = shards(&family);
        let position = if latest { InitialPosition::Latest } else { InitialPosition::TrimHorizon };
        let mut book = book(&[]);
        for lease in leases_to_create(&stream(), &shards, &book, position) {
            for parent in &lease.parents {
                prop_assert!(latest || book.get(&lease.shard.sibling(parent)).is_some());
            }
            book.observe(lease, MonotonicTime::default());
        }
        for shard in shards.iter().filter(|shard| shard.is_open()) {
            prop_assert!(book.get(&key(&stream(), shard)).is_some());
        }
        prop_assert!(leases_to_create(&stream(), &shards, &book, position).is_empty());
    }
}
