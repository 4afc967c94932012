use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::select;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::consumers::{Consumers, Ended};
use super::shard_consumer::Context;
use super::shard_sync::synchronize;
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::{Consistency, HeldLease, Lease, LeaseBook, NamesakeWatch, Taken, assignment, lineage};
use crate::model::{MonotonicTime, ShardId, ShardKey};
use crate::processor::ProcessorFactory;
use crate::retry::within;
use crate::settings::WorkerSettings;

/// Leases taken at once. Between two such groups the worker looks again at what it learned from lost races.
const TAKES_IN_FLIGHT_MAX: usize = 16;

/// A scan, or a sync with the stream, that takes longer is given up; the next interval brings another.
const SCAN_TIMEOUT: Duration = Duration::from_secs(60);

/// Looks at the table, takes what is due to this worker, and has each lease consumed.
pub(super) struct Coordinator {
    context: Context,
    started_at: Instant,
    book: LeaseBook,
    consumers: Consumers,
    namesakes: NamesakeWatch,
    /// What each waiting shard waits for, as last reported.
    waiting: BTreeMap<ShardKey, Vec<ShardId>>,
    next_sync_at: Instant,
    has_synchronized: bool,
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
        let book = LeaseBook::new(settings.failover_time);
        let rng = fastrand::Rng::with_seed(settings.random_seed);
        let context = Context { settings: Arc::new(settings), ports, processors, events, stopping };
        Self {
            consumers: Consumers::new(context.clone(), rng),
            context,
            started_at: now,
            book,
            namesakes: NamesakeWatch::default(),
            waiting: BTreeMap::new(),
            next_sync_at: now,
            has_synchronized: false,
        }
    }

    /// Runs until the worker is told to stop, or cannot go on.
    pub(super) async fn run(mut self) -> Result<()> {
        self.prepare().await?;
        self.context.events.emit(&Event::WorkerStarted);
        let outcome = self.coordinate().await;
        self.consumers.stop().await;
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
                () = sleep(self.context.settings.lease_scan_interval) => {}
            }
        }
    }

    async fn coordinate(&mut self) -> Result<()> {
        let stopping = self.context.stopping.clone();
        let mut next_round_at = Instant::now();
        loop {
            select! {
                biased;
                () = stopping.cancelled() => return Ok(()),
                Some(ended) = self.consumers.next_ended() => match ended {
                    Ended::Shard => {
                        self.next_sync_at = Instant::now();
                        next_round_at = Instant::now();
                    }
                    Ended::Namesake(shard) => return Err(self.namesake(&shard)),
                    Ended::Other => {}
                },
                () = sleep_until(next_round_at) => {
                    next_round_at = Instant::now() + self.context.settings.lease_scan_interval;
                    select! {
                        biased;
                        () = stopping.cancelled() => return Ok(()),
                        looked = self.look() => looked?,
                    }
                    // Not dropped when the worker stops: a lease taken must get a consumer, which releases it.
                    self.take_due_leases().await.unwrap_or_else(|error| self.report(&error));
                }
            }
        }
    }

    /// One look at the table, and at the stream if that is due. Fails only if the worker cannot go on.
    async fn look(&mut self) -> Result<()> {
        let sync_is_due = Instant::now() >= self.next_sync_at;
        let consistency = if sync_is_due { Consistency::Strong } else { Consistency::Eventual };
        let scan = self.context.ports.leases.list(consistency);
        match within(SCAN_TIMEOUT, "scanning the lease table", scan).await {
            Ok(rows) => self.book.observe_scan(rows, self.now()),
            Err(error) => return self.tolerate(error),
        }
        let me = &self.context.settings.worker_id;
        if let Some(shard) = self.namesakes.look(&self.book, me, |shard| self.consumers.holds(shard)) {
            return Err(self.namesake(&shard));
        }
        if sync_is_due && let Err(error) = self.synchronize().await {
            return self.tolerate(error);
        }
        Ok(())
    }

    /// Reports an error after which the next round tries again. Before the first success, one that waiting does not
    /// mend is a mistake in the set-up; later what is held goes on.
    fn tolerate(&self, error: Error) -> Result<()> {
        if !self.has_synchronized && !error.is_retryable() {
            return Err(error);
        }
        self.report(&error);
        Ok(())
    }

    async fn synchronize(&mut self) -> Result<()> {
        let now = self.now();
        let Context { settings, ports, events, .. } = &self.context;
        let sync =
            synchronize(ports, &settings.stream, settings.initial_position, &mut self.book, now, events);
        within(SCAN_TIMEOUT, "comparing the lease table with the stream", sync).await?;
        self.next_sync_at = Instant::now() + self.context.settings.shard_sync_interval;
        self.has_synchronized = true;
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
            for lease in &due {
                self.namesakes.forget(&lease.shard);
            }
            let takes = join_all(due.iter().map(|seen| self.take(seen))).await;
            let now = self.now();
            let mut failed = Ok(());
            for (seen, taken) in due.into_iter().zip(takes) {
                match taken {
                    Ok(Some(Taken::Held(lease))) => {
                        self.context.events.emit(&Event::LeaseTaken {
                            shard: lease.shard(),
                            from: seen.owner.as_ref(),
                            checkpoint: &lease.acquired().checkpoint,
                        });
                        self.book.observe(lease.acquired().clone(), now);
                        self.consumers.start(lease);
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
        let startable = |lease: &Lease| {
            !self.consumers.holds(&lease.shard)
                && !self.consumers.is_resting(&lease.shard)
                && lineage::unfinished_parents(lease, &self.book).is_empty()
        };
        let wanted = assignment::leases_to_take(
            &self.book,
            &startable,
            &settings.worker_id,
            settings.max_leases_for_worker,
            self.now(),
        );
        wanted.iter().filter_map(|shard| self.book.get(shard)).cloned().collect()
    }

    /// Takes one lease, unless a parent that the book does not show turns out to be unfinished (L7).
    async fn take(&self, seen: &Lease) -> Result<Option<Taken>> {
        let Context { settings, ports, .. } = &self.context;
        for parent in seen.parents.iter().map(|parent| seen.shard.sibling(parent)) {
            if self.book.get(&parent).is_none()
                && ports.leases.get(&parent).await?.is_some_and(|row| !row.is_finished())
            {
                return Ok(None);
            }
        }
        let store = Arc::clone(&ports.leases);
        HeldLease::take(store, seen, &settings.worker_id, settings.failover_time).await.map(Some)
    }

    /// Tells once for each state why a free shard is not started.
    fn report_waiting(&mut self) {
        let waiting: BTreeMap<ShardKey, Vec<ShardId>> = self
            .book
            .leases()
            .filter(|lease| lease.owner.is_none() && !lease.is_finished())
            .map(|lease| (lease.shard.clone(), lineage::unfinished_parents(lease, &self.book)))
            .filter(|(_, unfinished)| !unfinished.is_empty())
            .collect();
        for (shard, unfinished) in &waiting {
            if self.waiting.get(shard) != Some(unfinished) {
                self.context.events.emit(&Event::WaitingForParents { shard, unfinished });
            }
        }
        self.waiting = waiting;
    }

    fn namesake(&self, shard: &ShardKey) -> Error {
        let me = &self.context.settings.worker_id;
        let message = format!(
            "worker id '{me}' is in use by another running process, which renews the lease of shard {shard}; \
             give each worker an id of its own"
        );
        Error::new(ErrorKind::Refused, message)
    }

    fn report(&self, error: &Error) {
        self.context.events.emit(&Event::CoordinationFailed { error });
    }

    fn now(&self) -> MonotonicTime {
        MonotonicTime::from_start(self.started_at.elapsed())
    }
}
