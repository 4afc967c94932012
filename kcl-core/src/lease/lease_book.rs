use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Lease;
use crate::model::{MonotonicTime, ShardKey, WorkerId};

/// A worker is a veteran after this share of the failover time. Those who come together see each other a scan or two later
/// than they see the rows, and the rows expire for all of them at about the same time.
const VETERAN_SHARE: f64 = 0.75;

/// An owner renews each lease within six tenths of the failover time, and a scan may be a moment old.
const SILENCE_SHARE: f64 = 0.75;

/// A scan is no older than this share of the failover time.
const STALENESS_SHARE: f64 = 0.25;

/// What this worker has seen of the lease table, and when it last saw each row move.
///
/// A rival's lease expires here, by our own clock: no row holds a time, and no two clocks are compared (L2 of the
/// [protocol](super)). Pure: time is an argument.
#[derive(Debug)]
pub(crate) struct LeaseBook {
    failover_time: Duration,
    entries: BTreeMap<ShardKey, Entry>,
    /// Since when each worker is seen to own a lease or to ask for one.
    known_since: BTreeMap<WorkerId, MonotonicTime>,
    /// When the last scan was complete.
    scanned_at: MonotonicTime,
}

#[derive(Debug, Clone)]
struct Entry {
    lease: Lease,
    moved_at: MonotonicTime,
    /// When the request that the row holds was first seen.
    requested_at: MonotonicTime,
    /// When the pin was first seen, or last seen to be lost by its worker.
    pinned_at: MonotonicTime,
    /// Since when scans show the row with a lower counter.
    contradicted_since: Option<MonotonicTime>,
}

impl LeaseBook {
    /// An empty book. A lease whose row does not move for `failover_time` is expired.
    pub(crate) fn new(failover_time: Duration) -> Self {
        Self {
            failover_time,
            entries: BTreeMap::new(),
            known_since: BTreeMap::new(),
            scanned_at: MonotonicTime::default(),
        }
    }

    /// Takes in a whole scan that was complete at `now`. Rows that it did not show are forgotten.
    ///
    /// The time is that of the scan's end: a row may have moved until just before, and calling a lease alive for too
    /// long costs time where the opposite would cost a duplicate.
    pub(crate) fn observe_scan(&mut self, rows: Vec<Lease>, now: MonotonicTime) {
        let mut before = std::mem::take(&mut self.entries);
        for lease in rows {
            let known = before.remove(&lease.shard);
            self.enter(known, lease, now);
        }
        let there: BTreeSet<&WorkerId> =
            self.entries.values().flat_map(|entry| workers(&entry.lease)).collect();
        self.known_since.retain(|worker, _| there.contains(worker));
        self.scanned_at = now;
    }

    /// Takes in one row, read or returned by a write at `now`.
    pub(crate) fn observe(&mut self, row: Lease, now: MonotonicTime) {
        let known = self.entries.remove(&row.shard);
        self.enter(known, row, now);
    }

    /// Forgets the row of a shard: it is gone from the table.
    pub(crate) fn forget(&mut self, shard: &ShardKey) {
        self.entries.remove(shard);
    }

    /// A scan may be a moment old, and must not undo what a read or a write has shown since. A row whose lower counter lasts
    /// was deleted and made again, and is another row, whatever it looks like later.
    fn enter(&mut self, known: Option<Entry>, lease: Lease, now: MonotonicTime) {
        let mut is_another = false;
        if let Some(known) = &known {
            if lease.counter < known.lease.counter {
                let since = known.contradicted_since.unwrap_or(now);
                if now.saturating_since(since) <= self.failover_time.mul_f64(STALENESS_SHARE) {
                    let entry = Entry { contradicted_since: Some(since), ..known.clone() };
                    self.entries.insert(lease.shard, entry);
                    return;
                }
            }
            is_another = known.contradicted_since.is_some();
        }
        for worker in workers(&lease) {
            if !self.known_since.contains_key(worker) {
                self.known_since.insert(worker.clone(), now);
            }
        }
        let (mut moved_at, mut requested_at, mut pinned_at) = (now, now, now);
        if let Some(known) = known {
            if known.lease.matches(&lease) && !is_another {
                moved_at = known.moved_at;
            }
            if known.lease.request == lease.request {
                requested_at = known.requested_at;
            }
            if known.lease.pinned_to == lease.pinned_to && !is_lost_by_pinned(&known.lease, &lease) {
                pinned_at = known.pinned_at;
            }
        }
        let entry = Entry { lease, moved_at, requested_at, pinned_at, contradicted_since: None };
        self.entries.insert(entry.lease.shard.clone(), entry);
    }

    /// The row of a shard, as last seen.
    pub(crate) fn get(&self, shard: &ShardKey) -> Option<&Lease> {
        self.entries.get(shard).map(|entry| &entry.lease)
    }

