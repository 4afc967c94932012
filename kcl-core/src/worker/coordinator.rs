use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join;
use tokio::select;
use tokio::time::{Instant, sleep};

use super::consumers::{Consumers, Ended};
use super::requests::{Answer, Request, Requests};
use super::scan_report::report_scan;
use super::shard_consumer::Context;
use super::shard_sync::ShardSync;
use super::standstill::Standstill;
use super::table_scan::TableScan;
use super::takes::{Take, Takes};
use super::{ShardOutcome, ShutdownReport};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lease::assignment::{Due, Situation, Stance, due_leases, has_just_come_free};
use crate::lease::{Lease, LeaseBook, NamesakeWatch, Taken, lineage};
use crate::model::{MonotonicTime, ShardKey};
use crate::planted::PlantedFault;
use crate::retry::{Retry, RetryDelays, within};
use crate::stream::ShardPageRequest;

/// How long the first look at the stream may take. It only saves a lease table from being made for a name that was
/// mistyped.
const FIRST_LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// A table that is not ready by then is reported, and waited for again.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait for a lease table that cannot be reached: soon, then patiently.
const PREPARE_RETRY_DELAYS: RetryDelays =
    RetryDelays { initial: Duration::from_millis(500), max: Duration::from_secs(30) };

/// A free lease is unclaimed once it has been free for this many scans, or for a failover time if that is longer: whoever
/// may take it as a fair share has had time to.
const UNCLAIMED_AFTER_SCANS: u32 = 3;

/// While a lease has been free for less than this, the table is looked at twice as often: whoever gives one back often gives
/// back more, and shares shift with each.
const RESTLESS_TIME: Duration = Duration::from_secs(2);

/// An unclaimed lease is reported a failover time later, when whoever could take it has done so.
const UNCLAIMED_REPORT_FAILOVER_TIMES: u32 = 3;

/// Looks at the table, takes what is due to this worker, and has each lease consumed. Each of these goes on while the
/// others wait.
pub(super) struct Coordinator {
    context: Context,
    started_at: Instant,
    book: LeaseBook,
    scan: TableScan,
    sync: ShardSync,
    takes: Takes,
    requests: Requests,
    consumers: Consumers,
    namesakes: NamesakeWatch,
    standstill: Standstill,
    /// The last scan showed this worker to the others.
    is_introduced: bool,
    /// What is left to do of the last decision; `None` if what was seen since calls for a new one.
    due: Option<Due>,
    /// What has worked once.
    proven: BTreeSet<Step>,
}

/// What a worker must be able to do. An error that waiting does not mend is a mistake in the set-up as long as the step
/// has never worked, and ends the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Scan,
    Sync,
    Take,
}

impl Coordinator {
    pub(super) fn new(context: Context) -> Self {
        let settings = &context.settings;
        let failover_time = settings.failover_time;
        let expires_early = settings.plants(PlantedFault::ExpiryTooEarly);
        let mut rng = fastrand::Rng::with_seed(settings.random_seed);
        Self {
            started_at: Instant::now(),
            book: LeaseBook::new(if expires_early { failover_time / 2 } else { failover_time }),
            scan: TableScan::new(context.clone()),
            sync: ShardSync::new(context.clone(), rng.u64(..)),
            takes: Takes::new(context.clone(), rng.fork()),
            requests: Requests::new(context.clone(), rng.fork()),
            consumers: Consumers::new(context.clone(), rng),
            namesakes: NamesakeWatch::new(failover_time),
            standstill: Standstill::default(),
            is_introduced: false,
            due: None,
            proven: BTreeSet::new(),
            context,
        }
    }

    /// Runs until the worker is told to stop, or cannot go on.
    pub(super) async fn run(mut self) -> Result<ShutdownReport> {
        let stopping = self.context.stopping.clone();
        select! {
            biased;
            () = stopping.cancelled() => return Ok(ShutdownReport::default()),
            prepared = self.prepare() => prepared?,
        }
        self.context.events.emit(&Event::WorkerStarted);
        let outcome = self.coordinate().await;
        let shards = self.stop().await;
        if let Err(error) = self.context.retriever.end().await {
            self.report(&error);
        }
        self.context.events.emit(&Event::WorkerStopped);
        outcome.map(|()| ShutdownReport { shards })
    }

    /// Makes the table ready, but not for a stream that does not exist. Only trouble that passes is waited for.
    async fn prepare(&mut self) -> Result<()> {
        let Context { settings, ports, .. } = &self.context;
        let look = ports.kinesis.list_shards(&settings.stream, &ShardPageRequest::ALL);
        match within(FIRST_LOOK_TIMEOUT, "looking for the stream", look).await {
            Err(error) if !error.is_retryable() => return Err(error),
            // Trouble with the stream is no reason not to look at the leases.
            Err(error) => self.report(&error),
            Ok(_) => {}
        }
        match self.context.retriever.prepare().await {
            Err(error) if !error.is_retryable() => return Err(error),
            // The shards that are taken try again.
            Err(error) => self.report(&error),
            Ok(()) => {}
        }
        let mut retry = Retry::new(PREPARE_RETRY_DELAYS, settings.random_seed);
        loop {
            let prepare = ports.leases.prepare();
            match within(PREPARE_TIMEOUT, "making the lease table ready", prepare).await {
                Err(error) if error.is_retryable() => self.report(&error),
                outcome => return outcome,
            }
            sleep(retry.next_delay()).await;
        }
    }

