//! Rows that are missing, and lists that do not fit the rows.

use proptest::prelude::*;
use proptest::sample::Index;

use super::histories::POSITIONS;
use super::world::World;
use super::*;

const EVERY_POSITION: [InitialPosition; 3] = [
    InitialPosition::TrimHorizon,
    InitialPosition::Latest,
    InitialPosition::AtTimestamp(Timestamp::from_millis(1)),
];

/// 0 is split into 1 and 2.
const SPLIT: &[&[usize]] = &[&[], &[0], &[0]];

/// Only these of the shards.
fn listed(shards: &[Shard], numbers: &[usize]) -> Vec<Shard> {
    numbers.iter().map(|number| shards[*number].clone()).collect()
}

fn row_of(shards: &[Shard], number: usize, checkpoint: Checkpoint) -> Lease {
    let parents = shards[number].parents().cloned().collect();
    let mut row = Lease::unowned(key(&stream(), &shards[number]), checkpoint, parents);
    row.hash_key_range = Some(shards[number].hash_key_range);
    row
}

fn table(rows: impl IntoIterator<Item = Lease>) -> LeaseBook {
    let mut book = book(&[]);
    for row in rows {
        book.observe(row, MonotonicTime::default());
    }
    book
}

/// What is made of a family beside these rows.
fn created_beside(
    shards: &[Shard],
    rows: &[(usize, Checkpoint)],
    position: InitialPosition,
) -> Vec<(usize, Checkpoint)> {
    let rows = rows.iter().map(|(number, checkpoint)| row_of(shards, *number, checkpoint.clone()));
    created(shards, &table(rows), position)
}

#[test]
fn a_child_of_a_parent_that_expired_starts() {
    let shards = listed(&shards(SPLIT), &[1, 2]);
    for position in EVERY_POSITION {
        let leases = leases_to_create(&stream(), &shards, &book(&[]), position);
        let rows = table(leases.clone());
        assert_eq!(leases.len(), 2);
        for lease in leases {
            assert_eq!(lease.checkpoint, position.sentinel());
            assert_eq!(lease.hash_key_range, Some(HashKeyRange::FULL));
            assert_eq!((&lease.parents[..], unfinished_parents(&lease, &rows)), (&[id(0)][..], Vec::new()));
        }
    }
}

/// Java counts a child as begun that is at `LATEST`, and deletes its parent's row though the shard is still listed.
#[test]
fn a_parent_that_java_cleaned_up_beside_a_child_at_latest_is_not_made_again_under_latest() {
    let rows = [(1, Checkpoint::Latest), (2, Checkpoint::Latest)];
    let shards = shards(SPLIT);
    assert!(created_beside(&shards, &rows, InitialPosition::Latest).is_empty());
    // Under any other position it cannot be told from a shard that nobody has read, and that must not be skipped.
    let again = created_beside(&shards, &rows, InitialPosition::TrimHorizon);
    assert_eq!(again, [(0, Checkpoint::TrimHorizon)]);
}

/// A list from before the split, and rows from after it: the parent is shown as open, the children are not shown.
#[test]
fn a_list_from_before_the_split_brings_no_cleaned_up_parent_back() {
    let shards = shards(SPLIT);
    let rows = table([1, 2].map(|child| row_of(&shards, child, at("7"))));
    let mut before = listed(&shards, &[0]);
    before[0].ending_sequence_number = None;
    for position in EVERY_POSITION {
        assert!(leases_to_create(&stream(), &before, &rows, position).is_empty(), "{position:?}");
    }
}

#[test]
fn a_list_from_before_the_split_starts_no_parent_at_the_tip_beside_its_children() {
    let mut shards = shards(SPLIT);
    shards[0].ending_sequence_number = None;
    let latest = [(1, Checkpoint::Latest), (2, Checkpoint::Latest)];
    assert!(created_beside(&shards, &latest, InitialPosition::Latest).is_empty());
}

/// The fleet was down while a whole generation came and left the retention.
#[test]
fn a_shard_starts_at_its_beginning_though_the_shards_between_it_and_a_row_are_gone() {
    let family = shards(&[&[], &[0], &[1]]);
    let rows = table([row_of(&family, 0, at("7"))]);
    let moved = InitialPosition::AtTimestamp(Timestamp::from_millis(1));
    for position in [InitialPosition::Latest, moved] {
        let leases = leases_to_create(&stream(), &listed(&family, &[2]), &rows, position);
        assert_eq!(leases[0].checkpoint, Checkpoint::TrimHorizon);
    }
}

/// The first page of the list is from before retention took 0 and 1, the second from after it.
#[test]
fn a_gap_in_the_list_does_not_hide_that_a_shard_follows_one_with_a_row() {
    let family = shards(&[&[], &[0], &[1]]);
    let rows = table([row_of(&family, 0, Checkpoint::ShardEnd)]);
    let leases = leases_to_create(&stream(), &listed(&family, &[0, 2]), &rows, InitialPosition::Latest);
    assert_eq!(leases[0].checkpoint, Checkpoint::TrimHorizon);
}

