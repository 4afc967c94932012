use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::select;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::consumers::{Consumers, Ended};
use super::shard_consumer::Context;
use super::shard_sync::ShardSync;
use super::standstill::Standstill;
use super::worker::Ports;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Events};
use crate::lease::assignment::{Situation, leases_to_take};
use crate::lease::{Consistency, HeldLease, Lease, LeaseBook, NamesakeWatch, Taken, lineage};
use crate::model::{MonotonicTime, ShardKey};
use crate::processor::ProcessorFactory;
use crate::retry::within;
use crate::settings::WorkerSettings;

/// Leases taken at once. Between two such groups the worker looks again at what it learned from lost races.
const TAKES_IN_FLIGHT_MAX: usize = 16;

/// A scan that takes longer is given up; the next interval brings another.
const SCAN_TIMEOUT: Duration = Duration::from_secs(30);

/// A free lease is unclaimed once it has not moved for this many failover times: whoever may take it as a fair share has
/// had time to.
const UNCLAIMED_AFTER_FAILOVER_TIMES: u32 = 2;

/// An unclaimed lease is reported a failover time later, when whoever could take it has done so.
const UNCLAIMED_REPORT_FAILOVER_TIMES: u32 = 3;

/// Looks at the table, takes what is due to this worker, and has each lease consumed.
pub(super) struct Coordinator {
    context: Context,
    started_at: Instant,
    book: LeaseBook,
    consumers: Consumers,
    sync: ShardSync,
    namesakes: NamesakeWatch,
    standstill: Standstill,
    proven: Proven,
}

/// What has worked once. Before that, an error that waiting does not mend is a mistake in the set-up.
#[derive(Debug, Default)]
struct Proven {
    scan: bool,
    sync: bool,
    take: bool,
}

impl Coordinator {
    pub(super) fn new(
        settings: WorkerSettings,
        ports: Ports,
        processors: Arc<dyn ProcessorFactory>,
        events: Events,
        stopping: CancellationToken,
    ) -> Self {
        let failover_time = settings.failover_time;
        let mut rng = fastrand::Rng::with_seed(settings.random_seed);
        let context = Context { settings: Arc::new(settings), ports, processors, events, stopping };
        Self {
            started_at: Instant::now(),
            book: LeaseBook::new(failover_time),
            sync: ShardSync::new(context.clone(), rng.u64(..)),
            consumers: Consumers::new(context.clone(), rng),
            namesakes: NamesakeWatch::new(failover_time),
            standstill: Standstill::default(),
            proven: Proven::default(),
            context,
        }
    }

    /// Runs until the worker is told to stop, or cannot go on.
    pub(super) async fn run(mut self) -> Result<()> {
        let stopping = self.context.stopping.clone();
        select! {
            biased;
            () = stopping.cancelled() => return Ok(()),
            prepared = self.prepare() => prepared?,
        }
        self.context.events.emit(&Event::WorkerStarted);
        let outcome = self.coordinate().await;
        self.consumers.stop().await;
        self.context.events.emit(&Event::WorkerStopped);
        outcome
    }

    /// Makes the table ready, but not for a stream that does not exist. Only trouble that passes is waited for.
    async fn prepare(&self) -> Result<()> {
        let Context { settings, ports, .. } = &self.context;
        let look = ports.kinesis.list_shards(&settings.stream, None);
        match within(SCAN_TIMEOUT, "looking for the stream", look).await {
            Err(error) if !error.is_retryable() => return Err(error),
            // Trouble with the stream is no reason not to look at the leases.
            _ => {}
        }
        loop {
            match ports.leases.prepare().await {
                Err(error) if error.is_retryable() => self.report(&error),
                outcome => return outcome,
            }
            sleep(settings.lease_scan_interval).await;
        }
    }

    async fn coordinate(&mut self) -> Result<()> {
        let stopping = self.context.stopping.clone();
        let mut next_look_at = Instant::now();
        loop {
            select! {
                biased;
                () = stopping.cancelled() => return Ok(()),
                Some(ended) = self.consumers.next_ended() => match ended {
                    Ended::Shard => self.sync.bring_forward(),
                    Ended::Namesake(shard) => return Err(self.namesake(&shard)),
                    Ended::Other => {}
                },
                synced = self.sync.next_ended() => {
                    self.proven.sync |= synced.is_ok();
                    self.tolerate(synced, self.proven.sync)?;
                    next_look_at = Instant::now();
                }
                () = sleep_until(next_look_at) => {
                    next_look_at = Instant::now() + self.context.settings.lease_scan_interval;
                    select! {
                        biased;
                        () = stopping.cancelled() => return Ok(()),
                        looked = self.look() => looked?,
                    }
                    // Not dropped when the worker stops: a lease taken must get a consumer, which releases it.
                    let taken = self.take_due_leases().await;
                    self.tolerate(taken, self.proven.take)?;
                }
            }
        }
    }

