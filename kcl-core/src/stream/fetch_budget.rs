use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::select;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The common part is counted in units of this many bytes, since a semaphore's numbers are small.
const UNIT_BYTES: usize = 1024;

/// How many batches of one shard may wait for its processor, however small they are.
pub(super) const BATCHES_AHEAD_MAX: usize = 16;

/// How many subscriptions of a worker may be left unread at a time, in case their processors catch up. Each holds what its
/// connection buffers, some 2 MiB, beside the budget.
const UNREAD_MAX: usize = 16;

/// With fewer shards, each has the floor that so many would have: a floor that shrinks while it is full would exceed the
/// budget.
const FLOORS_MIN: usize = 1_024;

/// How many bytes of records all shards of a worker together may hold that their processors have not finished.
///
/// One half is common: whoever needs it takes it, first come, first served. The other half is divided evenly into floors,
/// one for each shard. So a shard whose processor is slow may exhaust the common half, and keeps nobody else from reading.
///
/// Invariant: up to 1,024 shards hold no more than the budget, but for records that turn out larger than the reader of a
/// page had reason to expect. Of more shards, those that fill their floors while others are still to join may hold
/// more.
#[derive(Debug)]
pub(crate) struct FetchBudget {
    common: Arc<Semaphore>,
    common_bytes: usize,
    floors_bytes: usize,
    shards: AtomicUsize,
    unread: Arc<Semaphore>,
}

impl FetchBudget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let common_units = bytes / 2 / UNIT_BYTES;
        Arc::new(Self {
            common: Arc::new(Semaphore::new(common_units)),
            common_bytes: common_units * UNIT_BYTES,
            floors_bytes: bytes / 2,
            shards: AtomicUsize::new(0),
            unread: Arc::new(Semaphore::new(UNREAD_MAX)),
        })
    }

    /// The part of one more shard.
    pub(crate) fn join(self: &Arc<Self>) -> ShardBudget {
        self.shards.fetch_add(1, Ordering::Relaxed);
        let floor =
            Arc::new(Floor { budget: Arc::clone(self), held: AtomicUsize::new(0), freed: Notify::new() });
        ShardBudget { floor, batches: Arc::new(Semaphore::new(BATCHES_AHEAD_MAX)) }
    }

    /// `bytes` of the common half, if as much as a half of it is left then.
    fn take_generously(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let left = self.common.available_permits().checked_sub(bytes.div_ceil(UNIT_BYTES))?;
        let is_plenty = left * UNIT_BYTES >= self.common_bytes / 2;
        is_plenty.then(|| Arc::clone(&self.common).try_acquire_many_owned(units(bytes)).ok()).flatten()
    }

    fn floor_bytes(&self) -> usize {
        self.floors_bytes / self.shards.load(Ordering::Relaxed).max(FLOORS_MIN)
    }
}

/// What one shard may hold. One task at a time reserves.
#[derive(Debug)]
pub(crate) struct ShardBudget {
    floor: Arc<Floor>,
    batches: Arc<Semaphore>,
}

#[derive(Debug)]
struct Floor {
    budget: Arc<FetchBudget>,
    held: AtomicUsize,
    freed: Notify,
}

impl ShardBudget {
    /// Waits until the shard may hold another batch: of `generous` bytes while the common half is nearly unused, otherwise of
    /// `wanted` bytes, or of what is free of the shard's floor if that is at least half of it. Dropping the future
    /// reserves nothing.
    pub(crate) async fn reserve(&self, wanted: usize, generous: Option<usize>) -> Room {
        let batch = Arc::clone(&self.batches).acquire_owned().await.ok();
        let budget = &self.floor.budget;
        // Room that needs nearly all of the common half at once may never come.
        let wanted = wanted.min(budget.common_bytes / 4);
        if let Some(permit) = generous.and_then(|bytes| budget.take_generously(bytes)) {
            return self.room(batch, 0, Some(permit));
        }
        loop {
            // Before the look at what is free, so that none of it can come free unnoticed in between.
            let freed = self.floor.freed.notified();
            let free = self.floor.free();
            if free >= wanted {
                return self.room(batch, free, None);
            }
            if let Ok(permit) = Arc::clone(&budget.common).try_acquire_many_owned(units(wanted)) {
                return self.room(batch, 0, Some(permit));
            }
            if free > 0 && free >= budget.floor_bytes() / 2 {
                return self.room(batch, free, None);
            }
            select! {
                biased;
                () = freed => {}
                permit = Arc::clone(&budget.common).acquire_many_owned(units(wanted)) => {
                    return self.room(batch, 0, permit.ok());
                }
            }
        }
    }