    /// All rows, in the order of their shards.
    pub(crate) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.entries.values().map(|entry| &entry.lease)
    }

    /// True if a worker has been there for about as long as a lease takes to expire: what has expired here has expired there,
    /// or will soon.
    pub(crate) fn is_veteran(&self, worker: &WorkerId, now: MonotonicTime) -> bool {
        let since = self.known_since.get(worker);
        since.is_some_and(|since| now.saturating_since(*since) >= self.failover_time.mul_f64(VETERAN_SHARE))
    }

    /// How long ago the row of a shard was last seen to move; zero if there is none.
    pub(crate) fn unmoved_for(&self, shard: &ShardKey, now: MonotonicTime) -> Duration {
        self.entries.get(shard).map_or(Duration::ZERO, |entry| now.saturating_since(entry.moved_at))
    }

    /// The owners of rows that all stood still for longer than a live owner lets them, as the last scan showed them: if they
    /// have gone, their leases are about to expire, and they will not take any.
    pub(crate) fn silent_owners(&self) -> BTreeSet<&WorkerId> {
        let patience = self.failover_time.mul_f64(SILENCE_SHARE);
        let is_silent = |entry: &Entry| self.scanned_at.saturating_since(entry.moved_at) > patience;
        let owners = |silent: bool| {
            let entries = self.entries.values().filter(move |entry| is_silent(entry) == silent);
            entries.filter_map(|entry| entry.lease.owner.as_ref()).collect::<BTreeSet<_>>()
        };
        owners(true).difference(&owners(false)).copied().collect()
    }

    /// For how long anybody could have taken a lease that nobody owns, or whose owner has let it expire: its row has not moved,
    /// nor have those of its parents since they were finished.
    pub(crate) fn free_for(&self, shard: &ShardKey, now: MonotonicTime) -> Duration {
        let parents = self.get(shard).into_iter().flat_map(|lease| &lease.parents);
        let parents = parents.map(|parent| shard.sibling(parent)).filter(|parent| self.get(parent).is_some());
        let since_parents = parents.map(|parent| self.unmoved_for(&parent, now)).min();
        let is_owned = self.get(shard).is_some_and(|lease| lease.owner.is_some());
        let expiry = if is_owned { self.failover_time } else { Duration::ZERO };
        let free_for = self.unmoved_for(shard, now).saturating_sub(expiry);
        since_parents.map_or(free_for, |since| since.min(free_for))
    }

    /// How long ago the request that the row of a shard holds was first seen; zero if there is none.
    pub(crate) fn requested_for(&self, shard: &ShardKey, now: MonotonicTime) -> Duration {
        let entry = self.entries.get(shard).filter(|entry| entry.lease.request.is_some());
        entry.map_or(Duration::ZERO, |entry| now.saturating_since(entry.requested_at))
    }

    /// For how long a worker has been seen to own a lease or to ask for one; `None` if it is not.
    pub(crate) fn known_for(&self, worker: &WorkerId, now: MonotonicTime) -> Option<Duration> {
        self.known_since.get(worker).map(|since| now.saturating_since(*since))
    }

    /// How long ago the pin of a lease was first seen, or its worker lost the lease without giving it back; zero if there is no
    /// row.
    pub(crate) fn pinned_for(&self, shard: &ShardKey, now: MonotonicTime) -> Duration {
        self.entries.get(shard).map_or(Duration::ZERO, |entry| now.saturating_since(entry.pinned_at))
    }

    /// The owner of a lease that has not expired; `None` if the lease is anybody's to take.
    pub(crate) fn live_owner(&self, shard: &ShardKey, now: MonotonicTime) -> Option<&WorkerId> {
        let entry = self.entries.get(shard)?;
        let alive = now.saturating_since(entry.moved_at) <= self.failover_time;
        entry.lease.owner.as_ref().filter(|_| alive)
    }
}

/// True if the worker to which a lease is pinned had it, and it was taken from it.
fn is_lost_by_pinned(before: &Lease, after: &Lease) -> bool {
    let is_given_back = after.owner.is_none() && after.hand_over_owner == before.owner;
    before.owner.is_some()
        && before.owner == before.pinned_to
        && after.owner != before.owner
        && !is_given_back
}

