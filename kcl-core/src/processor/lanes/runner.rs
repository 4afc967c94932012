use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::commits::Commits;
use super::lane_book::{LaneBook, LaneLimits};
use super::troubles::Troubles;
use super::watermark::Ticket;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lease::HeldLease;
use crate::model::{Record, RecordPosition};
use crate::planted::PlantedFault;
use crate::processor::calls::{CallFailure, Calls};
use crate::processor::failure::LastResort;
use crate::processor::{Checkpointer, Halt, ProcessorError};
use crate::settings::WorkerSettings;
use crate::stream::{BATCH_RECORDS_MAX, FetchedBatch, Kinesis, NextRecords, Room};

/// What is called for each record.
pub(crate) type Handler = Arc<dyn Fn(Record) -> BoxFuture<'static, Result<(), ProcessorError>> + Send + Sync>;

/// Calls a handler for the records of one shard, several at a time and those of one key in order.
///
/// Each call is a task of its own: calls that compute spread over the threads, one that blocks its thread holds up no
/// other, and dropping the runner ends them all at their next await point. That costs one to two microseconds for each
/// record, which is little beside whatever a handler waits for. Everything else that takes time is a task of the
/// same set, so that there is one thing to wait for.
pub(crate) struct LaneRunner {
    book: LaneBook,
    handler: Handler,
    calls: Arc<Calls>,
    checkpointer: Arc<Checkpointer>,
    commits: Commits,
    troubles: Troubles,
    lease: Arc<HeldLease>,
    settings: Arc<WorkerSettings>,
    leaving: CancellationToken,
    /// At most the calls of all lanes, a wait for each record that has failed, a record being given up, and a commit.
    tasks: JoinSet<Ended>,
    /// Batches that are not processed to their end.
    batches: VecDeque<Batch>,
    /// Records of those that were given up.
    given_up: BTreeSet<Ticket>,
    /// What pages take of the fetch budget that are not processed to their end.
    rooms: VecDeque<(Ticket, Room)>,
    last_admitted: Option<Ticket>,
}

enum Ended {
    Call(Ticket, Result<(), CallFailure>),
    /// It is time to try the record again.
    Wait(Ticket),
    /// The record is given up, unless the worker is to stop for it.
    GivingUp(Ticket, Result<()>),
    /// True unless it failed.
    Commit(bool),
}

struct Batch {
    last: Ticket,
    last_position: RecordPosition,
    records: usize,
    bytes: usize,
    admitted_at: Instant,
    millis_behind_latest: u64,
}

