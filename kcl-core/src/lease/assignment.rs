//! Which leases this worker should take or ask for next. A pure function of the book: the same book gives the same
//! answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{Lease, LeaseBook, lineage};
use crate::model::{MonotonicTime, ShardKey, WorkerId};

/// What a worker decides from.
pub(crate) struct Situation<'a> {
    /// What was seen of the table. May be a moment old.
    pub(crate) book: &'a LeaseBook,
    /// The worker that decides.
    pub(crate) me: &'a WorkerId,
    /// What it knows of a lease that the book does not.
    pub(crate) stance: &'a dyn Fn(&Lease) -> Stance,
    /// True if the last scan showed the others that this worker is there.
    pub(crate) is_introduced: bool,
    /// The most leases that it may hold in all. It takes the others to have the same limit.
    pub(crate) leases_max: usize,
    /// A free lease whose row has not moved for this long was left by all others, so it is taken beyond a fair share.
    pub(crate) unclaimed_after: Duration,
    /// A request that is older was made by a worker that has gone.
    pub(crate) request_lifetime: Duration,
    /// The present.
    pub(crate) now: MonotonicTime,
}

/// How a worker stands to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It holds the lease, or is about to, or has asked for it, whatever a stale scan says.
    Mine,
    /// A write made it the owner without its knowing: a take whose answer was lost, or a hand-over. To be taken up.
    LeftOver,
    /// It may take the lease, and ask for it or take it from a live owner.
    Open,
    /// It may take the lease from nobody else.
    IfFree,
    /// It may not take the lease now.
    Off,
}

/// What a worker should do now, each in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// Leases to take: free ones, and those of owners that do not answer requests.
    pub(crate) take: Vec<ShardKey>,
    /// Leases whose owners are to be asked.
    pub(crate) ask: Vec<ShardKey>,
}

/// The leases that a worker should take or ask for now: the whole fair share in one pass.
///
/// * All unfinished leases are shared by all live workers; what remains stays with those who have most. So shares end
///   at most one apart, nothing moves that need not, and a balanced fleet moves nothing.
/// * Every worker makes the plan of the whole fleet, and carries out its own part of it. So workers that see the same
///   want different leases.
/// * A lease that is asked for counts for the worker that asks. A worker that gives its leases back takes no share.
/// * While leases have expired, workers that came less than a failover time ago are left out: by their own clocks nothing
///   has expired yet, so what the plan left to them would wait. They ask for their share as soon as they like.
/// * A worker of which the others do not know takes or asks for a single lease, which makes it known.
/// * Free leases that nobody claims are taken beyond the share: other workers may be at their limit, or unable to read
///   the shard.
/// * Never more than `leases_max` in all.
pub(crate) fn due_leases(situation: &Situation<'_>) -> Due {
    let Situation { book, me, leases_max, now, .. } = *situation;
    let mut fleet = Fleet::of(situation);
    if fleet.free.iter().any(|lease| lease.owner.is_some()) {
        fleet.leave_out(|worker| worker != me && !book.is_veteran(worker, now));
    }
    let mut due = Due { take: fleet.left_over.iter().copied().cloned().collect(), ask: Vec::new() };
    let mut rest = Vec::new();
    for (lease, taker) in fleet.plan(leases_max) {
        let stance = (situation.stance)(lease);
        let is_free = book.live_owner(&lease.shard, now).is_none();
        match (is_free, stance) {
            (true, Stance::Open | Stance::IfFree) if taker == Some(me) => due.take.push(lease.shard.clone()),
            (true, Stance::Open | Stance::IfFree) => rest.push(lease),
            (false, Stance::Open) if taker == Some(me) && lease.answers_requests() => {
                due.ask.push(lease.shard.clone());
            }
            (false, Stance::Open) if taker == Some(me) => due.take.push(lease.shard.clone()),
            _ => {}
        }
    }
    let mine = fleet.count(me) + due.take.len() - fleet.left_over.len() + due.ask.len();
    let is_unclaimed = |lease: &&Lease| book.unmoved_for(&lease.shard, now) >= situation.unclaimed_after;
    let unclaimed = rest.into_iter().filter(is_unclaimed).take(leases_max.saturating_sub(mine));
    due.take.extend(unclaimed.map(|lease| lease.shard.clone()));
    if situation.is_introduced { due } else { due.introduction(me, fleet.count(me)) }
}

impl Due {
    /// One lease, unless one is on its way already. Which, differs from worker to worker, so that those who come together
    /// rarely want the same.
    fn introduction(self, me: &WorkerId, held: usize) -> Self {
        let first = |shards: Vec<ShardKey>| {
            shards.into_iter().min_by_key(|shard| preference(me, shard)).into_iter().collect()
        };
        match self {
            _ if held > 0 => Self::default(),
            Self { take, .. } if !take.is_empty() => Self { take: first(take), ask: Vec::new() },
            Self { ask, .. } => Self { take: Vec::new(), ask: first(ask) },
        }
    }
}

/// Who has what of the unfinished leases that may be consumed.
struct Fleet<'a> {
    /// How many leases each worker that takes a share has, or has asked for.
    counts: BTreeMap<&'a WorkerId, usize>,
    /// What may be asked of each.
    movable: BTreeMap<&'a WorkerId, Vec<&'a Lease>>,
    /// What nobody has.
    free: Vec<&'a Lease>,
    /// What is this worker's without its knowing.
    left_over: Vec<&'a ShardKey>,
    /// All leases together.
    leases: usize,
}