/// A fleet stops while it reads `read`; `unread` comes and goes before it is back. The first page of its list is from
/// before retention took these two and `first`, the second from after it.
#[test]
fn a_gap_in_the_list_does_not_hide_a_row_that_lies_in_it() {
    let family = shards(&[&[], &[0], &[1], &[2]]);
    let [first, read, _unread, open] = [0, 1, 2, 3];
    let moved = InitialPosition::AtTimestamp(Timestamp::from_millis(1));
    for position in [InitialPosition::Latest, moved] {
        let rows = table([row_of(&family, read, at("7"))]);
        let leases = leases_to_create(&stream(), &listed(&family, &[first, open]), &rows, position);
        let made: Vec<_> = leases.iter().map(|lease| (&lease.shard.shard_id, &lease.checkpoint)).collect();
        assert_eq!(made, [(&id(open), &Checkpoint::TrimHorizon)]);
    }
}

#[test]
fn a_gap_leads_only_to_shards_that_had_the_same_hash_keys() {
    let mut family = shards(&[&[], &[], &[1], &[2]]);
    family[0].hash_key_range = HashKeyRange { start: 0, end: 9 };
    for shard in &mut family[1..] {
        shard.hash_key_range = HashKeyRange { start: 10, end: u128::MAX };
    }
    let rows = table([row_of(&family, 0, at("7"))]);
    let leases = leases_to_create(&stream(), &listed(&family, &[3]), &rows, InitialPosition::Latest);
    assert_eq!(leases[0].checkpoint, Checkpoint::Latest);
}

#[test]
fn a_lost_row_of_a_merged_parent_is_made_again() {
    let shards = shards(&[&[], &[0], &[0], &[1, 2]]);
    let rows = [(0, Checkpoint::ShardEnd), (1, Checkpoint::ShardEnd), (3, Checkpoint::TrimHorizon)];
    for position in EVERY_POSITION {
        assert_eq!(created_beside(&shards, &rows, position), [(2, Checkpoint::TrimHorizon)]);
    }
}

/// Nothing in the table says that the shard was ever read.
#[test]
fn under_latest_a_lost_row_of_a_shard_that_follows_no_row_starts_at_the_tip() {
    let shards = shards(&[&[], &[], &[], &[0, 1]]);
    let rows = [(0, Checkpoint::ShardEnd), (3, Checkpoint::TrimHorizon)];
    assert_eq!(created_beside(&shards, &rows, InitialPosition::Latest), [(2, Checkpoint::Latest)]);
}

#[test]
fn a_row_that_is_too_new_for_the_list_is_not_deleted() {
    let shards = shards(&[&[], &[0], &[1]]);
    let rows = [(0, Checkpoint::ShardEnd), (1, Checkpoint::ShardEnd), (2, at("7"))];
    let rows = table(rows.map(|(number, checkpoint)| row_of(&shards, number, checkpoint)));
    let deleted = |numbers: &[usize]| leases_to_delete(&stream(), &listed(&shards, numbers), &rows).len();
    assert_eq!(deleted(&[0]), 0);
    assert_eq!(deleted(&[2]), 2);
}

/// Its owner will find that it is gone, and say so.
#[test]
fn a_row_that_is_not_finished_is_not_deleted() {
    let shards = shards(&[&[], &[0], &[], &[2]]);
    let rows = [(0, at("7")), (1, at("7")), (2, Checkpoint::ShardEnd), (3, at("7"))];
    let rows = table(rows.map(|(number, checkpoint)| row_of(&shards, number, checkpoint)));
    let deleted = leases_to_delete(&stream(), &listed(&shards, &[1, 3]), &rows);
    assert_eq!(deleted.into_iter().map(|row| row.shard.shard_id).collect::<Vec<_>>(), [id(2)]);
}

#[test]
fn a_finished_row_that_no_known_shard_follows_is_not_deleted() {
    let mut shards = shards(&[&[], &[0], &[]]);
    shards[0].hash_key_range = HashKeyRange { start: 0, end: 9 };
    shards[2].hash_key_range = HashKeyRange { start: 10, end: u128::MAX };
    let rows = table([row_of(&shards, 0, Checkpoint::ShardEnd), row_of(&shards, 2, at("7"))]);
    assert!(leases_to_delete(&stream(), &listed(&shards, &[2]), &rows).is_empty());
}

/// Else the parent's row would name a child that seems to be missing.
#[test]
fn a_finished_row_does_not_go_before_its_parents() {
    let shards = shards(&[&[], &[0], &[0], &[1]]);
    let rows =
        [(0, Checkpoint::ShardEnd), (1, Checkpoint::ShardEnd), (2, Checkpoint::TrimHorizon), (3, at("7"))];
    let rows = table(rows.map(|(number, checkpoint)| row_of(&shards, number, checkpoint)));
    assert!(leases_to_delete(&stream(), &listed(&shards, &[2, 3]), &rows).is_empty());
}

