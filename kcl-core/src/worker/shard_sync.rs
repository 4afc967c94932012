use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::shard_consumer::Context;
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::{Conditional, Consistency, Lease, LeaseBook, lineage};
use crate::model::{MonotonicTime, ShardKey};
use crate::retry::{Retry, RetryDelays, within};
use crate::stream::list_all_shards;

/// Rows created at once. Enough to fill a table of a thousand shards in seconds; a new on-demand table takes 4,000
/// writes a second (DynamoDB developer guide).
const CREATES_IN_FLIGHT_MAX: usize = 16;

/// A sync that takes longer is given up; each of its calls has a time-out of its own.
const SYNC_TIMEOUT: Duration = Duration::from_secs(120);

/// A sync that failed costs a whole scan when it is made again: soon, then patiently.
const SYNC_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(1), max: Duration::from_secs(30) };

/// Holds the lease table against the stream's shards, from time to time: creates the rows that are missing, deletes
/// those that are of no use any more. Which, is decided by [`lineage`].
///
/// It runs beside everything else: while the stream cannot be listed, leases still change hands.
pub(super) struct ShardSync {
    context: Context,
    /// The sync that runs, if one does.
    running: JoinSet<Result<()>>,
    next_at: Instant,
    /// Somebody asked for a sync since the last one began.
    is_wanted: bool,
    retry: Retry,
    /// Ended shards for whose missing children a sync was asked for.
    noticed: BTreeSet<ShardKey>,
}

impl ShardSync {
    /// The first sync is due at once.
    pub(super) fn new(context: Context, seed: u64) -> Self {
        Self {
            context,
            running: JoinSet::new(),
            next_at: Instant::now(),
            is_wanted: false,
            retry: Retry::new(SYNC_RETRY_DELAYS, seed),
            noticed: BTreeSet::new(),
        }
    }

    /// Starts a sync when one is due, and waits until it has ended. Dropping the future loses nothing.
    pub(super) async fn next_ended(&mut self) -> Result<()> {
        loop {
            if self.running.is_empty() {
                sleep_until(self.next_at).await;
                self.is_wanted = false;
                self.running.spawn(synchronize(self.context.clone()));
            }
            if let Some(ended) = self.running.join_next().await {
                return self.schedule_next(ended);
            }
        }
    }

    fn schedule_next(&mut self, ended: Result<Result<()>, JoinError>) -> Result<()> {
        let outcome = ended.unwrap_or_else(|panic| {
            Err(Error::new(ErrorKind::Transient, "comparing the lease table with the stream panicked")
                .with_source(panic))
        });
        let interval = match &outcome {
            Ok(()) => {
                self.retry.reset();
                self.context.settings.shard_sync_interval
            }
            Err(_) => self.retry.next_delay(),
        };
        self.next_at = if self.is_wanted { Instant::now() } else { Instant::now() + interval };
        outcome
    }

    /// Asks for a sync at once, or as soon as the running one has ended: a shard has ended, so its children need rows.
    pub(super) fn bring_forward(&mut self) {
        self.is_wanted = true;
        self.next_at = Instant::now();
    }

    /// Brings the sync forward if another worker ended a shard and did not get as far as its children's rows.
    pub(super) fn look(&mut self, book: &LeaseBook) {
        let without_children = lineage::ended_without_children(book);
        if !without_children.is_subset(&self.noticed) {
            self.bring_forward();
        }
        self.noticed = without_children;
    }
}

/// One sync. It reads the table consistently, since a row that a stale scan lacks could be made at another position.
async fn synchronize(context: Context) -> Result<()> {
    let Context { settings, ports, events, .. } = &context;
    let sync = async {
        let mut book = LeaseBook::new(settings.failover_time);
        book.observe_scan(ports.leases.list(Consistency::Strong).await?, MonotonicTime::default());
        let shards = list_all_shards(&*ports.kinesis, &settings.stream).await?;
        let missing = lineage::leases_to_create(&settings.stream, &shards, &book, settings.initial_position);
        create_all(ports, &missing, events).await?;
        for shard in lineage::finished_but_open(&settings.stream, &shards, &book) {
            events.emit(&Event::ShardEndedTooEarly { shard: &shard });
        }
        for lease in lineage::leases_to_delete(&settings.stream, &shards, &book) {
            // A row too many does no harm: it must not keep the worker from its work.
            if let Err(error) = ports.leases.delete(&lease).await {
                events.emit(&Event::CoordinationFailed { error: &error });
            }
        }
        Ok(())
    };
    within(SYNC_TIMEOUT, "comparing the lease table with the stream", sync).await
}

/// Creates rows, parents before children: a child's row tells every worker that its parents have theirs.
async fn create_all(ports: &Ports, leases: &[Lease], events: &Events) -> Result<()> {
    let mut rest = leases;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(independent_prefix(rest));
        try_join_all(group.iter().map(|lease| create(ports, lease, events))).await?;
        rest = later;
    }
    Ok(())
}

/// How many leases from the front have no parent among themselves.
fn independent_prefix(leases: &[Lease]) -> usize {
    let candidates = &leases[..leases.len().min(CREATES_IN_FLIGHT_MAX)];
    let follows = |index: usize| {
        let earlier = &candidates[..index];
        candidates[index]
            .parents
            .iter()
            .any(|parent| earlier.iter().any(|lease| lease.shard.shard_id == *parent))
    };
    (0..candidates.len()).find(|index| follows(*index)).unwrap_or(candidates.len())
}

/// Creates a row, unless another worker does at the same time.
async fn create(ports: &Ports, lease: &Lease, events: &Events) -> Result<()> {
    if let Conditional::Applied(row) = ports.leases.create(lease).await? {
        events.emit(&Event::LeaseCreated { shard: &row.shard, checkpoint: &row.checkpoint });
    }
    Ok(())
}
