use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::select;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::shard_consumer::{Context, Ending, ShardConsumer, release};
use super::shard_sync::synchronize;
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::{Consistency, HeldLease, Lease, LeaseBook, Taken, assignment, lineage};
use crate::model::{MonotonicTime, ShardId, ShardKey, WorkerId};
use crate::processor::ProcessorFactory;
use crate::retry::within;
use crate::settings::WorkerSettings;

/// Leases taken at once. Between two such groups the worker looks again at what it learned from lost races.
const TAKES_IN_FLIGHT_MAX: usize = 16;

/// A scan, or a sync with the stream, that takes longer is given up; the next interval brings another.
const SCAN_TIMEOUT: Duration = Duration::from_mins(1);

/// How long this worker leaves a shard alone that it could not read, so that it neither spins nor keeps others from
/// trying.
const FAILED_SHARD_DELAY: Duration = Duration::from_secs(10);

/// Looks at the table, takes what is due to this worker, and runs a consumer for each lease it holds.
pub(super) struct Coordinator {
    context: Context,
    started_at: Instant,
    book: LeaseBook,
    consumers: JoinSet<Ending>,
    held: BTreeMap<ShardKey, Held>,
    /// Shards that failed here, and until when they are left alone.
    resting: BTreeMap<ShardKey, Instant>,
    /// What each waiting shard waits for, as last reported.
    waiting: BTreeMap<ShardKey, Vec<ShardId>>,
    /// Rows that named this worker before it had taken anything: left by a predecessor, or a twin's.
    inherited: Option<BTreeMap<ShardKey, u64>>,
    next_sync_at: Instant,
    rng: fastrand::Rng,
}

/// A lease whose consumer runs.
struct Held {
    lease: Arc<HeldLease>,
    consumer: task::Id,
}

