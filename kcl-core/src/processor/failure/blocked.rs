use tokio::time::Instant;

use crate::event::{BlockReason, Event, Events};
use crate::model::{Record, ShardKey};

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
        events: &Events,
        shard: &ShardKey,
        reason: BlockReason,
        record: Option<&Record>,
        error: &str,
    ) -> Self {
        let position = record.map(|record| &record.position);
        events.emit(&Event::ShardBlocked { shard, position, reason, error });
        Self { events: events.clone(), shard: shard.clone(), since: Instant::now() }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let blocked_for = self.since.elapsed();
        self.events.emit(&Event::ShardUnblocked { shard: &self.shard, blocked_for });
    }
}