    async fn coordinate(&mut self) -> Result<()> {
        let stopping = self.context.stopping.clone();
        loop {
            select! {
                biased;
                () = stopping.cancelled() => return Ok(()),
                Some(ended) = self.consumers.next_ended() => match ended {
                    Ended::Shard => self.sync.bring_forward(),
                    Ended::Namesake(shard) => return Err(self.namesake(&shard)),
                    Ended::StopWorker(error) => return Err(error),
                    Ended::Other => {}
                },
                Some(take) = self.takes.next_ended() => {
                    self.settle(take)?;
                    self.take_due_leases();
                }
                Some(request) = self.requests.next_ended() => {
                    self.follow(request)?;
                    self.take_due_leases();
                }
                synced = self.sync.next_ended() => {
                    self.accept(Step::Sync, synced)?;
                    self.scan.bring_forward_to(Instant::now());
                }
                scanned = self.scan.next() => if let Some(rows) = self.accept(Step::Scan, scanned)? {
                    self.observe(rows)?;
                    self.take_due_leases();
                },
            }
        }
    }

    /// Takes in a scan of the table. Fails if it shows that this worker's id is taken.
    fn observe(&mut self, rows: Vec<Lease>) -> Result<()> {
        let now = self.now();
        let Self { context, book, sync, takes, requests, consumers, namesakes, standstill, .. } = self;
        let Context { settings, events, .. } = context;
        let me = &settings.worker_id;
        book.observe_scan(rows, now);
        self.due = None;
        consumers.observe(book);
        takes.forget_races();
        requests.forget_races();
        sync.look(book, now);
        self.is_introduced = book.leases().any(|row| row.is_owned_by(me) || row.requested_by() == Some(me));
        if has_just_come_free(book, RESTLESS_TIME, now) {
            self.scan.bring_forward_to(Instant::now() + self.scan.interval() / 2);
        }
        let twin = namesakes.look(book, me, |shard| is_mine(consumers, takes, requests, shard), now);
        standstill.report(book, now, settings.failover_time * UNCLAIMED_REPORT_FAILOVER_TIMES, events);
        report_scan(&self.scan, &self.book, self.consumers.len(), now, &self.context.events);
        twin.map_or(Ok(()), |shard| Err(self.namesake(&shard)))
    }

    /// Begins to take and to ask for what is due, as far as there is room.
    fn take_due_leases(&mut self) {
        let mut due = self.due.take().unwrap_or_else(|| self.decide());
        let takes = due.take.len().min(self.takes.room());
        for lease in self.rows(due.take.drain(..takes)) {
            self.take(lease);
        }
        let requests = due.ask.len().min(self.requests.room());
        let asked = self.rows(due.ask.drain(..requests));
        if !self.is_introduced && !asked.is_empty() {
            self.scan.bring_forward_to(Instant::now() + self.context.settings.lease_scan_interval);
        }
        for lease in asked {
            self.requests.start(lease);
        }
        self.due = Some(due);
    }

    /// The rows of leases that are still to be taken or asked for.
    fn rows(&self, shards: impl Iterator<Item = ShardKey>) -> Vec<Lease> {
        let rows = shards.filter_map(|shard| self.book.get(&shard));
        rows.filter(|lease| !matches!(self.stance(lease), Stance::Mine | Stance::Off)).cloned().collect()
    }

    fn decide(&self) -> Due {
        let settings = &self.context.settings;
        let mut due = due_leases(&Situation {
            book: &self.book,
            me: &settings.worker_id,
            stance: &|lease| self.stance(lease),
            is_introduced: self.is_introduced,
            leases_max: settings.max_leases_for_worker,
            unclaimed_after: settings.failover_time.max(self.scan.interval() * UNCLAIMED_AFTER_SCANS),
            request_lifetime: settings.hand_over_timeout + settings.failover_time,
            now: self.now(),
        });
        if settings.plants(PlantedFault::ShareNeverEnough) && due == Due::default() {
            let others = self.book.leases().filter(|lease| self.stance(lease) == Stance::Open);
            due.ask.extend(
                others.filter(|lease| lease.answers_requests()).take(1).map(|lease| lease.shard.clone()),
            );
        }
        self.plant_pin_faults(&mut due);
        due
    }