impl Coordinator {
    pub(super) fn new(
        settings: WorkerSettings,
        ports: Ports,
        processors: Arc<dyn ProcessorFactory>,
        events: Events,
        stopping: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            started_at: now,
            book: LeaseBook::new(settings.failover_time),
            consumers: JoinSet::new(),
            held: BTreeMap::new(),
            resting: BTreeMap::new(),
            waiting: BTreeMap::new(),
            inherited: None,
            next_sync_at: now,
            rng: fastrand::Rng::with_seed(settings.random_seed),
            context: Context {
                settings: Arc::new(settings),
                ports,
                processors,
                events,
                stopping,
            },
        }
    }

    /// Runs until the worker is told to stop, or cannot go on.
    pub(super) async fn run(mut self) -> Result<()> {
        self.prepare().await?;
        self.context.events.emit(&Event::WorkerStarted);
        let outcome = self.coordinate().await;
        self.stop().await;
        outcome
    }

    /// Makes the table ready. Only trouble that passes is waited for.
    async fn prepare(&self) -> Result<()> {
        loop {
            let prepare = self.context.ports.leases.prepare();
            match within(SCAN_TIMEOUT, "preparing the lease table", prepare).await {
                Err(error) if error.is_retryable() => self.report(&error),
                outcome => return outcome,
            }
            select! {
                biased;
                () = self.context.stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.context.settings.lease_scan_interval) => {}
            }
        }
    }

    async fn coordinate(&mut self) -> Result<()> {
        let stopping = self.context.stopping.clone();
        let mut has_looked = false;
        let mut next_scan_at = Instant::now();
        loop {
            select! {
                biased;
                () = stopping.cancelled() => return Ok(()),
                Some(ended) = self.consumers.join_next_with_id() => {
                    if self.consumer_ended(ended)? {
                        next_scan_at = Instant::now();
                    }
                }
                () = sleep_until(next_scan_at) => {
                    next_scan_at = Instant::now() + self.context.settings.lease_scan_interval;
                    match self.look().await {
                        Ok(()) => has_looked = true,
                        // Before the first success this is a mistake in the set-up, later perhaps a passing one,
                        // and what is held goes on.
                        Err(error) if has_looked || error.is_retryable() => self.report(&error),
                        Err(error) => return Err(error),
                    }
                    self.check_namesake()?;
                }
            }
        }
    }

    /// One look at the table, and at the stream if that is due; then takes what is due to this worker.
    async fn look(&mut self) -> Result<()> {
        let sync_is_due = Instant::now() >= self.next_sync_at;
        let consistency = if sync_is_due {
            Consistency::Strong
        } else {
            Consistency::Eventual
        };
        let scan = self.context.ports.leases.list(consistency);
        let rows = within(SCAN_TIMEOUT, "scanning the lease table", scan).await?;
        let now = self.now();
        self.book.observe_scan(rows, now);
        if sync_is_due {
            self.synchronize().await?;
        }
        self.take_due_leases().await
    }

    async fn synchronize(&mut self) -> Result<()> {
        let now = self.now();
        let Context {
            settings,
            ports,
            events,
            ..
        } = &self.context;
        let sync = synchronize(
            ports,
            &settings.stream,
            settings.initial_position,
            &mut self.book,
            now,
            events,
        );
        within(SCAN_TIMEOUT, "comparing the lease table with the stream", sync).await?;
        self.next_sync_at = Instant::now() + self.context.settings.shard_sync_interval;
        Ok(())
    }

    /// Takes leases in groups, and decides anew after each: a lost race shows who else is there.
    async fn take_due_leases(&mut self) -> Result<()> {
        self.report_waiting();
        let groups_max = self.book.len().div_ceil(TAKES_IN_FLIGHT_MAX) * 2;
        for _ in 0..groups_max {
            let mut due = self.due_leases();
            due.truncate(TAKES_IN_FLIGHT_MAX);
            if due.is_empty() || self.context.stopping.is_cancelled() {
                break;
            }
            // From here on a row that moves may have moved by our own hand.
            if let Some(inherited) = &mut self.inherited {
                inherited.retain(|shard, _| !due.iter().any(|lease| lease.shard == *shard));
            }
            let takes = join_all(due.iter().map(|seen| self.take(seen))).await;
            let now = self.now();
            let mut failed = Ok(());
            for (seen, taken) in due.into_iter().zip(takes) {
                match taken {
                    Ok(Some(Taken::Held(lease))) => {
                        self.book.observe(lease.acquired().clone(), now);
                        self.start_consumer(lease, seen.owner.as_ref());
                    }
                    Ok(Some(Taken::Lost(Some(row)))) => self.book.observe(*row, now),
                    Ok(Some(Taken::Lost(None))) => self.book.forget(&seen.shard),
                    Ok(None) => {}
                    // Not before the others are started: what is held must be consumed.
                    Err(error) => failed = Err(error),
                }
            }
            failed?;
        }
        Ok(())
    }

    fn due_leases(&self) -> Vec<Lease> {
        let settings = &self.context.settings;
        let now = Instant::now();
        let startable = |lease: &Lease| {
            !self.held.contains_key(&lease.shard)
                && self.resting.get(&lease.shard).is_none_or(|until| now >= *until)
                && lineage::unfinished_parents(lease, &self.book).is_empty()
        };
        let wanted = assignment::leases_to_take(
            &self.book,
            &startable,
            &settings.worker_id,
            settings.max_leases_for_worker,
            self.now(),
        );
        wanted
            .iter()
            .filter_map(|shard| self.book.get(shard))
            .cloned()
            .collect()
    }

    /// Takes one lease, unless a parent that the book does not show turns out to be unfinished (L7).
    async fn take(&self, seen: &Lease) -> Result<Option<Taken>> {
        let Context { settings, ports, .. } = &self.context;
        for parent in seen.parents.iter().map(|parent| seen.shard.sibling(parent)) {
            if self.book.get(&parent).is_none()
                && ports
                    .leases
                    .get(&parent)
                    .await?
                    .is_some_and(|row| !row.is_finished())
            {
                return Ok(None);
            }
        }
        let store = Arc::clone(&ports.leases);
        HeldLease::take(store, seen, &settings.worker_id, settings.failover_time)
            .await
            .map(Some)
    }

    fn start_consumer(&mut self, lease: Arc<HeldLease>, from: Option<&WorkerId>) {
        let shard = lease.shard().clone();
        self.context.events.emit(&Event::LeaseTaken {
            shard: &shard,
            from,
            checkpoint: &lease.acquired().checkpoint,
        });
        let (context, seed) = (self.context.clone(), self.rng.u64(..));
        let held = Arc::clone(&lease);
        // The consumer is made inside the task: a factory that panics ends this shard, not the worker.
        let task = self
            .consumers
            .spawn(async move { ShardConsumer::new(context, held, seed).run().await });
        self.held.insert(
            shard,
            Held {
                lease,
                consumer: task.id(),
            },
        );
    }

    /// Takes note of a consumer's end. True if the table should be looked at at once.
    fn consumer_ended(&mut self, ended: Result<(task::Id, Ending), JoinError>) -> Result<bool> {
        let consumer = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(shard) = self.shard_of(consumer) else {
            return Ok(false);
        };
        let Some(held) = self.held.remove(&shard) else {
            return Ok(false);
        };
        match ended {
            Ok((_, Ending::ShardEnded)) => {
                self.next_sync_at = Instant::now();
                return Ok(true);
            }
            Ok((_, Ending::LeaseLost)) if held.lease.met_namesake() => return Err(self.namesake(&shard)),
            Ok((_, Ending::LeaseLost | Ending::Stopped)) => {}
            Ok((_, Ending::Failed(error))) => self.shard_failed(shard, &error),
            // Not released: its future is gone, so the lease expires by itself.
            Err(panic) => {
                let message = format!("the consumer of shard {shard} panicked");
                self.shard_failed(shard, &Error::new(ErrorKind::Refused, message).with_source(panic));
            }
        }
        Ok(false)
    }

    fn shard_of(&self, consumer: task::Id) -> Option<ShardKey> {
        self.held
            .iter()
            .find(|(_, held)| held.consumer == consumer)
            .map(|(shard, _)| shard.clone())
    }

    fn shard_failed(&mut self, shard: ShardKey, error: &Error) {
        self.context.events.emit(&Event::ShardFailed {
            shard: &shard,
            error,
            delay: FAILED_SHARD_DELAY,
        });
        self.resting.insert(shard, Instant::now() + FAILED_SHARD_DELAY);
    }

    /// Tells once for each state why a free shard is not started.
    fn report_waiting(&mut self) {
        let waiting: BTreeMap<ShardKey, Vec<ShardId>> = self
            .book
            .leases()
            .filter(|lease| lease.owner.is_none() && !lease.is_finished())
            .map(|lease| {
                (
                    lease.shard.clone(),
                    lineage::unfinished_parents(lease, &self.book),
                )
            })
            .filter(|(_, unfinished)| !unfinished.is_empty())
            .collect();
        for (shard, unfinished) in &waiting {
            if self.waiting.get(shard) != Some(unfinished) {
                self.context
                    .events
                    .emit(&Event::WaitingForParents { shard, unfinished });
            }
        }
        self.waiting = waiting;
    }

    /// Rows that named this worker before it took anything must stand still until they expire. One that moves is
    /// renewed by another process of the same name (L5).
    fn check_namesake(&mut self) -> Result<()> {
        let me = &self.context.settings.worker_id;
        let own_rows = || self.book.leases().filter(|lease| lease.is_owned_by(me));
        let Some(inherited) = &mut self.inherited else {
            let rows = own_rows().filter(|lease| !self.held.contains_key(&lease.shard));
            self.inherited = Some(rows.map(|lease| (lease.shard.clone(), lease.counter)).collect());
            return Ok(());
        };
        let own: BTreeSet<&ShardKey> = own_rows().map(|lease| &lease.shard).collect();
        inherited.retain(|shard, _| own.contains(shard) && !self.held.contains_key(shard));
        let moved = inherited
            .iter()
            .find(|(shard, counter)| self.book.get(shard).is_some_and(|row| row.counter != **counter));
        match moved.map(|(shard, _)| shard.clone()) {
            Some(shard) => Err(self.namesake(&shard)),
            None => Ok(()),
        }
    }

    fn namesake(&self, shard: &ShardKey) -> Error {
        let me = &self.context.settings.worker_id;
        let message = format!(
            "worker id '{me}' is in use by another running process, which renews the lease of shard {shard}; \
             give each worker an id of its own"
        );
        Error::new(ErrorKind::Refused, message)
    }

    /// Lets the consumers finish within the grace period, then drops them and gives back what they held.
    async fn stop(&mut self) {
        self.context.stopping.cancel();
        let grace = self.context.settings.shutdown_grace;
        let finished = timeout(grace, async {
            while let Some(ended) = self.consumers.join_next_with_id().await {
                // Whatever it ended with: the worker is leaving.
                let _leaving = self.consumer_ended(ended);
            }
        });
        if finished.await.is_ok() {
            return;
        }
        self.consumers.shutdown().await;
        for (shard, held) in std::mem::take(&mut self.held) {
            self.context.events.emit(&Event::ShutdownForced { shard: &shard });
            release(&held.lease, &self.context.events, self.rng.u64(..)).await;
        }
    }

    fn report(&self, error: &Error) {
        self.context.events.emit(&Event::CoordinationFailed { error });
    }

    fn now(&self) -> MonotonicTime {
        MonotonicTime::from_start(self.started_at.elapsed())
    }
}
