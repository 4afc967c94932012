//! Which leases this worker should take next. A pure function of the book: the same book gives the same answer.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{Lease, LeaseBook};
use crate::model::{MonotonicTime, ShardKey, WorkerId};

/// What a worker decides from.
pub(crate) struct Situation<'a> {
    /// What was seen of the table. May be a moment old.
    pub(crate) book: &'a LeaseBook,
    /// The worker that decides.
    pub(crate) me: &'a WorkerId,
    /// What it knows of a lease that the book does not.
    pub(crate) stance: &'a dyn Fn(&Lease) -> Stance,
    /// The most leases that it may hold in all.
    pub(crate) leases_max: usize,
    /// A free lease whose row has not moved for this long was left by all others, so it is taken beyond a fair share.
    pub(crate) unclaimed_after: Duration,
    /// The present.
    pub(crate) now: MonotonicTime,
}

/// How a worker stands to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It holds the lease, or is about to, whatever a stale scan says.
    Mine,
    /// A take of its own left the row, whose answer was lost: free for this worker alone.
    LeftOver,
    /// It may take the lease, also from a live owner.
    Open,
    /// It may take the lease from nobody else.
    IfFree,
    /// It may not take the lease now.
    Off,
}

/// The leases that a worker should take now, in this order: the whole fair share in one pass.
///
/// * Free and expired leases come first, until it has a fair share: all unfinished leases divided by all live workers,
///   rounded up, so that the fleet's shares together cover every lease.
/// * Then one at a time from the worker that has most, while it has at least two more. So shares end at most one apart,
///   the remainder stays where it is, and a balanced fleet moves nothing.
/// * Then free leases that nobody claims: other workers may be at their limit, or unable to read the shard.
/// * Never more than `leases_max` in all.
///
/// The order among equals differs from worker to worker, so that workers which start together rarely want the same
/// row.
pub(crate) fn leases_to_take(situation: &Situation<'_>) -> Vec<ShardKey> {
    let Situation { me, leases_max, .. } = *situation;
    let Shares { mut mine, mut free, mut others, leases } = Shares::of(situation);
    let fair_share = leases.div_ceil(others.len() + 1).min(leases_max);

    free.sort_by_key(|shard| preference(me, shard));
    let surplus = free.split_off(free.len().min(fair_share.saturating_sub(mine)));
    mine += free.len();
    let mut wanted = free;
    while mine < fair_share {
        let richest =
            others.values_mut().filter(|share| !share.takeable.is_empty()).max_by_key(|share| share.held);
        let Some(richest) = richest.filter(|share| share.held >= mine + 2) else { break };
        wanted.extend(richest.takeable.pop());
        richest.held -= 1;
        mine += 1;
    }
    let is_unclaimed =
        |shard: &&ShardKey| situation.book.unmoved_for(shard, situation.now) >= situation.unclaimed_after;
    wanted.extend(surplus.into_iter().filter(is_unclaimed).take(leases_max.saturating_sub(mine)));
    wanted.into_iter().cloned().collect()
}

/// Who has what of the unfinished leases.
struct Shares<'a> {
    /// How many the worker that decides holds.
    mine: usize,
    /// What it may take from nobody.
    free: Vec<&'a ShardKey>,
    others: BTreeMap<&'a WorkerId, Share<'a>>,
    /// All of these together.
    leases: usize,
}

/// What another live worker has.
#[derive(Default)]
struct Share<'a> {
    held: usize,
    /// What may be taken from it, the best last.
    takeable: Vec<&'a ShardKey>,
}

