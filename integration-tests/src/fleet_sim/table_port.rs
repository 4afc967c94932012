use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kcl_core::Result;
use kcl_core::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use kcl_core::model::{ShardKey, WorkerId};
use tokio::time::sleep;

use super::fact::{Service, What};
use super::link::Link;
use super::names::ShardNo;
use super::witness_table::{Change, Update, WitnessTable};

/// The lease table as one process reaches it: with latency, from behind partitions, with scans that are stale, and with
/// updates that arrive after their sender has given up on them.
#[derive(Debug)]
pub(super) struct TablePort {
    table: Arc<WitnessTable>,
    link: Arc<Link>,
    late: Arc<LateUpdates>,
}

/// Updates that are still on their way although nobody waits for them.
#[derive(Debug, Default)]
pub(super) struct LateUpdates {
    waiting: Mutex<Vec<(Duration, Arc<Link>, Update)>>,
}

impl LateUpdates {
    fn post(&self, at: Duration, link: Arc<Link>, update: Update) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((at, link, update));
    }

    /// Has the table take what has arrived by `now`.
    pub(super) fn arrive(&self, table: &WitnessTable, now: Duration) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, link, update) in waiting.extract_if(.., |(at, _, _)| *at <= now) {
            // Nobody waits for the answer.
            let _outcome = table.update(&link, &update);
        }
    }
}

impl TablePort {
    /// The table at the other end of `link`.
    pub(super) fn new(table: Arc<WitnessTable>, link: Arc<Link>, late: Arc<LateUpdates>) -> Self {
        Self { table, link, late }
    }

    /// A message passes, one way, or never does.
    async fn pass(&self) {
        sleep(self.link.latency()).await;
        if self.link.is_cut(Service::Table) {
            pending::<()>().await;
        }
    }

    async fn call<T>(&self, act: impl FnOnce(&WitnessTable, Duration) -> Result<T> + Send) -> Result<T>
    where
        T: Send,
    {
        let sent_at = self.link.now();
        self.pass().await;
        let outcome = act(&self.table, sent_at);
        sleep(self.link.answer_delay()).await;
        self.pass().await;
        outcome
    }

    async fn send(&self, seen: &Lease, change: Change) -> Result<Conditional> {
        let update = Update { sent_at: self.link.now(), seen: seen.clone(), change };
        let Some(delay) = self.link.late_arrival() else {
            return self.call(|table, _| table.update(&self.link, &update)).await;
        };
        let (process, shard) = (self.link.process(), ShardNo::of(&seen.shard.shard_id));
        self.link.tell(What::Struck { process, shard: Some(shard), fault: "update late" });
        self.late.post(update.sent_at + delay, Arc::clone(&self.link), update);
        pending().await
    }
}

#[async_trait]
impl LeaseStore for TablePort {
    async fn prepare(&self) -> Result<()> {
        self.call(|table, _| table.prepare()).await
    }

    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>> {
        self.call(|table, _| match consistency {
            Consistency::Strong => table.list(),
            Consistency::Eventual => table.list_stale(|| self.link.staleness()),
        })
        .await
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        self.call(|table, _| table.get(shard)).await
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        self.call(|table, sent_at| table.create(&self.link, lease, sent_at)).await
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        // A take begins anew: a write under an earlier lease may not have been dropped yet.
        let is_take = matches!(change, LeaseChange::Take { .. });
        let _in_flight = (!is_take).then(|| InFlight::new(&self.link, ShardNo::of(&seen.shard.shard_id)));
        self.send(seen, Change::Of(change.clone())).await
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        self.send(seen, Change::Request(by.cloned())).await
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        self.call(|table, _| table.pin(seen, to)).await
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        self.call(|table, sent_at| table.delete(&self.link, seen, sent_at)).await
    }
}

/// An update that its sender waits for.
struct InFlight<'a> {
    link: &'a Link,
    shard: ShardNo,
}

impl<'a> InFlight<'a> {
    fn new(link: &'a Link, shard: ShardNo) -> Self {
        link.tell(What::Sent { process: link.process(), shard });
        Self { link, shard }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.link.tell(What::Settled { process: self.link.process(), shard: self.shard });
    }
}
