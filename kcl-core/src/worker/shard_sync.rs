use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use tokio::time::{Instant, sleep_until};

use super::shard_consumer::Context;
use super::table_scan::SCAN_TIMEOUT_MAX;
use super::worker::Ports;
use crate::error::Result;
use crate::event::{Event, Events};
use crate::lease::{Conditional, Consistency, Lease, LeaseBook, lineage};
use crate::model::{Checkpoint, MonotonicTime, ShardKey};
use crate::planted::PlantedFault;
use crate::retry::{Retry, RetryDelays, within};
use crate::settings::WorkerSettings;
use crate::stream::list_all_shards;

/// Rows created at once. Enough to fill a table of a thousand shards in seconds; a new on-demand table takes 4,000
/// writes a second (DynamoDB developer guide).
const CREATES_IN_FLIGHT_MAX: usize = 16;

/// A call to the table that takes longer is given up, and the sync with it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A sync that failed, or that the stream's list was too old for, costs a whole scan when it is made again: soon, then
/// patiently.
const SYNC_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_secs(1), max: Duration::from_secs(30) };

/// When many shards end together, one sync serves those that end within this time.
const SYNC_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How long the stream's list may be older than the rows without anything being wrong.
const CONTRADICTION_TIME: Duration = Duration::from_secs(30);

/// Holds the lease table against the stream's shards, from time to time: creates the rows that are missing, deletes
/// those that are of no use any more. Which, is decided by [`lineage`].
///
/// It runs beside everything else: while the stream cannot be listed, leases still change hands.
pub(super) struct ShardSync {
    context: Context,
    /// The sync that runs, if one does.
    running: Option<BoxFuture<'static, Result<Findings>>>,
    started_at: Option<Instant>,
    next_at: Instant,
    /// Somebody asked for a sync since the last one began.
    is_wanted: bool,
    retry: Retry,
    /// Ended shards for whose missing children a sync was asked for.
    noticed: BTreeSet<ShardKey>,
    /// Open shards whose rows say that they have ended.
    finished_but_open: BTreeMap<ShardKey, Contradiction>,
    /// Free leases whose parents lack a row, and since when.
    unknown_parents: BTreeMap<ShardKey, Instant>,
    /// When the last sync that succeeded began.
    judged_at: Option<Instant>,
}

struct Contradiction {
    since: Instant,
    is_reported: bool,
}

/// What a sync could not mend.
struct Findings {
    /// A shard has ended, and the stream does not list its children yet.
    lacks_children: bool,
    finished_but_open: BTreeSet<ShardKey>,
}

impl ShardSync {
    /// The first sync is due at once.
    pub(super) fn new(context: Context, seed: u64) -> Self {
        Self {
            context,
            running: None,
            started_at: None,
            next_at: Instant::now(),
            is_wanted: false,
            retry: Retry::new(SYNC_RETRY_DELAYS, seed),
            noticed: BTreeSet::new(),
            finished_but_open: BTreeMap::new(),
            unknown_parents: BTreeMap::new(),
            judged_at: None,
        }
    }

    /// Starts a sync when one is due, and waits until it has ended. Dropping the future loses nothing: the next call
    /// goes on with the sync.
    pub(super) async fn next_ended(&mut self) -> Result<()> {
        let running = if let Some(running) = &mut self.running {
            running
        } else {
            sleep_until(self.next_at).await;
            self.is_wanted = false;
            self.started_at = Some(Instant::now());
            self.running.insert(synchronize(self.context.clone()).boxed())
        };
        let outcome = running.await;
        self.running = None;
        if outcome.is_ok() {
            self.judged_at = self.started_at;
        }
        self.schedule_next(outcome.as_ref().is_ok_and(|findings| !findings.lacks_children));
        self.report(&outcome?.finished_but_open);
        Ok(())
    }

    fn schedule_next(&mut self, is_complete: bool) {
        let interval = if is_complete {
            self.retry.reset();
            self.context.settings.shard_sync_interval
        } else {
            self.retry.next_delay()
        };
        self.next_at = Instant::now() + interval;
        if self.is_wanted {
            self.bring_forward();
        }
    }

    /// A listing that is a moment old contradicts the rows, too, so only what lasts is reported, once.
    fn report(&mut self, found: &BTreeSet<ShardKey>) {
        for (shard, _) in self
            .finished_but_open
            .extract_if(.., |shard, _| !found.contains(shard))
            .filter(|(_, contradiction)| contradiction.is_reported)
        {
            self.context.events.emit(&Event::StandstillOver { shard: &shard });
        }
        let now = Instant::now();
        for shard in found {
            let new = Contradiction { since: now, is_reported: false };
            let contradiction = self.finished_but_open.entry(shard.clone()).or_insert(new);
            if !contradiction.is_reported && now >= contradiction.since + CONTRADICTION_TIME {
                contradiction.is_reported = true;
                self.context.events.emit(&Event::ShardEndedTooEarly { shard });
            }
        }
    }

