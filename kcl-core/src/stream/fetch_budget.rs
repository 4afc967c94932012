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
/// One half is common: whoever needs it takes it, but a shard that holds some takes more only while as much is left for
/// others. So a shard whose processor is slow leaves some half of what it finds, as does the next one, and a dozen of them may
/// leave nothing. The other half is divided evenly into floors, one for each shard, so that none is ever without.
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
        let floor = Arc::new(Floor {
            budget: Arc::clone(self),
            held: AtomicUsize::new(0),
            common_units: AtomicUsize::new(0),
            freed: Notify::new(),
        });
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
    /// What the shard holds of the common half.
    common_units: AtomicUsize,
    /// Told whenever something of either half comes back from this shard.
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
            if self.floor.leaves_enough(wanted)
                && let Ok(permit) = Arc::clone(&budget.common).try_acquire_many_owned(units(wanted))
            {
                return self.room(batch, 0, Some(permit));
            }
            if free > 0 && free >= budget.floor_bytes() / 2 {
                return self.room(batch, free, None);
            }
            select! {
                biased;
                () = freed => {}
                // A shard that holds some has batches ahead, and gets room when they are processed.
                permit = Arc::clone(&budget.common).acquire_many_owned(units(wanted)), if self.floor.has_no_common() => {
                    return self.room(batch, 0, permit.ok());
                }
            }
        }
    }

    /// What the shard holds of both halves.
    pub(crate) fn held_bytes(&self) -> usize {
        let common_units = self.floor.common_units.load(Ordering::Relaxed);
        self.floor.held.load(Ordering::Relaxed) + common_units * UNIT_BYTES
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
        self.floor.note_taken(of_common.as_ref());
        Room { batch, of_floor, floor: Arc::clone(&self.floor), of_common }
    }
}

impl Floor {
    fn free(&self) -> usize {
        self.budget.floor_bytes().saturating_sub(self.held.load(Ordering::Relaxed))
    }

    fn has_no_common(&self) -> bool {
        self.common_units.load(Ordering::Relaxed) == 0
    }

    /// True if the shard, once it has taken `bytes` of the common half, has left as much as it held before.
    fn leaves_enough(&self, bytes: usize) -> bool {
        let left = self.budget.common.available_permits().checked_sub(bytes.div_ceil(UNIT_BYTES));
        left.is_some_and(|left| self.common_units.load(Ordering::Relaxed) <= left)
    }

    fn note_taken(&self, common: Option<&OwnedSemaphorePermit>) {
        let units = common.map_or(0, OwnedSemaphorePermit::num_permits);
        self.common_units.fetch_add(units, Ordering::Relaxed);
    }

    /// Whoever is woken by this finds both parts free.
    fn give_back(&self, bytes: usize, common: Option<OwnedSemaphorePermit>) {
        let units = common.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        drop(common);
        self.common_units.fetch_sub(units, Ordering::Relaxed);
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
    /// Held while the batch waits for its processor.
    batch: Option<OwnedSemaphorePermit>,
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
            self.floor.note_taken(Some(&more));
            match &mut self.of_common {
                Some(permit) => permit.merge(more),
                None => self.of_common = Some(more),
            }
        }
    }

    /// The batch waits for its processor no longer. Its bytes are still held.
    pub(crate) fn leave_queue(&mut self) {
        self.batch = None;
    }

    /// Gives back what is not of the shard's own floor: nothing is held yet, and for an unknown time.
    pub(crate) fn give_back_common(&mut self) {
        self.floor.give_back(0, self.of_common.take());
    }

    /// Gives back what is more than `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let excess = self.bytes().saturating_sub(bytes);
        let of_floor = excess.min(self.of_floor);
        self.of_floor -= of_floor;
        let spare_units = (excess - of_floor) / UNIT_BYTES;
        let of_common = self.of_common.as_mut().and_then(|permit| permit.split(spare_units));
        self.floor.give_back(of_floor, of_common);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.floor.give_back(self.of_floor, self.of_common.take());
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