impl<'a> Shares<'a> {
    fn of(situation: &Situation<'a>) -> Self {
        let Situation { book, me, stance, now, .. } = *situation;
        let mut shares = Self { mine: 0, free: Vec::new(), others: BTreeMap::new(), leases: 0 };
        for lease in book.leases().filter(|lease| !lease.is_finished()) {
            match (stance(lease), book.live_owner(&lease.shard, now)) {
                (Stance::Mine, _) => shares.mine += 1,
                (Stance::LeftOver, _) | (Stance::Open | Stance::IfFree, None) => {
                    shares.free.push(&lease.shard);
                }
                // Left by a predecessor of the same name, or a twin's: it is waited for like a rival's.
                (_, Some(owner)) if owner == me => shares.mine += 1,
                (stance, Some(owner)) => {
                    let share = shares.others.entry(owner).or_default();
                    share.held += 1;
                    share.takeable.extend((stance == Stance::Open).then_some(&lease.shard));
                }
                (Stance::Off, None) => continue,
            }
            shares.leases += 1;
        }
        for share in shares.others.values_mut() {
            share.takeable.sort_by_key(|shard| Reverse(preference(me, shard)));
        }
        shares
    }
}

/// A fixed order of shards that is each worker's own.
fn preference(worker: &WorkerId, shard: &ShardKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (worker, shard).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lease::LeaseChange;
    use crate::model::{Checkpoint, ShardId, StreamId};

    const UNCLAIMED_AFTER: Duration = Duration::from_secs(20);
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
        decide(book, me, leases_max, Stance::Open, NOW)
    }

    fn decide(
        book: &LeaseBook,
        me: usize,
        leases_max: usize,
        stance: Stance,
        now: MonotonicTime,
    ) -> Vec<ShardKey> {
        leases_to_take(&Situation {
            book,
            me: &worker(me),
            stance: &|_| stance,
            leases_max,
            unclaimed_after: UNCLAIMED_AFTER,
            now,
        })
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
        assert_eq!(decide(&book, 0, usize::MAX, Stance::Open, later).len(), 3);
    }

    #[test]
    fn a_lease_that_may_not_start_is_left_alone() {
        let book = book(&[None, None]);
        assert!(decide(&book, 0, usize::MAX, Stance::Off, NOW).is_empty());
    }

    #[test]
    fn a_lease_that_is_held_is_ours_whatever_a_stale_scan_says() {
        let book = book(&[Some(1), Some(1), Some(1), Some(1)]);
        let held = book.leases().next().unwrap().shard.clone();
        let situation = Situation {
            book: &book,
            me: &worker(0),
            stance: &|lease| if lease.shard == held { Stance::Mine } else { Stance::Open },
            leases_max: 2,
            unclaimed_after: UNCLAIMED_AFTER,
            now: NOW,
        };
        let wanted = leases_to_take(&situation);
        assert_eq!(wanted.len(), 1);
        assert!(!wanted.contains(&held));
    }

    #[test]
    fn what_failed_here_is_not_taken_from_a_live_owner() {
        let owned = book(&[Some(1), Some(1), Some(1), Some(1)]);
        assert!(decide(&owned, 0, usize::MAX, Stance::IfFree, NOW).is_empty());
        assert_eq!(decide(&book(&[None; 4]), 0, usize::MAX, Stance::IfFree, NOW).len(), 4);
    }

    #[test]
    fn what_a_take_in_doubt_left_is_taken_up_though_the_row_names_us() {
        assert!(decide(&book(&[Some(0)]), 0, usize::MAX, Stance::Open, NOW).is_empty());
        assert_eq!(decide(&book(&[Some(0)]), 0, usize::MAX, Stance::LeftOver, NOW).len(), 1);
    }

    #[test]
    fn what_nobody_claims_is_taken_beyond_a_fair_share() {
        let mut book = book(&[None; 10]);
        let now = |secs| MonotonicTime::from_start(Duration::from_secs(secs));
        let shards: Vec<ShardKey> = take(&book, 1, 2);
        apply(&mut book, 1, &shards);
        assert_eq!(take(&book, 0, usize::MAX).len(), 5);
        let shards = take(&book, 0, usize::MAX);
        apply(&mut book, 0, &shards);
        assert!(take(&book, 0, usize::MAX).is_empty());
        let renewed: Vec<Lease> = book.leases().filter(|lease| lease.owner.is_some()).cloned().collect();
        for lease in renewed {
            book.observe(lease.after(&LeaseChange::Renew), now(119));
        }
        assert_eq!(decide(&book, 0, usize::MAX, Stance::Open, now(120)).len(), 3);
        assert_eq!(decide(&book, 0, 6, Stance::Open, now(120)).len(), 1);
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
