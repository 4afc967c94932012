//! Which leases this worker should take or ask for next. A pure function of the book: the same book gives the same
//! answer.

mod pins;

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
    /// It is to take the lease, whoever has it: a write made it the owner without its knowing, or the owner has not handed the
    /// lease over in time.
    LeftOver,
    /// It may take the lease, and ask for it or take it from a live owner.
    Open,
    /// It may take the lease from nobody else.
    IfFree,
    /// The same, and it has failed to read the shard before.
    Failed,
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
///   want different leases. Of a shard that it failed to read the others do not know: instead of that it wants another
///   lease of the same owner.
/// * A lease that is asked for counts for the worker that asks. A worker that gives its leases back takes no share.
/// * While leases are free, workers that would let them wait are left out: Java workers, those that seem to have gone, and
///   while leases have expired those that have just come, by whose own clocks nothing has. They get their share later.
/// * A worker of which the others do not know takes or asks for a single lease, which makes it known.
/// * What is pinned to a worker is that worker's, as far as it is there and has room: it asks for it beyond its share, and
///   nobody asks for it. A worker that has more pinned leases than its share keeps those; the others share the rest.
/// * Free leases that nobody claims are taken beyond the share: other workers may be at their limit, or unable to read
///   the shard.
/// * Never more than `leases_max` in all.
pub(crate) fn due_leases(situation: &Situation<'_>) -> Due {
    let Situation { book, me, leases_max, now, .. } = *situation;
    let mut fleet = Fleet::of(situation);
    let held = fleet.count(me);
    fleet.leave_out_the_slow(situation);
    fleet.honour_pins(situation);
    let mut due = Due { take: fleet.left_over.iter().copied().cloned().collect(), ask: Vec::new() };
    let (mut failed, mut rest, mut from_others) = (Vec::new(), Vec::new(), Vec::new());
    let targets = fleet.targets(leases_max);
    let mut kept = fleet.kept(&targets);
    let pinned_to_me = fleet.due_by_pin.iter().map(|lease| (*lease, Some(me)));
    for (lease, taker) in pinned_to_me.chain(fleet.plan(&targets, leases_max)) {
        let stance = (situation.stance)(lease);
        let owner = book.live_owner(&lease.shard, now);
        match (owner, stance) {
            (None, Stance::Failed) if taker == Some(me) => failed.push(lease.shard.clone()),
            (None, Stance::Open | Stance::IfFree) if taker == Some(me) => due.take.push(lease.shard.clone()),
            (None, Stance::Open | Stance::IfFree | Stance::Failed) => rest.push(lease),
            (Some(owner), Stance::Open) if taker == Some(me) => from_others.push((owner, lease)),
            (Some(owner), Stance::Failed) if taker == Some(me) => {
                let mut others = kept.get_mut(owner).into_iter().flatten();
                let instead = others.find(|lease| (situation.stance)(lease) == Stance::Open);
                from_others.extend(instead.map(|lease| (owner, lease)));
            }
            _ => {}
        }
    }
    let (asks, takes): (Vec<_>, Vec<_>) =
        from_others.into_iter().partition(|(_, lease)| lease.answers_requests());
    due.take.extend(takes.into_iter().map(|(_, lease)| lease.shard.clone()));
    due.ask = by_turns(asks);
    let mine = held + due.take.len() - fleet.left_over.len() + due.ask.len() + failed.len();
    let is_unclaimed = |lease: &&Lease| book.free_for(&lease.shard, now) >= situation.unclaimed_after;
    let unclaimed = rest.into_iter().filter(is_unclaimed).take(leases_max.saturating_sub(mine));
    if !situation.is_introduced && fleet.left_over.is_empty() {
        let is_pinned = |shard: &ShardKey| book.get(shard).is_some_and(|lease| lease.is_pinned_to(me));
        return due.introduction(failed, me, held, is_pinned);
    }
    due.take.extend(failed);
    due.take.extend(unclaimed.map(|lease| lease.shard.clone()));
    due
}