/// Who owns a lease, or asks for it.
fn workers(lease: &Lease) -> impl Iterator<Item = &WorkerId> {
    lease.owner.iter().chain(lease.request.iter().map(|request| &request.by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseChange;
    use crate::model::{Checkpoint, ShardId, StreamId};

    const FAILOVER_TIME: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> MonotonicTime {
        MonotonicTime::from_start(Duration::from_secs(secs))
    }

    fn owned() -> Lease {
        let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-0"));
        let by = WorkerId::new("rival").unwrap();
        Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new()).after(&LeaseChange::Take { by })
    }

    #[test]
    fn a_lease_expires_one_failover_time_after_it_was_last_seen_to_move() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let row = owned();
        book.observe_scan(vec![row.clone()], at(100));
        book.observe_scan(vec![row.clone()], at(105));
        assert!(book.live_owner(&row.shard, at(110)).is_some());
        assert!(book.live_owner(&row.shard, at(111)).is_none());

        let renewed = row.after(&LeaseChange::Renew);
        book.observe_scan(vec![renewed], at(111));
        assert!(book.live_owner(&row.shard, at(121)).is_some());
        assert!(book.live_owner(&row.shard, at(122)).is_none());
    }

    #[test]
    fn a_new_observer_waits_a_whole_failover_time_whatever_the_counter_is() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let mut row = owned();
        row.counter = 9_000;
        book.observe_scan(vec![row.clone()], at(50));
        assert!(book.live_owner(&row.shard, at(60)).is_some());
    }

    #[test]
    fn a_released_lease_is_free_at_once() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let row = owned().after(&LeaseChange::Release);
        book.observe_scan(vec![row.clone()], at(1));
        assert!(book.live_owner(&row.shard, at(1)).is_none());
    }

    #[test]
    fn a_scan_that_is_a_moment_old_does_not_undo_what_was_seen_since() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let row = owned();
        let newer = row.after(&LeaseChange::Renew);
        book.observe(newer.clone(), at(100));
        book.observe_scan(vec![row.clone()], at(101));
        assert_eq!(book.get(&row.shard), Some(&newer));
        assert!(book.live_owner(&row.shard, at(111)).is_none(), "it has not moved");
    }

    #[test]
    fn a_row_that_was_made_again_is_believed_when_it_lasts() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let row = owned();
        book.observe(row.after(&LeaseChange::Renew), at(100));
        for time in [101, 102, 103, 104] {
            book.observe_scan(vec![row.clone()], at(time));
        }
        assert_eq!(book.get(&row.shard), Some(&row));
        assert!(book.live_owner(&row.shard, at(114)).is_some());
    }

    #[test]
    fn a_row_that_was_made_again_and_looks_as_before_is_another() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let row = owned();
        book.observe_scan(vec![row.clone()], at(100));
        let made_again = Lease::unowned(row.shard.clone(), Checkpoint::TrimHorizon, Vec::new());
        book.observe_scan(vec![made_again], at(101));
        book.observe_scan(vec![row.clone()], at(102));
        assert!(book.live_owner(&row.shard, at(112)).is_some(), "it moved at 102 at the latest");
    }

    #[test]
    fn an_owner_is_silent_when_all_its_rows_stand_still() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let (row, rival) = (owned(), WorkerId::new("rival").unwrap());
        let mut other = row.clone();
        other.shard = row.shard.sibling(&ShardId::new("shardId-1"));
        book.observe_scan(vec![row.clone(), other.clone()], at(100));
        book.observe_scan(vec![row.clone(), other.after(&LeaseChange::Renew)], at(108));
        assert!(book.silent_owners().is_empty());
        book.observe_scan(vec![row.clone(), other.after(&LeaseChange::Renew)], at(115));
        assert!(book.silent_owners().is_empty(), "the second may have moved until 108");
        book.observe_scan(vec![row, other.after(&LeaseChange::Renew)], at(116));
        assert_eq!(book.silent_owners(), BTreeSet::from([&rival]));
    }

    #[test]
    fn a_worker_is_a_veteran_once_it_has_been_seen_for_most_of_a_failover_time() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let (row, rival) = (owned(), WorkerId::new("rival").unwrap());
        book.observe_scan(vec![row.clone()], at(100));
        assert!(!book.is_veteran(&rival, at(107)) && book.is_veteran(&rival, at(108)));
        book.observe_scan(vec![row.after(&LeaseChange::Release)], at(111));
        book.observe_scan(vec![row.after(&LeaseChange::Release).after(&LeaseChange::Renew)], at(112));
        assert!(!book.is_veteran(&rival, at(130)), "it has gone");
    }

    #[test]
    fn a_pin_is_as_old_as_its_worker_s_last_chance_to_have_the_lease() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        let (row, rival) = (owned(), WorkerId::new("rival").unwrap());
        let pinned = row.with_pin(Some(&rival));
        book.observe_scan(vec![row.clone()], at(100));
        book.observe_scan(vec![pinned.clone()], at(105));
        book.observe_scan(vec![pinned.after(&LeaseChange::Renew)], at(106));
        assert_eq!(book.pinned_for(&row.shard, at(110)), Duration::from_secs(5));
        let thief = LeaseChange::Take { by: WorkerId::new("thief").unwrap() };
        let taken = pinned.after(&LeaseChange::Renew).after(&thief);
        book.observe_scan(vec![taken.clone()], at(112));
        assert_eq!(book.pinned_for(&row.shard, at(113)), Duration::from_secs(1));
        let back = taken.after(&LeaseChange::Take { by: rival });
        let given_back = back.after(&LeaseChange::Release);
        for row in [back, given_back.clone(), given_back.after(&thief)] {
            book.observe_scan(vec![row], at(114));
        }
        assert_eq!(book.pinned_for(&row.shard, at(115)), Duration::from_secs(3), "it did not want it");
    }

    #[test]
    fn a_row_that_a_scan_does_not_show_is_forgotten() {
        let mut book = LeaseBook::new(FAILOVER_TIME);
        book.observe_scan(vec![owned()], at(1));
        book.observe_scan(Vec::new(), at(2));
        assert_eq!(book.leases().count(), 0);
    }
}
