use tokio::time::Instant;

use super::LastResort;
use crate::event::{BlockReason, Event, Events};
use crate::model::{Record, ShardKey};
use crate::planted::PlantedFault;

/// Says that a shard stands still, until it is dropped: because it goes on, or because it is given away.
#[derive(Debug)]
pub(crate) struct Blocked {
    events: Events,
    shard: ShardKey,
    since: Instant,
}

impl Blocked {
    /// `record` is the first that nothing gets past, if it is a record that is in the way.
    pub(crate) fn new(
        last_resort: &LastResort,
        reason: BlockReason,
        record: Option<&Record>,
        error: &str,
    ) -> Self {
        let LastResort { lease, events, .. } = last_resort;
        let (shard, position) = (lease.shard(), record.map(|record| &record.position));
        if !last_resort.plants(PlantedFault::BlockedInSilence) {
            events.emit(&Event::ShardBlocked { shard, position, reason, error });
        }
        Self { events: events.clone(), shard: shard.clone(), since: Instant::now() }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let blocked_for = self.since.elapsed();
        self.events.emit(&Event::ShardUnblocked { shard: &self.shard, blocked_for });
    }
}