#[test]
fn an_ended_shard_whose_child_was_cleaned_up_does_not_ask_for_it_for_ever() {
    let shards = shards(&[&[], &[0], &[1]]);
    let mut parent = row_of(&shards, 0, Checkpoint::ShardEnd);
    parent.children = vec![id(1)];
    let rows = table([parent.clone(), row_of(&shards, 2, at("7"))]);
    assert!(ended_without_children(&rows).is_empty());
    let rows = table([parent.clone(), row_of(&shards, 2, Checkpoint::TrimHorizon)]);
    assert_eq!(ended_without_children(&rows), BTreeSet::from([parent.shard]));
}

/// Rows of an earlier stream of the same name: it cannot be told from a list that is too old, unless it lasts.
#[test]
fn an_open_shard_that_is_made_no_row_for_the_rows_that_follow_it_is_noticed() {
    let shards = shards(SPLIT);
    let mut new = listed(&shards, &[0]);
    new[0].ending_sequence_number = None;
    for (row, position) in
        [(at("7"), InitialPosition::TrimHorizon), (Checkpoint::Latest, InitialPosition::Latest)]
    {
        let rows = table([row_of(&shards, 1, row)]);
        assert!(leases_to_create(&stream(), &new, &rows, position).is_empty());
        assert_eq!(finished_but_open(&stream(), &new, &rows), [ShardKey::new(stream(), id(0))]);
    }
}

#[test]
fn rows_of_an_earlier_stream_keep_no_shard_of_the_new_one_without_a_row() {
    let old = shards(&[&[], &[], &[0, 1]]);
    let rows = table([row_of(&old, 2, at("7"))]);
    let new = shards(&[&[], &[], &[]]);
    assert_eq!(leases_to_create(&stream(), &new, &rows, InitialPosition::TrimHorizon).len(), 2);
}

#[test]
fn rows_of_another_stream_say_nothing() {
    let shards = shards(SPLIT);
    let mut row = row_of(&shards, 1, at("7"));
    row.shard.stream = StreamId::named("returns").unwrap();
    let made = created(&shards, &table([row]), InitialPosition::TrimHorizon);
    assert_eq!(made.len(), 3);
}

#[test]
fn a_list_that_runs_in_a_circle_still_gives_every_shard_a_row() {
    let mut shards = shards(&[&[], &[0], &[1], &[]]);
    shards[0].parent = Some(id(2));
    shards[3].parent = Some(id(3));
    assert_eq!(created(&shards, &book(&[]), InitialPosition::TrimHorizon).len(), 4);
    let rows = table([row_of(&shards, 0, at("7"))]);
    leases_to_delete(&stream(), &shards, &rows);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Somebody deletes rows of shards that are not read to their end, and each time a sync comes first: then every
    /// record still comes. Under `LATEST`, if the shard follows one with a row.
    #[test]
    fn lost_rows_lose_no_record(
        steps in prop::collection::vec((0..8_u8, any::<Index>()), 0..80),
        position in 0..3_usize,
    ) {
        let mut world = World::new(2, POSITIONS[position](1));
        world.sync();
        for shard in 0..2 {
            world.read(shard, 0);
        }
        for (kind, place) in steps {
            let open = world.open();
            let any_shard = place.index(world.shards.len());
            match kind {
                0 => world.split(open[place.index(open.len())]),
                1 => world.merge(open[place.index(open.len())]),
                2 => world.lose_row(any_shard),
                3 => {
                    world.sync();
                }
                4 | 5 => world.read(any_shard, 2),
                _ => world.put(open[place.index(open.len())]),
            }
        }
        world.settle();
        world.assert_complete();
    }

    /// Any table, also one that no history leads to, and any part of the family in the list.
    #[test]
    fn repeated_syncs_create_nothing_more_and_come_to_rest(
        states in prop::collection::vec((0..6_usize, any::<bool>()), 12),
        position in 0..3_usize,
    ) {
        let family: &[&[usize]] =
            &[&[], &[], &[0], &[0], &[3, 1], &[2], &[2], &[4], &[4], &[5], &[5], &[6, 7]];
        let shards = shards(family);
        let begun = [Checkpoint::TrimHorizon, Checkpoint::Latest, Checkpoint::AtTimestamp, at("7"), Checkpoint::ShardEnd];
        let rows = (0..).zip(&states).filter_map(|(number, (state, _))| {
            begun.get(*state).map(|checkpoint| row_of(&shards, number, checkpoint.clone()))
        });
        let mut rows = table(rows);
        let listed: Vec<Shard> =
            shards.iter().zip(&states).filter(|(_, (_, is_listed))| *is_listed).map(|(shard, _)| shard.clone()).collect();
        let mut sync = || {
            let missing = leases_to_create(&stream(), &listed, &rows, EVERY_POSITION[position]);
            for lease in &missing {
                rows.observe(lease.clone(), MonotonicTime::default());
            }
            let useless = leases_to_delete(&stream(), &listed, &rows);
            for row in &useless {
                rows.forget(&row.shard);
            }
            (missing.len(), useless.len())
        };
        sync();
        // A row that goes may have stood between others.
        let later: Vec<_> = (0..family.len()).map(|_| sync()).collect();
        prop_assert!(later.iter().all(|(created, _)| *created == 0), "{:?}", later);
        prop_assert_eq!(later.last(), Some(&(0, 0)));
    }
}