    /// One look at the table. Fails only if the worker cannot go on.
    async fn look(&mut self) -> Result<()> {
        let scan = self.context.ports.leases.list(Consistency::Eventual);
        let scanned = within(SCAN_TIMEOUT, "scanning the lease table", scan).await.map(|mut rows| {
            rows.retain(|row| row.shard.stream == self.context.settings.stream);
            self.book.observe_scan(rows, self.now());
        });
        self.proven.scan |= scanned.is_ok();
        self.tolerate(scanned, self.proven.scan)?;
        self.sync.look(&self.book);
        let Context { settings, events, .. } = &self.context;
        let (now, holds) = (self.now(), |shard: &ShardKey| self.consumers.holds(shard));
        if let Some(shard) = self.namesakes.look(&self.book, &settings.worker_id, holds, now) {
            return Err(self.namesake(&shard));
        }
        let unclaimed_after = settings.failover_time * UNCLAIMED_REPORT_FAILOVER_TIMES;
        self.standstill.report(&self.book, now, unclaimed_after, events);
        Ok(())
    }

    /// Reports an error after which the next round tries again. Before the first success, one that waiting does not
    /// mend ends the worker; later what is held goes on.
    fn tolerate(&self, outcome: Result<()>, proven: bool) -> Result<()> {
        match outcome {
            Err(error) if proven || error.is_retryable() => self.report(&error),
            outcome => return outcome,
        }
        Ok(())
    }

    /// Takes leases in groups, each lease at most once, and decides anew after each group: a lost race shows who else is
    /// there. A lease that fails does not keep the others waiting. Returns the last failure.
    async fn take_due_leases(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        let mut tried = BTreeSet::new();
        while !self.context.stopping.is_cancelled() {
            let due = self.due_leases(&tried);
            if due.is_empty() {
                break;
            }
            let mut running = FuturesUnordered::new();
            for lease in due {
                self.namesakes.forget(&lease.shard);
                tried.insert(lease.shard.clone());
                running.push(take(self.context.clone(), self.unseen_parents(&lease), lease));
            }
            while let Some((seen, taken)) = running.next().await {
                match taken {
                    Ok(taken) => self.settle(&seen, taken),
                    Err(error) => outcome = Err(error),
                }
            }
        }
        outcome
    }

    fn due_leases(&self, tried: &BTreeSet<ShardKey>) -> Vec<Lease> {
        let settings = &self.context.settings;
        let may_take = |lease: &Lease| {
            !tried.contains(&lease.shard)
                && !self.consumers.is_resting(&lease.shard)
                && lineage::unfinished_parents(lease, &self.book).is_empty()
        };
        let mut due = leases_to_take(&Situation {
            book: &self.book,
            me: &settings.worker_id,
            holds: &|shard| self.consumers.holds(shard),
            may_take: &may_take,
            may_steal: !self.consumers.any_is_resting(),
            leases_max: settings.max_leases_for_worker,
            unclaimed_after: settings.failover_time * UNCLAIMED_AFTER_FAILOVER_TIMES,
            now: self.now(),
        });
        due.truncate(TAKES_IN_FLIGHT_MAX);
        due.iter().filter_map(|shard| self.book.get(shard)).cloned().collect()
    }

    /// The parents of a lease whose rows the book does not show: gone, or missed by a stale scan.
    fn unseen_parents(&self, lease: &Lease) -> Vec<ShardKey> {
        let parents = lease.parents.iter().map(|parent| lease.shard.sibling(parent));
        parents.filter(|parent| self.book.get(parent).is_none()).collect()
    }

    fn settle(&mut self, seen: &Lease, taken: Taken) {
        let now = self.now();
        match taken {
            Taken::Held(lease) => {
                self.context.events.emit(&Event::LeaseTaken {
                    shard: lease.shard(),
                    from: seen.owner.as_ref(),
                    checkpoint: &lease.acquired().checkpoint,
                });
                self.proven.take = true;
                self.book.observe(lease.acquired().clone(), now);
                self.consumers.start(lease);
            }
            Taken::Lost(Some(row)) => self.book.observe(*row, now),
            Taken::Lost(None) => self.book.forget(&seen.shard),
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

    fn report(&self, error: &Error) {
        self.context.events.emit(&Event::CoordinationFailed { error });
    }

    fn now(&self) -> MonotonicTime {
        MonotonicTime::from_start(self.started_at.elapsed())
    }
}

/// Takes one lease; lost to a parent's row if that turns out to be unfinished (L7).
async fn take(context: Context, unseen_parents: Vec<ShardKey>, seen: Lease) -> (Lease, Result<Taken>) {
    let Context { settings, ports, .. } = &context;
    let failover_time = settings.failover_time;
    for parent in unseen_parents {
        match within(failover_time, "reading a parent's lease", ports.leases.get(&parent)).await {
            Ok(Some(row)) if !row.is_finished() => return (seen, Ok(Taken::Lost(Some(Box::new(row))))),
            Ok(_) => {}
            Err(error) => return (seen, Err(error)),
        }
    }
    let store = Arc::clone(&ports.leases);
    let taken = HeldLease::take(store, &seen, &settings.worker_id, failover_time).await;
    (seen, taken)
}