    /// Mistakes with pins, where they are planted.
    fn plant_pin_faults(&self, due: &mut Due) {
        let Context { settings, .. } = &self.context;
        if settings.plants(PlantedFault::PinsIgnored) {
            let is_mine = |lease: &Lease| lease.is_pinned_to(&settings.worker_id);
            due.ask.retain(|shard| self.book.get(shard).is_some_and(|lease| !is_mine(lease)));
        }
        if settings.plants(PlantedFault::PinnedLeasesAskedFor) {
            let others = self.book.leases().filter(|lease| self.stance(lease) == Stance::Open);
            let in_place = others.filter(|lease| lease.answers_requests() && lease.pinned_to == lease.owner);
            due.ask.extend(in_place.take(1).map(|lease| lease.shard.clone()));
        }
    }

    fn take(&mut self, lease: Lease) {
        self.namesakes.forget(&lease.shard);
        let parents = lease.parents.iter().map(|parent| lease.shard.sibling(parent));
        let unseen_parents = parents.filter(|parent| self.book.get(parent).is_none());
        // What another worker has consumed already has no parents to wait for.
        let unseen_parents = unseen_parents.filter(|_| !lease.is_handed_over()).collect();
        self.takes.start(lease, unseen_parents);
    }

    fn stance(&self, lease: &Lease) -> Stance {
        let shard = &lease.shard;
        if is_mine(&self.consumers, &self.takes, &self.requests, shard) {
            return Stance::Mine;
        }
        let waits =
            !lineage::unfinished_parents(lease, &self.book).is_empty() || !self.sync.knows_parents_of(shard);
        if waits || self.consumers.is_resting(shard) || self.takes.is_barred(shard) {
            return Stance::Off;
        }
        if self.requests.is_overdue(lease)
            || self.takes.is_left_over(lease)
            || lease.awaits_taking_up_by(&self.context.settings.worker_id)
        {
            return Stance::LeftOver;
        }
        if self.consumers.has_failed(shard) {
            return Stance::Failed;
        }
        // Others may be able to read what cannot be read here, so they keep what they have.
        if self.consumers.any_is_resting() || self.requests.is_barred(shard) {
            return Stance::IfFree;
        }
        Stance::Open
    }

    fn settle(&mut self, take: Take) -> Result<()> {
        let Take { seen, outcome } = take;
        let now = self.now();
        match self.accept(Step::Take, outcome)? {
            Some(Taken::Held(lease)) => {
                let is_handed_over = seen.awaits_taking_up_by(&self.context.settings.worker_id);
                let from = if is_handed_over { &seen.hand_over_owner } else { &seen.owner };
                self.context.events.emit(&Event::LeaseTaken {
                    shard: lease.shard(),
                    from: from.as_ref(),
                    checkpoint: &lease.acquired().checkpoint,
                });
                self.requests.forget(lease.shard());
                self.book.observe(lease.acquired().clone(), now);
                self.consumers.start(lease);
                if !self.is_introduced {
                    self.scan.bring_forward_to(Instant::now());
                }
            }
            Some(Taken::Lost(row)) => self.correct(&seen.shard, row.map(|row| *row)),
            None => {}
        }
        Ok(())
    }

    fn follow(&mut self, request: Request) -> Result<()> {
        let now = self.now();
        match self.accept(Step::Take, request.outcome)? {
            Some(Answer::HandedOver(row) | Answer::Overdue(row)) => {
                self.book.observe(row.clone(), now);
                self.take(row);
            }
            Some(Answer::Lost(row)) => self.correct(&request.shard, row),
            None => {}
        }
        Ok(())
    }

    /// The row is not as it was when something was decided about it.
    fn correct(&mut self, shard: &ShardKey, row: Option<Lease>) {
        match row {
            Some(row) => self.book.observe(row, self.now()),
            None => self.book.forget(shard),
        }
        self.due = None;
    }

    /// Reports an error after which the step is tried again, or fails with one that ends the worker. One bad row is no
    /// mistake in the set-up.
    fn accept<T>(&mut self, step: Step, outcome: Result<T>) -> Result<Option<T>> {
        let error = match outcome {
            Ok(value) => {
                self.proven.insert(step);
                return Ok(Some(value));
            }
            Err(error) => error,
        };
        let is_about_a_row = step == Step::Take && error.kind() != ErrorKind::Refused;
        if error.is_retryable() || is_about_a_row || self.proven.contains(&step) {
            self.report(&error);
            return Ok(None);
        }
        Err(error)
    }

    /// Waits for leases on their way, and gives back everything.
    async fn stop(&mut self) -> BTreeMap<ShardKey, ShardOutcome> {
        self.context.events.emit(&Event::WorkerStopping);
        self.context.stopping.cancel();
        let Self { takes, requests, consumers, .. } = self;
        let withdrawn = async { while requests.next_ended().await.is_some() {} };
        let given_back = async {
            while let Some(take) = takes.next_ended().await {
                if let Ok(Taken::Held(lease)) = take.outcome {
                    consumers.give_back(lease);
                }
            }
            consumers.stop().await
        };
        join(withdrawn, given_back).await.1
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

/// True if this worker has the lease, or is about to.
fn is_mine(consumers: &Consumers, takes: &Takes, requests: &Requests, shard: &ShardKey) -> bool {
    consumers.holds(shard) || takes.is_in_flight(shard) || requests.is_in_flight(shard)
}
