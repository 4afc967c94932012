//! Which leases this worker should take next. A pure function of the book: the same book gives the same answer.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Lease, LeaseBook};
use crate::model::{MonotonicTime, ShardKey, WorkerId};

/// The leases that `me` should take now, in this order: the whole fair share in one pass.
///
/// * Only leases in `startable` are taken from nobody; a shard that waits for its parents needs no owner.
/// * Free and expired leases come first, until `me` has a fair share: all unfinished leases divided by all live
///   workers, rounded up, so that the fleet's shares together cover every lease.
/// * Then one at a time from the worker that has most, while it has at least two more than `me`. So shares end at
///   most one apart, the remainder stays where it is, and a balanced fleet moves nothing.
/// * Never more than `leases_max` in all.
///
/// The order among equals differs from worker to worker, so that workers which start together rarely want the same
/// row.
pub(crate) fn leases_to_take(
    book: &LeaseBook,
    startable: &dyn Fn(&Lease) -> bool,
    me: &WorkerId,
    leases_max: usize,
    now: MonotonicTime,
) -> Vec<ShardKey> {
    let mut free: Vec<&ShardKey> = Vec::new();
    let mut shares: BTreeMap<&WorkerId, Vec<&ShardKey>> = BTreeMap::from([(me, Vec::new())]);
    for lease in book.leases().filter(|lease| !lease.is_finished()) {
        match book.live_owner(&lease.shard, now) {
            Some(owner) => shares.entry(owner).or_default().push(&lease.shard),
            None if startable(lease) => free.push(&lease.shard),
            None => {}
        }
    }
    let leases = free.len() + shares.values().map(Vec::len).sum::<usize>();
    let fair_share = leases.div_ceil(shares.len()).min(leases_max);
    let mut mine = shares.remove(me).map_or(0, |held| held.len());

    free.sort_by_key(|shard| preference(me, shard));
    free.truncate(fair_share.saturating_sub(mine));
    mine += free.len();
    let mut wanted = free;
    while mine < fair_share {
        let Some(richest) =
            shares.values_mut().max_by_key(|held| held.len()).filter(|held| held.len() >= mine + 2)
        else {
            break;
        };
        richest.sort_by_key(|shard| std::cmp::Reverse(preference(me, shard)));
        wanted.extend(richest.pop());
        mine += 1;
    }
    wanted.into_iter().cloned().collect()
}

/// A fixed order of shards that is each worker's own.
fn preference(worker: &WorkerId, shard: &ShardKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (worker, shard).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::lease::LeaseChange;
    use crate::model::{Checkpoint, ShardId, StreamId};

    const NOW: MonotonicTime = MonotonicTime::from_start(Duration::from_secs(100));

    fn worker(number: usize) -> WorkerId {
        WorkerId::new(format!("worker-{number}")).unwrap()
    }

    /// A book in which lease `i` belongs to worker `owners[i]`, or to nobody.
    fn book(owners: &[Option<usize>]) -> LeaseBook {
        let mut book = LeaseBook::new(Duration::from_secs(10));
        for (index, owner) in owners.iter().enumerate() {
            let shard =
                ShardKey::new(StreamId::named("s").unwrap(), ShardId::new(format!("shardId-{index:012}")));
            let mut lease = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
            if let Some(owner) = owner {
                lease = lease.after(&LeaseChange::Take { by: worker(*owner) });
            }
            book.observe(lease, NOW);
        }
        book
    }

    fn take(book: &LeaseBook, me: usize, leases_max: usize) -> Vec<ShardKey> {
        leases_to_take(book, &|_| true, &worker(me), leases_max, NOW)
    }

    fn apply(book: &mut LeaseBook, me: usize, shards: &[ShardKey]) {
        for shard in shards {
            let row = book.get(shard).unwrap().after(&LeaseChange::Take { by: worker(me) });
            book.observe(row, NOW);
        }
    }

    fn shares(book: &LeaseBook, workers: usize) -> Vec<usize> {
        (0..workers).map(|w| book.leases().filter(|lease| lease.is_owned_by(&worker(w))).count()).collect()
    }

    #[test]
    fn a_worker_alone_takes_everything_in_one_pass() {
        assert_eq!(take(&book(&[None; 40]), 0, usize::MAX).len(), 40);
    }

    #[test]
    fn a_newcomer_takes_its_whole_share_from_the_richest_in_one_pass() {
        let mut book = book(&[Some(1); 40]);
        let wanted = take(&book, 0, usize::MAX);
        apply(&mut book, 0, &wanted);
        assert_eq!(shares(&book, 2), [20, 20]);
    }

    #[test]
    fn an_expired_lease_is_free_and_its_owner_does_not_count() {
        let book = book(&[Some(1), Some(1), Some(1)]);
        let later = MonotonicTime::from_start(Duration::from_secs(200));
        assert_eq!(leases_to_take(&book, &|_| true, &worker(0), usize::MAX, later).len(), 3);
    }

    #[test]
    fn a_lease_that_may_not_start_is_left_alone() {
        let book = book(&[None, None]);
        assert!(leases_to_take(&book, &|_| false, &worker(0), usize::MAX, NOW).is_empty());
    }

    proptest! {
        #[test]
        fn shares_end_at_most_one_apart_and_then_nothing_moves(
            owners in proptest::collection::vec(proptest::option::of(0..6_usize), 0..60),
            order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        ) {
            let mut book = book(&owners);
            // Two rounds: before the first, workers without a lease are not in anybody's book.
            for _ in 0..2 {
                for me in &order {
                    let wanted = take(&book, *me, usize::MAX);
                    apply(&mut book, *me, &wanted);
                }
            }
            let shares = shares(&book, 6);
            prop_assert_eq!(shares.iter().sum::<usize>(), owners.len());
            let spread = shares.iter().max().unwrap() - shares.iter().min().unwrap();
            prop_assert!(spread <= 1, "{:?}", shares);
            for me in 0..6 {
                prop_assert_eq!(take(&book, me, usize::MAX), vec![]);
            }
        }

        #[test]
        fn no_worker_takes_more_than_its_limit(
            owners in proptest::collection::vec(proptest::option::of(0..3_usize), 0..30),
            leases_max in 1..10_usize,
        ) {
            let book = book(&owners);
            let held = shares(&book, 1)[0];
            let wanted = take(&book, 0, leases_max);
            prop_assert!(wanted.is_empty() || held + wanted.len() <= leases_max);
        }
    }
}
