use std::collections::BTreeMap;
use std::time::Duration;

use kcl_core::Event;
use kcl_core::model::{ShardId, ShardKey};

use super::held_shard::{observe_held, shard_of};
use super::shard_status::{ShardState, ShardStatus};

/// Shards that stand still without an owner are shown up to this many, lest a table of many thousands fill the memory. The
/// number of free leases is known all the same.
const FREE_SHOWN_MAX: usize = 1_000;

/// What one worker has reported, as far as it is still true: each shard that it holds, and those that nobody reads.
///
/// A shard that is finished, given away or lost is forgotten with everything about it, so the board is never larger than
/// what the worker holds and a bounded number of others. Pure: time is an argument, counted from any one point.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard {
    held: BTreeMap<ShardKey, ShardStatus>,
    /// Shards that this worker does not hold, and why nobody does. None of them is in `held`.
    free: BTreeMap<ShardKey, ShardStatus>,
    pub(super) stage: Stage,
    pub(super) last_scan: Option<Scan>,
    /// The last error that is about no shard in particular, and when it was.
    pub(super) last_error: Option<(String, Duration)>,
}

/// How far the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Stage {
    #[default]
    Preparing,
    Running,
    Stopping,
    Stopped,
}

/// A look at the lease table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub(super) at: Duration,
    pub(super) leases: usize,
    pub(super) free: usize,
    pub(super) workers: usize,
}

impl StatusBoard {
    /// Takes in an event of the worker, at `now`.
    pub fn observe(&mut self, event: &Event<'_>, now: Duration) {
        match event {
            Event::WorkerStarted => self.stage = Stage::Running,
            Event::WorkerStopping => self.stage = Stage::Stopping,
            Event::WorkerStopped => {
                self.stage = Stage::Stopped;
                self.held.clear();
                self.free.clear();
            }
            Event::TableScanned { leases, free, workers, .. } => {
                let (leases, free, workers) = (*leases, *free, *workers);
                self.last_scan = Some(Scan { at: now, leases, free, workers });
                self.free.retain(|_, status| status.stands_still(now));
            }
            Event::CoordinationFailed { error } => self.last_error = Some((error.to_string(), now)),
            Event::LeaseTaken { shard, checkpoint, .. } => {
                let mut status = ShardStatus::new(ShardState::Starting, now);
                status.checkpoint = Some(checkpoint.to_string());
                self.free.remove(*shard);
                self.held.insert((*shard).clone(), status);
            }
            Event::LeaseLost { shard, .. }
            | Event::LeaseReleased { shard }
            | Event::LeaseHandedOver { shard, .. }
            | Event::ReleaseFailed { shard, .. }
            | Event::ShardEnded { shard, .. } => {
                self.held.remove(*shard);
            }
            Event::ShardFailed { .. }
            | Event::WaitingForParents { .. }
            | Event::LeaseUnclaimed { .. }
            | Event::ShardEndedTooEarly { .. }
            | Event::StandstillOver { .. } => self.observe_free(event, now),
            _ => {
                if let Some(status) = shard_of(event).and_then(|shard| self.held.get_mut(shard)) {
                    observe_held(status, event, now);
                }
            }
        }
    }

    /// The shards that this worker holds.
    pub fn held(&self) -> &BTreeMap<ShardKey, ShardStatus> {
        &self.held
    }

    /// Shards that this worker does not hold, as far as it knows why they are not read; at most 1,000.
    pub fn free(&self) -> &BTreeMap<ShardKey, ShardStatus> {
        &self.free
    }

    fn observe_free(&mut self, event: &Event<'_>, now: Duration) {
        match event {
            Event::ShardFailed { shard, error, delay } => {
                self.held.remove(*shard);
                self.free.remove(*shard);
                let reason = format!("this worker failed on it, and leaves it to others for {delay:?}");
                let mut status = ShardStatus::stalled(ShardState::Resting, &reason, now);
                status.fail(&error.to_string(), now);
                status.rests_until = Some(now + *delay);
                self.show(shard, status);
            }
            Event::WaitingForParents { shard, unfinished } => {
                let names: Vec<&str> = unfinished.iter().map(ShardId::as_str).collect();
                let reason = format!("waits until its parents are processed: {}", names.join(", "));
                self.show(shard, ShardStatus::stalled(ShardState::WaitingForParents, &reason, now));
            }
            Event::LeaseUnclaimed { shard } => {
                let reason =
                    "no worker takes it: all hold as many as they may, or have failed to take or to read it";
                self.show(shard, ShardStatus::stalled(ShardState::Unclaimed, reason, now));
            }
            Event::ShardEndedTooEarly { shard } => {
                let reason = "its row says that it has ended, but it is open: another stream, or an earlier one of this \
                              name, used this lease table";
                self.show(shard, ShardStatus::stalled(ShardState::Unclaimed, reason, now));
            }
            Event::StandstillOver { shard } => match self.free.get_mut(*shard) {
                Some(known) if known.rests_until.is_some() => known.afterwards = None,
                _ => {
                    self.free.remove(*shard);
                }
            },
            _ => {}
        }
    }

    /// What this worker holds is not free, and that it rests says more than that nobody else takes it. That is said once, so
    /// it is kept for when the rest is over.
    fn show(&mut self, shard: &ShardKey, status: ShardStatus) {
        if self.held.contains_key(shard) {
            return;
        }
        let has_room = self.free.len() < FREE_SHOWN_MAX;
        match self.free.get_mut(shard) {
            Some(known) if known.rests_until.is_some() => known.afterwards = Some(Box::new(status)),
            Some(known) => *known = status,
            None if has_room => {
                self.free.insert(shard.clone(), status);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
