//! What pins change in the plan of the fleet. Without pins, nothing.
//!
//! A pin is a wish: it must never keep a lease from being processed. So it counts only for a worker that is there, has room,
//! and takes before long what is left to it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fleet, Situation, Stance};
use crate::lease::Lease;
use crate::model::WorkerId;

impl<'a> Fleet<'a> {
    /// Counts what is pinned to a worker, and may move to it, as that worker's; so nobody else takes it or asks for it.
    ///
    /// From what everybody sees, so that all workers find the same; only whether this worker wants the lease it knows by itself.
    pub(super) fn honour_pins(&mut self, situation: &Situation<'a>) {
        let in_place = self.pinned.iter().filter(|(_, count)| **count > 0);
        let heeding: BTreeSet<&WorkerId> = in_place.map(|(worker, _)| *worker).collect();
        let free = std::mem::take(&mut self.free).into_iter().map(|lease| (None, lease));
        let movable = std::mem::take(&mut self.movable);
        let held = movable
            .into_iter()
            .flat_map(|(owner, leases)| leases.into_iter().map(move |lease| (Some(owner), lease)));
        for (owner, lease) in free.chain(held) {
            let is_mine = lease.is_pinned_to(situation.me) && situation.wants(lease, owner);
            match lease.pinned_to.as_ref().filter(|worker| self.may_move(lease, owner, worker, situation)) {
                Some(worker) if is_mine || situation.may_want(worker, lease, owner, &heeding) => {
                    self.move_pinned(owner, worker);
                    self.due_by_pin.extend(is_mine.then_some(lease));
                }
                _ => match owner {
                    None => self.free.push(lease),
                    Some(owner) => self.movable.entry(owner).or_default().push(lease),
                },
            }
        }
    }

    /// A Java worker asks for nothing, and knows of no pins: what is taken from it by force it would take back.
    fn may_move(
        &self,
        lease: &Lease,
        owner: Option<&WorkerId>,
        to: &WorkerId,
        situation: &Situation<'_>,
    ) -> bool {
        self.counts.contains_key(to)
            && self.ours.contains(to)
            && self.room(to, situation.leases_max) > 0
            && (owner.is_none() || lease.answers_requests())
    }

    fn move_pinned(&mut self, owner: Option<&'a WorkerId>, to: &'a WorkerId) {
        if let Some(owner) = owner {
            *self.counts.entry(owner).or_default() -= 1;
            *self.to_hand_over.entry(owner).or_default() += 1;
        }
        *self.counts.entry(to).or_default() += 1;
        *self.pinned.entry(to).or_default() += 1;
    }

    /// How many more leases a worker may have while it has those that it is to hand over.
    pub(super) fn room(&self, worker: &WorkerId, leases_max: usize) -> usize {
        let to_hand_over = self.to_hand_over.get(worker).copied().unwrap_or_default();
        leases_max.saturating_sub(self.count(worker) + to_hand_over)
    }

    /// The workers that have more pinned leases than a share, with as many as these; and how many leases are left to share for
    /// the others, of whom there is at least one.
    pub(super) fn beyond_a_share(&self) -> (BTreeMap<&'a WorkerId, usize>, usize) {
        let mut leases = self.leases;
        let mut beyond = BTreeMap::new();
        let pinned = |worker: &WorkerId| self.pinned.get(worker).copied().unwrap_or_default();
        loop {
            // What one keeps makes the shares of the others smaller.
            let share = leases / (self.counts.len() - beyond.len());
            let mut sharing = self.counts.keys().filter(|worker| !beyond.contains_key(*worker));
            let Some(worker) = sharing.find(|worker| pinned(worker) > share) else {
                return (beyond, leases);
            };
            leases -= pinned(worker);
            beyond.insert(*worker, pinned(worker));
        }
    }
}

impl Situation<'_> {
    /// True if this worker may take the lease, or ask its owner for it.
    fn wants(&self, lease: &Lease, owner: Option<&WorkerId>) -> bool {
        match (self.stance)(lease) {
            Stance::Open => true,
            Stance::IfFree | Stance::Failed => owner.is_none(),
            Stance::Mine | Stance::LeftOver | Stance::Off => false,
        }
    }

    /// True unless a worker has left a lease that is pinned to it alone for so long that it does not want it: it may have failed
    /// to read the shard, or have a limit of its own. One that has just come shows what it heeds by its first lease.
    fn may_want(
        &self,
        worker: &WorkerId,
        lease: &Lease,
        owner: Option<&WorkerId>,
        heeding: &BTreeSet<&WorkerId>,
    ) -> bool {
        let Self { book, now, unclaimed_after, .. } = self;
        if owner.is_none() {
            return book.free_for(&lease.shard, *now) < *unclaimed_after;
        }
        book.known_for(worker, *now).is_some_and(|known_for| {
            let is_new = known_for < *unclaimed_after && heeding.contains(worker);
            is_new || book.pinned_for(&lease.shard, *now) < *unclaimed_after
        })
    }
}