    /// Asks for a sync at once, or as soon as the running one has ended: a shard has ended, so its children need rows.
    pub(super) fn bring_forward(&mut self) {
        self.is_wanted = true;
        let now = Instant::now();
        self.next_at = self.started_at.map_or(now, |started_at| now.max(started_at + SYNC_INTERVAL_MIN));
    }

    /// False as long as a parent of the lease may be unfinished without a row: a sync that begins after that was seen makes
    /// the row again (L7).
    pub(super) fn knows_parents_of(&self, shard: &ShardKey) -> bool {
        self.unknown_parents.get(shard).is_none_or(|since| self.judged_at.is_some_and(|at| at >= *since))
    }

    /// Brings the sync forward if another worker ended a shard and did not get as far as its children's rows, or if a free
    /// lease has parents without rows.
    pub(super) fn look(&mut self, book: &LeaseBook, now: MonotonicTime) {
        let seen_at = Instant::now();
        let before = std::mem::take(&mut self.unknown_parents);
        let is_free = |lease: &&Lease| book.live_owner(&lease.shard, now).is_none();
        let unknown = book.leases().filter(is_free).filter(|lease| lineage::has_unknown_parents(lease, book));
        self.unknown_parents = unknown
            .map(|lease| (lease.shard.clone(), before.get(&lease.shard).copied().unwrap_or(seen_at)))
            .collect();
        if self.unknown_parents.keys().any(|shard| !before.contains_key(shard)) {
            self.bring_forward();
        }
        let without_children = lineage::ended_without_children(book);
        if !without_children.is_subset(&self.noticed) {
            self.bring_forward();
        }
        self.noticed = without_children;
    }
}

/// One sync. It lists before it reads the table, and reads that consistently: what a listed shard follows has its row by
/// then, if it ever had one, so no shard starts at the tip that should follow another.
async fn synchronize(context: Context) -> Result<Findings> {
    let Context { settings, ports, events, .. } = &context;
    let now = MonotonicTime::default();
    let latest_since = ports.kinesis.now();
    let shards = list_all_shards(&*ports.kinesis, &settings.stream).await?;
    let scan = ports.leases.list(Consistency::Strong);
    let mut rows = within(SCAN_TIMEOUT_MAX, "scanning the lease table", scan).await?;
    rows.retain(|row| row.shard.stream == settings.stream);
    let mut book = LeaseBook::new(settings.failover_time);
    book.observe_scan(rows, now);
    let mut missing = lineage::leases_to_create(&settings.stream, &shards, &book, settings.initial_position);
    for lease in missing.iter_mut().filter(|lease| lease.checkpoint == Checkpoint::Latest) {
        lease.latest_since = Some(latest_since);
    }
    plant(settings, &book, &mut missing);
    create_all(ports, &missing, events).await?;
    for lease in missing {
        book.observe(lease, now);
    }
    let mut useless = lineage::leases_to_delete(&settings.stream, &shards, &book);
    if settings.plants(PlantedFault::RowsDeletedEarly) {
        useless = book.leases().filter(|lease| lease.is_finished()).cloned().collect();
    }
    delete_all(ports, &useless, events).await;
    Ok(Findings {
        lacks_children: !lineage::ended_without_children(&book).is_empty(),
        finished_but_open: lineage::finished_but_open(&settings.stream, &shards, &book).into_iter().collect(),
    })
}

/// Mistakes in the rows to make, if one is planted.
fn plant(settings: &WorkerSettings, book: &LeaseBook, missing: &mut Vec<Lease>) {
    if settings.plants(PlantedFault::RowsNotMade) && book.leases().next().is_some() {
        missing.clear();
    }
    for lease in missing {
        if settings.plants(PlantedFault::ParentsForgotten) {
            lease.parents.clear();
        }
        if settings.plants(PlantedFault::ChildrenAtInitialPosition) {
            lease.checkpoint = settings.initial_position.sentinel();
        }
    }
}

/// Deletes rows, parents first, until one fails: a row too many does no harm, and must not keep the worker from its
/// work, but a parent's row that outlives its child's would never be of no use again.
async fn delete_all(ports: &Ports, leases: &[Lease], events: &Events) {
    for lease in leases {
        if let Err(error) = within(CALL_TIMEOUT, "deleting a row", ports.leases.delete(lease)).await {
            return events.emit(&Event::CoordinationFailed { error: &error });
        }
    }
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
    let created = within(CALL_TIMEOUT, "creating a row", ports.leases.create(lease)).await?;
    if let Conditional::Applied(row) = created {
        events.emit(&Event::LeaseCreated { shard: &row.shard, checkpoint: &row.checkpoint });
    }
    Ok(())
}