impl LaneRunner {
    pub(crate) fn new(
        handler: Handler,
        limits: LaneLimits,
        checkpointer: Arc<Checkpointer>,
        last_resort: LastResort,
        kinesis: Arc<dyn Kinesis>,
        leaving: CancellationToken,
    ) -> Self {
        let calls = Calls::new(last_resort.lease.shard().clone(), last_resort.events.clone());
        Self {
            book: LaneBook::new(limits, last_resort.settings.planted()),
            handler,
            calls: Arc::new(calls),
            commits: Commits::new(Arc::clone(&checkpointer), last_resort.settings.checkpointing),
            checkpointer,
            lease: Arc::clone(&last_resort.lease),
            settings: Arc::clone(&last_resort.settings),
            troubles: Troubles::new(last_resort, kinesis),
            leaving,
            tasks: JoinSet::new(),
            batches: VecDeque::new(),
            given_up: BTreeSet::new(),
            rooms: VecDeque::new(),
            last_admitted: None,
        }
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Takes the shard's next page. Waits while more is in flight than may be, and goes on with that meanwhile.
    pub(crate) async fn accept(&mut self, page: &mut FetchedBatch) -> Result<(), Halt> {
        loop {
            let next = page.next_records(BATCH_RECORDS_MAX);
            if next.records.is_empty() {
                break;
            }
            self.admit(next, page.millis_behind_latest).await?;
        }
        if let (Some(room), Some(last)) = (page.take_room(), self.last_admitted)
            && !self.book.has_passed(last)
        {
            self.rooms.push_back((last, room));
        }
        Ok(())
    }

    async fn admit(&mut self, next: NextRecords, millis_behind_latest: u64) -> Result<(), Halt> {
        let NextRecords { records, mut malformed } = next;
        let (leaving, admitted_at, count) = (self.leaving.clone(), Instant::now(), records.len());
        let bytes = records.iter().map(|record| record.data.len()).sum();
        let last_position = records.last().map(|record| record.position.clone());
        for (index, record) in records.into_iter().enumerate() {
            while !self.book.has_room_for(&record) {
                self.turn_unless(&leaving).await?;
            }
            let ticket = self.book.admit(record);
            if let (Some(malformation), Some(record)) = (malformed.remove(&index), self.book.record(ticket)) {
                self.troubles.foresee(ticket, record, malformation);
            }
            self.last_admitted = Some(ticket);
            self.start();
        }
        if let (Some(last), Some(last_position)) = (self.last_admitted, last_position) {
            let batch =
                Batch { last, last_position, records: count, bytes, admitted_at, millis_behind_latest };
            self.batches.push_back(batch);
        }
        Ok(())
    }

    /// Goes on with what is in flight, for ever, or until the failure policy stops the worker. Dropping the future loses
    /// nothing.
    pub(crate) async fn go_on(&mut self) -> Error {
        loop {
            if let Err(error) = self.turn().await {
                return error;
            }
        }
    }

    /// Waits until everything accepted is finished, and commits no more: the end of the shard is committed next.
    pub(crate) async fn drain(&mut self) -> Result<(), Halt> {
        let leaving = self.leaving.clone();
        while !self.book.is_empty() {
            self.turn_unless(&leaving).await?;
        }
        self.end_commits().await;
        Ok(())
    }

    /// Finishes what has begun and what lies before it, as far as nothing fails, so that the next owner repeats nothing.
    /// What takes longer than a shutdown may is dropped; false if something did. The last position is committed with the
    /// lease.
    pub(crate) async fn settle(&mut self) -> bool {
        let (grace, limit) = (self.settings.shutdown_grace, self.settings.call_deadlines.lease_lost);
        let is_settled = timeout(grace, self.finish_begun()).await.is_ok();
        if !is_settled {
            self.stop_calls(limit).await;
        }
        is_settled
    }

    /// Ends all calls at their next await point, and waits for that no longer than `limit`.
    pub(crate) async fn stop_calls(&mut self, limit: Duration) {
        self.troubles.clear();
        let _blocked = timeout(limit, self.tasks.shutdown()).await;
    }

    async fn finish_begun(&mut self) {
        self.book.settle();
        self.start();
        while !self.book.is_settled() {
            // The failure policy cannot stop what stops already.
            let _stopping = self.turn().await;
        }
        self.end_commits().await;
    }

    async fn end_commits(&mut self) {
        self.commits.end();
        while self.commits.is_under_way() {
            let _ending = self.turn().await;
        }
    }

    /// [`turn`](Self::turn), unless the shard is about to be given away.
    async fn turn_unless(&mut self, leaving: &CancellationToken) -> Result<(), Halt> {
        select! {
            biased;
            () = leaving.cancelled() => Err(Halt::Leaving),
            turned = self.turn() => turned.map_err(Halt::StopWorker),
        }
    }

    /// Waits for the next task to end, and does what follows from it. Fails where the failure policy is to stop the worker.
    async fn turn(&mut self) -> Result<()> {
        let Some(ended) = self.tasks.join_next().await else { return pending().await };
        // The panics of calls are caught. Any other is one of this consumer.
        match ended.unwrap_or_else(|error| resume_unwind(error.into_panic())) {
            Ended::Call(ticket, Ok(())) => self.finish(ticket),
            Ended::Call(ticket, Err(failure)) => self.fail(ticket, &failure),
            Ended::Wait(ticket) => self.retry(ticket),
            Ended::GivingUp(ticket, taken) => {
                self.troubles.finish_giving_up();
                taken?;
                self.given_up.insert(ticket);
                self.finish(ticket);
            }
            Ended::Commit(is_committed) => self.commits.finish(is_committed),
        }
        self.start();
        Ok(())
    }

    /// Starts whatever may start.
    fn start(&mut self) {
        while let Some((ticket, record)) = self.next_call() {
            if self.troubles.gives_up(ticket, &record) {
                self.book.pause(ticket);
                continue;
            }
            if let Some(failure) = self.troubles.foreseen(ticket) {
                self.fail(ticket, &failure);
                continue;
            }
            let (handler, calls) = (Arc::clone(&self.handler), Arc::clone(&self.calls));
            self.tasks.spawn(async move {
                let call = async { handler(record).await };
                Ended::Call(ticket, calls.make("process_records", call).await)
            });
        }
        if let Some((ticket, giving_up)) = self.troubles.begin_giving_up() {
            self.tasks.spawn(async move { Ended::GivingUp(ticket, giving_up.await) });
        }
        if let Some(commit) = self.commits.begin() {
            self.tasks.spawn(async move { Ended::Commit(commit.await) });
        }
    }

    fn next_call(&mut self) -> Option<(Ticket, Record)> {
        // After a pause of the whole process the keeper may not have noticed yet how late it is.
        let may_start = self.book.may_start() && self.lease.is_alive();
        if may_start { self.book.start() } else { None }
    }

    fn finish(&mut self, ticket: Ticket) {
        if self.settings.plants(PlantedFault::WatermarkPassesUnfinished)
            && let Some(record) = self.book.record(ticket)
        {
            self.checkpointer.pass(&record.position);
        }
        self.book.finish(ticket);
        self.troubles.end(ticket);
        if !self.book.has_passed(ticket) {
            return;
        }
        if let Some(position) = self.book.watermark() {
            self.checkpointer.pass(position);
        }
        while let Some(batch) = self.batches.pop_front_if(|batch| self.book.has_passed(batch.last)) {
            self.report_processed(&batch);
        }
        while self.rooms.pop_front_if(|(last, _)| self.book.has_passed(*last)).is_some() {}
    }

    fn report_processed(&mut self, batch: &Batch) {
        let given_up_later = self.given_up.split_off(&batch.last.next());
        let given_up = mem::replace(&mut self.given_up, given_up_later).len();
        let Batch { last_position, bytes, admitted_at, millis_behind_latest, .. } = batch;
        let (shard, records) = (self.calls.shard(), batch.records.saturating_sub(given_up));
        let (last, bytes, elapsed) = (last_position, *bytes, admitted_at.elapsed());
        let millis_behind_latest = *millis_behind_latest;
        if records > 0 {
            let processed =
                Event::BatchProcessed { shard, records, bytes, last, elapsed, millis_behind_latest };
            self.calls.events().emit(&processed);
        }
    }

    /// The record waits, and gives way to other lanes meanwhile.
    fn fail(&mut self, ticket: Ticket, failure: &CallFailure) {
        self.book.pause(ticket);
        let Some(record) = self.book.record(ticket) else { return };
        let delay = self.troubles.fail(ticket, record, failure);
        self.tasks.spawn(async move {
            sleep(delay).await;
            Ended::Wait(ticket)
        });
    }

    fn retry(&mut self, ticket: Ticket) {
        if let Some(record) = self.book.record(ticket)
            && !self.troubles.gives_up(ticket, record)
        {
            self.book.resume(ticket);
        }
    }
}
