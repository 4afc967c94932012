//! Which shards need a row, which rows may start, and which are no longer needed. Pure: shards and rows in, decisions
//! out.
//!
//! Follows the family tree of shards. It must never let a child start before its parents are processed to their end,
//! and never make a row for a shard that was processed before and cleaned up.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lease, LeaseBook};
use crate::model::{InitialPosition, Shard, ShardId, ShardKey, StreamId};

/// Rows to create, parents before children.
///
/// A listed shard needs a row unless it has one, or one of its descendants has: then it was finished and cleaned up,
/// or lies before the initial position. Where the first owner starts:
/// * a shard that follows one with a row starts at its beginning, so that nothing put after the split or merge is
///   missed. Under `AT_TIMESTAMP` that is the sentinel of the same name: a child of a shard that closed before the
///   time must not deliver what arrived before it;
/// * any other starts at the initial position. Under `LATEST` a closed shard then needs no row at all.
pub(crate) fn leases_to_create(
    stream: &StreamId,
    shards: &[Shard],
    book: &LeaseBook,
    initial_position: InitialPosition,
) -> Vec<Lease> {
    let tree = Tree::new(stream, shards, book);
    let mut wanted: Vec<&Shard> = shards
        .iter()
        .filter(|shard| !tree.has_row(&shard.shard_id) && !tree.has_descendant_with_row(&shard.shard_id))
        .collect();
    wanted.sort_by_key(|shard| (tree.depth(&shard.shard_id), &shard.shard_id));
    wanted.into_iter().filter_map(|shard| tree.new_lease(shard, initial_position)).collect()
}

/// The parents that a lease still waits for. A parent without a row is finished and cleaned up, or was never needed:
/// rows are created parents first, so a child's row says that its parents had theirs.
pub(crate) fn unfinished_parents(lease: &Lease, book: &LeaseBook) -> Vec<ShardId> {
    let is_unfinished = |parent: &&ShardId| {
        let row = book.get(&lease.shard.sibling(parent));
        row.is_some_and(|row| !row.is_finished())
    };
    lease.parents.iter().filter(is_unfinished).cloned().collect()
}

/// Finished rows that are of no use any more: the stream no longer lists the shard, so the row does not keep it from
/// being made again, and every row that follows it has begun, so none looks back to it.
pub(crate) fn leases_to_delete(stream: &StreamId, shards: &[Shard], book: &LeaseBook) -> Vec<Lease> {
    let listed: BTreeSet<&ShardId> = shards.iter().map(|shard| &shard.shard_id).collect();
    let needed: BTreeSet<&ShardId> = book
        .leases()
        .filter(|lease| !lease.checkpoint.has_begun())
        .flat_map(|lease| &lease.parents)
        .chain(
            shards
                .iter()
                .flat_map(|shard| shard.parents().filter(|_| book.get(&key(stream, shard)).is_none())),
        )
        .collect();
    book.leases()
        .filter(|lease| lease.shard.stream == *stream && lease.is_finished())
        .filter(|lease| !listed.contains(&lease.shard.shard_id) && !needed.contains(&lease.shard.shard_id))
        .cloned()
        .collect()
}

fn key(stream: &StreamId, shard: &Shard) -> ShardKey {
    ShardKey::new(stream.clone(), shard.shard_id.clone())
}

/// The family tree of the listed shards, with the rows there are.
struct Tree<'a> {
    stream: &'a StreamId,
    book: &'a LeaseBook,
    shards: BTreeMap<&'a ShardId, &'a Shard>,
    /// Every ancestor, listed or not, of a shard that has a row.
    followed: BTreeSet<&'a ShardId>,
}

impl<'a> Tree<'a> {
    fn new(stream: &'a StreamId, shards: &'a [Shard], book: &'a LeaseBook) -> Self {
        let shards: BTreeMap<_, _> = shards.iter().map(|shard| (&shard.shard_id, shard)).collect();
        let mut tree = Self { stream, book, shards, followed: BTreeSet::new() };
        let with_row = tree.shards.keys().filter(|shard_id| tree.has_row(shard_id));
        tree.followed = with_row.flat_map(|shard_id| tree.ancestors(shard_id)).collect();
        tree
    }

    fn has_row(&self, shard_id: &ShardId) -> bool {
        self.book.get(&ShardKey::new(self.stream.clone(), shard_id.clone())).is_some()
    }

    fn has_descendant_with_row(&self, shard_id: &ShardId) -> bool {
        self.followed.contains(shard_id)
    }

    fn parents(&self, shard_id: &ShardId) -> impl Iterator<Item = &'a ShardId> + use<'a> {
        self.shards.get(shard_id).copied().into_iter().flat_map(Shard::parents)
    }

    fn ancestors(&self, shard_id: &ShardId) -> BTreeSet<&'a ShardId> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&ShardId> = self.parents(shard_id).collect();
        while let Some(ancestor) = open.pop() {
            if found.insert(ancestor) {
                open.extend(self.parents(ancestor));
            }
        }
        found
    }

    /// How many listed ancestors a shard has: more than any of its ancestors has.
    fn depth(&self, shard_id: &ShardId) -> usize {
        self.ancestors(shard_id).into_iter().filter(|ancestor| self.shards.contains_key(ancestor)).count()
    }

    fn new_lease(&self, shard: &Shard, initial_position: InitialPosition) -> Option<Lease> {
        let follows_a_row =
            self.ancestors(&shard.shard_id).into_iter().any(|ancestor| self.has_row(ancestor));
        let checkpoint = match initial_position {
            InitialPosition::Latest if follows_a_row => InitialPosition::TrimHorizon.sentinel(),
            InitialPosition::Latest if !shard.is_open() => return None,
            position => position.sentinel(),
        };
        let mut lease =
            Lease::unowned(key(self.stream, shard), checkpoint, shard.parents().cloned().collect());
        lease.hash_key_range = Some(shard.hash_key_range);
        Some(lease)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::lease::LeaseChange;
    use crate::model::{Checkpoint, HashKeyRange, MonotonicTime, Timestamp};

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
                starting_sequence_number: "1".parse().unwrap(),
                ending_sequence_number: closed.contains(&number).then(|| "2".parse().unwrap()),
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

    fn created(shards: &[Shard], book: &LeaseBook, position: InitialPosition) -> Vec<(usize, Checkpoint)> {
        let number =
            |shard_id: &ShardId| shards.iter().position(|shard| shard.shard_id == *shard_id).unwrap();
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
        let created = created(&shards(FAMILY), &book(&[(0, Checkpoint::ShardEnd)]), position);
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
        let leases = leases_to_create(
            &stream(),
            &shards,
            &book(&[(0, Checkpoint::ShardEnd)]),
            InitialPosition::Latest,
        );
        let first = leases.iter().find(|lease| lease.shard.shard_id == id(1)).unwrap();
        assert_eq!(first.checkpoint, Checkpoint::TrimHorizon);
    }

    #[test]
    fn a_finished_shard_that_was_cleaned_up_is_not_made_again() {
        let created =
            created(&shards(FAMILY), &book(&[(3, Checkpoint::Latest)]), InitialPosition::TrimHorizon);
        assert_eq!(created, [(4, Checkpoint::TrimHorizon)]);
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
        let position = "7".parse().unwrap();
        let checkpoint = Checkpoint::At(crate::model::RecordPosition {
            sequence_number: position,
            sub_sequence_number: 0,
        });
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
}
