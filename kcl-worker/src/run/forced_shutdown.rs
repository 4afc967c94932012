use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use kcl_core::Event;
use kcl_core::model::{ShardId, WorkerId};

use crate::Failure;

/// The shards whose processors had to be dropped at the end, so that what they printed last may not be committed.
#[derive(Debug, Default)]
pub(super) struct ForcedShutdown(Mutex<BTreeSet<ShardId>>);

impl ForcedShutdown {
    /// Takes note of a worker's events.
    pub(super) fn sink(self: &Arc<Self>) -> impl Fn(&WorkerId, &Event<'_>) + Send + Sync + 'static {
        let forced = Arc::clone(self);
        move |_, event| {
            if let Event::ShutdownForced { shard } = event {
                let mut shards = forced.0.lock().unwrap_or_else(PoisonError::into_inner);
                shards.insert(shard.shard_id.clone());
            }
        }
    }

    /// What a person must know, if there was one.
    pub(super) fn failure(&self) -> Option<Failure> {
        let shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = shards.first()?;
        let others = match shards.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        Some(Failure::runtime(format!(
            "{first}{others} did not finish within the grace period; the last batch was not committed and comes again; \
             if this happens often, raise --shutdown-grace-ms"
        )))
    }
}

#[cfg(test)]
mod tests {
    use kcl_core::model::{ShardKey, StreamId};

    use super::*;

    #[test]
    fn a_processor_that_had_to_be_dropped_is_a_failure_and_nothing_else_is() {
        let forced = Arc::new(ForcedShutdown::default());
        let sink = ForcedShutdown::sink(&forced);
        let worker = WorkerId::new("a").unwrap();
        let shard = |id| ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(id));
        sink(&worker, &Event::WorkerStopped);
        sink(&worker, &Event::LeaseReleased { shard: &shard("shardId-1") });
        assert_eq!(forced.failure(), None);
        sink(&worker, &Event::ShutdownForced { shard: &shard("shardId-1") });
        sink(&worker, &Event::ShutdownForced { shard: &shard("shardId-2") });
        let failure = forced.failure().unwrap();
        assert_eq!(failure.status(), 1);
        assert!(failure.to_string().starts_with("shardId-1 and 1 more did not finish"), "{failure}");
    }
}