/// True if a lease that may be consumed has been free for less than `time`.
pub(crate) fn has_just_come_free(book: &LeaseBook, time: Duration, now: MonotonicTime) -> bool {
    book.leases().filter(|lease| !lease.is_finished()).any(|lease| {
        book.live_owner(&lease.shard, now).is_none()
            && book.free_for(&lease.shard, now) < time
            && lineage::unfinished_parents(lease, book).is_empty()
    })
}

/// One lease of each owner after the other, so that one owner that is slow does not hold up what others would hand over.
fn by_turns(asks: Vec<(&WorkerId, &Lease)>) -> Vec<ShardKey> {
    let mut turns: BTreeMap<&WorkerId, usize> = BTreeMap::new();
    let mut by_turns: Vec<(usize, ShardKey)> = Vec::new();
    for (owner, lease) in asks {
        let turn = turns.entry(owner).or_default();
        by_turns.push((*turn, lease.shard.clone()));
        *turn += 1;
    }
    by_turns.sort();
    by_turns.into_iter().map(|(_, shard)| shard).collect()
}

impl Due {
    /// One lease, unless one is on its way already: one that is pinned to this worker, or else one that it may take; one that
    /// failed here before only if there is no other. Which, differs from worker to worker, so that those who come together
    /// rarely want the same.
    fn introduction(
        self,
        failed: Vec<ShardKey>,
        me: &WorkerId,
        held: usize,
        is_pinned: impl Fn(&ShardKey) -> bool,
    ) -> Self {
        if held > 0 {
            return Self::default();
        }
        let takes = self.take.into_iter().map(|shard| (false, shard));
        let wanted = takes.chain(self.ask.into_iter().map(|shard| (true, shard)));
        let rank =
            |(is_asked, shard): &(bool, ShardKey)| (!is_pinned(shard), *is_asked, preference(me, shard));
        match wanted.min_by_key(rank) {
            Some((true, shard)) => Self { take: Vec::new(), ask: vec![shard] },
            Some((false, shard)) => Self { take: vec![shard], ask: Vec::new() },
            None => {
                let first = failed.into_iter().min_by_key(|shard| preference(me, shard));
                Self { take: first.into_iter().collect(), ask: Vec::new() }
            }
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
    /// How many of the leases of each are pinned to it: these do not move.
    pinned: BTreeMap<&'a WorkerId, usize>,
    /// How many each still has of those that are pinned to others, and count as theirs.
    to_hand_over: BTreeMap<&'a WorkerId, usize>,
    /// What is pinned to this worker, and it has not.
    due_by_pin: Vec<&'a Lease>,
    /// What is this worker's without its knowing.
    left_over: Vec<&'a ShardKey>,
    /// The workers that answer requests, or make them: those that take what is free at the next scan.
    ours: BTreeSet<&'a WorkerId>,
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
            pinned: BTreeMap::new(),
            to_hand_over: BTreeMap::new(),
            due_by_pin: Vec::new(),
            left_over: Vec::new(),
            ours: BTreeSet::from([me]),
            leases: 0,
        };
        let leaving = leaving_workers(situation);
        for lease in book.leases().filter(|lease| !lease.is_finished()) {
            let is_ours = lease.answers_requests() || lease.is_handed_over();
            fleet.ours.extend(lease.owner.as_ref().filter(|_| is_ours));
            fleet.ours.extend(situation.pending_asker(lease));
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
                    // Whoever asked the owner that has gone is there, and waits.
                    let asker = situation.pending_asker(lease).filter(|asker| !leaving.contains(asker));
                    fleet.counts.extend(
                        asker.filter(|asker| !fleet.counts.contains_key(asker)).map(|asker| (asker, 0)),
                    );
                }
                continue;
            };
            fleet.leases += 1;
            let asker = situation.pending_asker(lease).filter(|asker| *asker != owner);
            let holder = asker.unwrap_or(owner);
            let is_in_place = lease.is_pinned_to(holder);
            if !leaving.contains(holder) {
                *fleet.counts.entry(holder).or_default() += 1;
                *fleet.pinned.entry(holder).or_default() += usize::from(is_in_place);
            }
            if !leaving.contains(owner) {
                // An owner that has been asked for all it has is still there to share.
                fleet.counts.entry(owner).or_default();
                // From the rows alone, so that all workers find the same.
                let may_move = !lease.is_handed_over() && !lease.is_moved_by_java() && !is_in_place;
                if asker.is_none() && may_move && book.live_owner(&lease.shard, now) == Some(owner) {
                    fleet.movable.entry(owner).or_default().push(lease);
                }
            }
        }
        fleet
    }

    /// Leaves out workers that would let free leases wait: those of the Java KCL, which look at the table every two failover
    /// times, those that seem to have gone, and where leases have expired those that have just come.
    fn leave_out_the_slow(&mut self, situation: &Situation<'_>) {
        let Situation { book, me, now, .. } = *situation;
        if self.free.is_empty() {
            return;
        }
        let have_expired = self.free.iter().any(|lease| lease.owner.is_some());
        let silent = book.silent_owners();
        let Self { counts, movable, ours, leases, .. } = self;
        let is_left_out = |worker: &WorkerId| {
            let is_new = have_expired && !book.is_veteran(worker, now);
            worker != me && (!ours.contains(worker) || silent.contains(worker) || is_new)
        };
        let left_out = counts.iter().filter(|(worker, _)| is_left_out(worker));
        *leases -= left_out.map(|(_, count)| count).sum::<usize>();
        counts.retain(|worker, _| !is_left_out(worker));
        movable.retain(|worker, _| !is_left_out(worker));
    }

    fn count(&self, worker: &WorkerId) -> usize {
        self.counts.get(worker).copied().unwrap_or_default()
    }

    /// What each worker should have.
    fn targets(&self, leases_max: usize) -> BTreeMap<&'a WorkerId, usize> {
        let (mut targets, leases) = self.beyond_a_share();
        let sharing = self.counts.iter().filter(|(worker, _)| !targets.contains_key(*worker));
        let mut workers: Vec<(&WorkerId, usize)> = sharing.map(|(worker, count)| (*worker, *count)).collect();
        let (share, remainder) = (leases / workers.len(), leases % workers.len());
        // Those who have most, and among them those from whom nothing can be moved; the sort is stable, so the rest goes
        // by name.
        let movable = |worker: &WorkerId| self.movable.get(worker).map_or(0, Vec::len);
        workers.sort_by_key(|(worker, count)| (Reverse(*count), movable(worker)));
        let target = |rank: usize| (share + usize::from(rank < remainder)).min(leases_max);
        targets.extend(workers.iter().enumerate().map(|(rank, (worker, _))| (*worker, target(rank))));
        targets
    }

    /// Every free lease, and every lease that somebody has too many of, with the worker that should have it; without one
    /// if all have their share.
    ///
    /// Takers and leases go by name, and each taker has a stretch of the leases. What one has taken shortens list and
    /// stretch alike, so the others' stretches stay the same.
    fn plan(
        &self,
        targets: &BTreeMap<&WorkerId, usize>,
        leases_max: usize,
    ) -> Vec<(&'a Lease, Option<&'a WorkerId>)> {
        let lacks = |worker: &'a WorkerId| {
            let lacking = targets[worker].saturating_sub(self.count(worker));
            std::iter::repeat_n(worker, lacking.min(self.room(worker, leases_max)))
        };
        let mut takers = self.counts.keys().copied().flat_map(lacks);
        let surplus = self.movable.keys().flat_map(|worker| self.kept_and_surplus(worker, targets).1);
        self.free.iter().chain(surplus).map(|lease| (*lease, takers.next())).collect()
    }

    /// What each owner keeps by the plan, and could give instead of what its taker does not want.
    fn kept(
        &self,
        targets: &BTreeMap<&WorkerId, usize>,
    ) -> BTreeMap<&'a WorkerId, impl Iterator<Item = &'a Lease>> {
        let kept = |worker| self.kept_and_surplus(worker, targets).0.iter().copied();
        self.movable.keys().map(|worker| (*worker, kept(worker))).collect()
    }

    fn kept_and_surplus(
        &self,
        worker: &WorkerId,
        targets: &BTreeMap<&WorkerId, usize>,
    ) -> (&[&'a Lease], &[&'a Lease]) {
        let leases = self.movable.get(worker).map_or(&[][..], Vec::as_slice);
        let too_many = self.count(worker).saturating_sub(targets[worker]);
        leases.split_at(leases.len() - too_many.min(leases.len()))
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
