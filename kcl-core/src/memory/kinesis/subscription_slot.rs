use std::time::Duration;

use super::MemoryKinesisLimits;
use super::errors::{in_use, throttled};
use super::rate_window::{RateWindow, time_for};
use crate::error::Result;
use crate::model::Timestamp;

/// Where one consumer's subscription to one shard has its place: the last one that was opened holds it.
#[derive(Debug, Default)]
pub(super) struct SubscriptionSlot {
    holder: Option<Holder>,
    /// Nothing more is pushed before this time.
    free_at: Timestamp,
    /// The calls that did not get the place.
    refused: RateWindow,
}

/// Tells a subscription from the one that took over from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[derive(Debug, Clone, Copy)]
struct Holder {
    ticket: Ticket,
    opened_at: Timestamp,
}

impl SubscriptionSlot {
    /// Fails if the last subscription was opened less than `take_over_after` ago, whether it is still in use or not; and if
    /// that is asked too often.
    pub(super) fn check_free(
        &mut self,
        take_over_after: Duration,
        limits: &MemoryKinesisLimits,
        now: Timestamp,
    ) -> Result<()> {
        if let Some(limit) = limits.subscribes_per_second {
            if !self.refused.has_room(limit, now) {
                return Err(throttled(format!(
                    "a consumer may call SubscribeToShard {limit} times a second for a shard; try again more slowly"
                )));
            }
            self.refused.add(1, limit, now);
        }
        let Some(holder) = self.holder else { return Ok(()) };
        let age = now.saturating_since(holder.opened_at);
        if age >= take_over_after {
            return Ok(());
        }
        Err(in_use(format!(
            "the last subscription of this consumer to this shard was opened {} ms ago; another can take over after {} ms",
            age.as_millis(),
            take_over_after.as_millis()
        )))
    }

    /// Gives the place to a new subscription.
    pub(super) fn take(&mut self, now: Timestamp) -> Ticket {
        self.refused = RateWindow::default();
        let ticket = Ticket(self.holder.map_or(0, |holder| holder.ticket.0 + 1));
        self.holder = Some(Holder { ticket, opened_at: now });
        ticket
    }

    /// Nothing is pushed before this time, because of what was pushed last.
    pub(super) fn free_at(&self) -> Timestamp {
        self.free_at
    }

    /// Counts so many bytes that were pushed.
    pub(super) fn count_pushed(&mut self, bytes: usize, limits: &MemoryKinesisLimits, now: Timestamp) {
        if let Some(limit) = limits.fan_out_bytes_per_second {
            self.free_at = self.free_at.max(now.saturating_add(time_for(bytes as u64, limit)));
        }
    }

    /// Fails if another subscription has taken over.
    pub(super) fn check_held(&self, ticket: Ticket) -> Result<()> {
        if self.holder.is_some_and(|holder| holder.ticket == ticket) {
            return Ok(());
        }
        Err(in_use("another subscription of this consumer to this shard has taken over".to_owned()))
    }
}