    /// Leave to have a subscription unread for a moment, unless too many are; for as long as it is kept.
    pub(crate) fn leave_unread(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.floor.budget.unread).try_acquire_owned().ok()
    }

    fn room(
        &self,
        batch: Option<OwnedSemaphorePermit>,
        of_floor: usize,
        of_common: Option<OwnedSemaphorePermit>,
    ) -> Room {
        self.floor.held.fetch_add(of_floor, Ordering::Relaxed);
        Room { _batch: batch, of_floor, floor: Arc::clone(&self.floor), of_common }
    }
}

impl Floor {
    fn free(&self) -> usize {
        self.budget.floor_bytes().saturating_sub(self.held.load(Ordering::Relaxed))
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.freed.notify_one();
    }
}

impl Drop for ShardBudget {
    fn drop(&mut self) {
        self.floor.budget.shards.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that a batch may take, or takes. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Room {
    _batch: Option<OwnedSemaphorePermit>,
    floor: Arc<Floor>,
    of_floor: usize,
    of_common: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(crate) fn bytes(&self) -> usize {
        let units = self.of_common.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        self.of_floor + units * UNIT_BYTES
    }

    /// Grows to `bytes` as far as the budget allows, without waiting.
    pub(crate) fn try_grow(&mut self, bytes: usize) {
        let missing = bytes.saturating_sub(self.bytes());
        if missing == 0 {
            return;
        }
        let of_floor = missing.min(self.floor.free());
        self.floor.held.fetch_add(of_floor, Ordering::Relaxed);
        self.of_floor += of_floor;
        let common = &self.floor.budget.common;
        let wanted =
            units(missing - of_floor).min(u32::try_from(common.available_permits()).unwrap_or(u32::MAX));
        if let Ok(more) = Arc::clone(common).try_acquire_many_owned(wanted) {
            match &mut self.of_common {
                Some(permit) => permit.merge(more),
                None => self.of_common = Some(more),
            }
        }
    }

    /// Gives back what is not of the shard's own floor: nothing is held yet, and for an unknown time.
    pub(crate) fn give_back_common(&mut self) {
        self.of_common = None;
    }

    /// Gives back what is more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let excess = self.bytes().saturating_sub(bytes);
        let of_floor = excess.min(self.of_floor);
        self.of_floor -= of_floor;
        self.floor.give_back(of_floor);
        let spare_units = (excess - of_floor) / UNIT_BYTES;
        drop(self.of_common.as_mut().and_then(|permit| permit.split(spare_units)));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.floor.give_back(self.of_floor);
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const KIB: usize = 1024;

    /// A budget of 10 MiB for all, and 10 KiB for each.
    const BUDGET: usize = 20 * 1024 * KIB;

    /// All the room that a shard gets without waiting, in steps of `wanted`.
    fn hoard(shard: &ShardBudget, wanted: usize) -> Vec<Room> {
        std::iter::from_fn(|| shard.reserve(wanted, None).now_or_never())
            .map(|mut room| {
                room.shrink(wanted);
                room
            })
            .collect()
    }

    fn bytes(rooms: &[Room]) -> usize {
        rooms.iter().map(Room::bytes).sum()
    }

    #[test]
    fn shards_whose_processors_stopped_hold_the_budget_and_leave_the_floors_of_others() {
        let budget = FetchBudget::new(BUDGET);
        let shards: Vec<ShardBudget> = (0..5).map(|_| budget.join()).collect();
        let greedy: Vec<_> = shards[..4].iter().map(|shard| hoard(shard, 1_024 * KIB)).collect();
        let held = greedy.iter().map(|rooms| bytes(rooms)).sum::<usize>();
        assert_eq!(held, 10 * 1_024 * KIB + 4 * 10 * KIB, "all but the floor of the one that holds nothing");
        assert_eq!(bytes(&hoard(&shards[4], 5 * KIB)), 10 * KIB);
    }

    #[test]
    fn no_shard_holds_more_batches_than_it_may() {
        let budget = FetchBudget::new(BUDGET);
        let shard = budget.join();
        assert_eq!(hoard(&shard, 1).len(), BATCHES_AHEAD_MAX);
    }

    #[test]
    fn a_batch_larger_than_expected_takes_what_is_left_and_no_more() {
        let budget = FetchBudget::new(BUDGET);
        let shard = budget.join();
        let mut room = shard.reserve(5 * KIB, None).now_or_never().unwrap();
        room.shrink(5 * KIB);
        room.try_grow(BUDGET);
        assert_eq!(room.bytes(), BUDGET / 2 + 10 * KIB);
        assert!(shard.reserve(KIB, None).now_or_never().is_none());
        room.shrink(40 * KIB);
        assert_eq!(room.bytes(), 40 * KIB);
        assert!(shard.reserve(BUDGET / 4, None).now_or_never().is_some());
    }

    #[test]
    fn a_page_is_generous_only_while_the_common_half_is_nearly_unused() {
        let budget = FetchBudget::new(BUDGET);
        let shard = budget.join();
        let generous = Some(BUDGET / 8);
        let first = shard.reserve(KIB, generous).now_or_never().unwrap();
        let second = shard.reserve(KIB, generous).now_or_never().unwrap();
        let third = shard.reserve(KIB, generous).now_or_never().unwrap();
        let sizes = [&first, &second, &third].map(Room::bytes);
        assert_eq!(sizes, [BUDGET / 8, BUDGET / 8, 10 * KIB]);
    }

    #[test]
    fn more_shards_have_smaller_floors() {
        let budget = FetchBudget::new(BUDGET);
        let shards: Vec<ShardBudget> = (0..4 * FLOORS_MIN).map(|_| budget.join()).collect();
        assert_eq!(shards[0].floor.free(), 2_560);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_by_room_of_its_own_and_by_common_room() {
        let budget = FetchBudget::new(BUDGET);
        let (one, other) = (budget.join(), budget.join());
        let mut of_one = hoard(&one, 1_024 * KIB);
        let mut of_other = hoard(&other, 6 * KIB);
        assert!(other.reserve(6 * KIB, None).now_or_never().is_none(), "{}", bytes(&of_other));
        let waiting = tokio::spawn(async move { (other.reserve(6 * KIB, None).await.bytes(), other) });
        tokio::task::yield_now().await;
        of_other.clear();
        let got = timeout(Duration::from_secs(1), waiting).await;
        let (got, other) = got.unwrap().unwrap();
        assert_eq!(got, 10 * KIB, "its floor");
        let _floor = hoard(&other, 10 * KIB);
        let waiting = tokio::spawn(async move { other.reserve(100 * KIB, None).await.bytes() });
        tokio::task::yield_now().await;
        of_one.pop();
        of_one.pop();
        let got = timeout(Duration::from_secs(1), waiting).await;
        assert_eq!(got.unwrap().unwrap(), 100 * KIB, "of the common half");
    }

    #[test]
    fn everything_comes_back() {
        let budget = FetchBudget::new(BUDGET);
        for wanted in [KIB, 3 * KIB + 17, 77 * KIB, 2 * BUDGET] {
            let shards = [budget.join(), budget.join()];
            for shard in &shards {
                let mut rooms = hoard(shard, wanted);
                for room in &mut rooms {
                    room.try_grow(2 * wanted);
                    room.shrink(wanted / 2);
                }
            }
            assert_eq!(shards.each_ref().map(|shard| shard.floor.free()), [10 * KIB; 2]);
            assert_eq!(budget.common.available_permits() * UNIT_BYTES, budget.common_bytes);
        }
        assert_eq!(budget.shards.load(Ordering::Relaxed), 0);
    }
}