impl<'a> Fleet<'a> {
    fn of(situation: &Situation<'a>) -> Self {
        let Situation { book, me, now, .. } = *situation;
        let mut fleet = Self {
            counts: BTreeMap::from([(me, 0)]),
            movable: BTreeMap::new(),
            free: Vec::new(),
            left_over: Vec::new(),
            leases: 0,
        };
        let leaving = leaving_workers(situation);
        for lease in book.leases().filter(|lease| !lease.is_finished()) {
            let owner = match ((situation.stance)(lease), book.live_owner(&lease.shard, now)) {
                (Stance::Mine, _) => Some(me),
                (Stance::LeftOver, _) => {
                    fleet.left_over.push(&lease.shard);
                    Some(me)
                }
                (_, owner) => owner,
            };
            let Some(owner) = owner else {
                if lineage::unfinished_parents(lease, book).is_empty() {
                    fleet.leases += 1;
                    fleet.free.push(lease);
                }
                continue;
            };
            fleet.leases += 1;
            let asker = situation.pending_asker(lease).filter(|asker| *asker != owner);
            if !leaving.contains(asker.unwrap_or(owner)) {
                *fleet.counts.entry(asker.unwrap_or(owner)).or_default() += 1;
            }
            if !leaving.contains(owner) {
                // An owner that has been asked for all it has is still there to share.
                fleet.counts.entry(owner).or_default();
                // From the rows alone, so that all workers find the same.
                if asker.is_none()
                    && !lease.is_handed_over()
                    && book.live_owner(&lease.shard, now) == Some(owner)
                {
                    fleet.movable.entry(owner).or_default().push(lease);
                }
            }
        }
        fleet
    }

    fn leave_out(&mut self, is_left_out: impl Fn(&WorkerId) -> bool) {
        let left_out = self.counts.iter().filter(|(worker, _)| is_left_out(worker));
        self.leases -= left_out.map(|(_, count)| count).sum::<usize>();
        self.counts.retain(|worker, _| !is_left_out(worker));
        self.movable.retain(|worker, _| !is_left_out(worker));
    }

    fn count(&self, worker: &WorkerId) -> usize {
        self.counts.get(worker).copied().unwrap_or_default()
    }

    /// What each worker should have.
    fn targets(&self, leases_max: usize) -> BTreeMap<&'a WorkerId, usize> {
        let (share, remainder) = (self.leases / self.counts.len(), self.leases % self.counts.len());
        let mut workers: Vec<(&WorkerId, usize)> =
            self.counts.iter().map(|(worker, count)| (*worker, *count)).collect();
        // Those who have most, and among them those from whom nothing can be moved; the sort is stable, so the rest goes
        // by name.
        let movable = |worker: &WorkerId| self.movable.get(worker).map_or(0, Vec::len);
        workers.sort_by_key(|(worker, count)| (Reverse(*count), movable(worker)));
        let target = |rank: usize| (share + usize::from(rank < remainder)).min(leases_max);
        workers.iter().enumerate().map(|(rank, (worker, _))| (*worker, target(rank))).collect()
    }

    /// Every free lease, and every lease that somebody has too many of, with the worker that should have it; without one
    /// if all have their share.
    ///
    /// Takers and leases go by name, and each taker has a stretch of the leases. What one has taken shortens list and
    /// stretch alike, so the others' stretches stay the same.
    fn plan(&self, leases_max: usize) -> Vec<(&'a Lease, Option<&'a WorkerId>)> {
        let targets = self.targets(leases_max);
        let lacks = |worker: &'a WorkerId| {
            let lacking = targets[worker].saturating_sub(self.count(worker));
            std::iter::repeat_n(worker, lacking)
        };
        let mut takers = self.counts.keys().copied().flat_map(lacks);
        let surplus = self.movable.iter().flat_map(|(worker, leases)| {
            let too_many = self.count(worker).saturating_sub(targets[worker]);
            &leases[leases.len() - too_many.min(leases.len())..]
        });
        self.free.iter().chain(surplus).map(|lease| (*lease, takers.next())).collect()
    }
}

impl Situation<'_> {
    /// The worker to which the owner is about to hand the lease over.
    fn pending_asker<'b>(&self, lease: &'b Lease) -> Option<&'b WorkerId> {
        let age = self.book.requested_for(&lease.shard, self.now);
        lease.requested_by().filter(|_| age <= self.request_lifetime)
    }
}

/// Workers that gave back a lease which is still free: they are stopping, or cannot read it.
fn leaving_workers<'a>(situation: &Situation<'a>) -> BTreeSet<&'a WorkerId> {
    let Situation { book, me, .. } = *situation;
    let given_back = book.leases().filter(|lease| !lease.is_finished() && lease.owner.is_none());
    given_back.filter_map(|lease| lease.hand_over_owner.as_ref()).filter(|worker| *worker != me).collect()
}

/// A fixed order of shards that is each worker's own.
fn preference(worker: &WorkerId, shard: &ShardKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (worker, shard).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
