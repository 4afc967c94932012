use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kcl_core::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use kcl_core::memory::MemoryLeaseStore;
use kcl_core::model::{ShardKey, WorkerId};
use kcl_core::{Error, ErrorKind, PlantedFault, Result};

use super::fact::{Action, What, Write};
use super::link::Link;
use super::names::ShardNo;
use super::world::World;

/// Versions of a row that are older than this are shown to nobody.
const HISTORY: Duration = Duration::from_secs(2);

/// The one lease table of a run. It tells the world of every write, with the rows before and after, and remembers what
/// the table was a moment ago, for scans that are stale.
#[derive(Debug)]
pub(super) struct WitnessTable {
    world: Arc<World>,
    store: MemoryLeaseStore,
    planted: Option<PlantedFault>,
    history: Mutex<BTreeMap<ShardKey, Versions>>,
}

/// What a row has been since when, the newest last.
type Versions = VecDeque<(Duration, Option<Lease>)>;

/// An update, or a request, on its way.
#[derive(Debug, Clone)]
pub(super) struct Update {
    /// When it was sent.
    pub(super) sent_at: Duration,
    /// The row that the writer saw.
    pub(super) seen: Lease,
    /// What it is to become.
    pub(super) change: Change,
}

/// What a message on its way asks for.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// See [`LeaseStore::update`].
    Of(LeaseChange),
    /// See [`LeaseStore::request`].
    Request(Option<WorkerId>),
}

impl WitnessTable {
    /// A table that does not exist yet. Some mistakes can be planted in it.
    pub(super) fn new(world: Arc<World>, planted: Option<PlantedFault>) -> Self {
        Self { world, store: MemoryLeaseStore::new(), planted, history: Mutex::default() }
    }

    /// See [`LeaseStore::prepare`].
    pub(super) fn prepare(&self) -> Result<()> {
        at_once(self.store.prepare())
    }

    /// The table as it is.
    pub(super) fn rows(&self) -> Vec<Lease> {
        self.list().unwrap_or_default()
    }

    /// The table as it is, or an error if it does not exist.
    pub(super) fn list(&self) -> Result<Vec<Lease>> {
        at_once(self.store.list(Consistency::Strong))
    }

    /// The table with each row as old as `staleness` says.
    pub(super) fn list_stale(&self, staleness: impl Fn() -> Duration) -> Result<Vec<Lease>> {
        self.list()?;
        let now = self.world.now();
        let history = self.history();
        let shown = history.values().filter_map(|versions| {
            let shown_at = now.saturating_sub(staleness());
            let newest = versions.iter().rev().find(|(since, _)| *since <= shown_at);
            newest.or(versions.front()).and_then(|(_, row)| row.clone())
        });
        Ok(shown.collect())
    }

    /// See [`LeaseStore::get`].
    pub(super) fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        at_once(self.store.get(shard))
    }

    /// See [`LeaseStore::create`].
    pub(super) fn create(&self, link: &Link, lease: &Lease, sent_at: Duration) -> Result<Conditional> {
        let outcome = at_once(self.store.create(lease))?;
        if let Conditional::Applied(row) = &outcome {
            self.testify(link, sent_at, None, Action::Create, None, Some(row));
        }
        Ok(outcome)
    }

    /// See [`LeaseStore::update`] and [`LeaseStore::request`].
    pub(super) fn update(&self, link: &Link, update: &Update) -> Result<Conditional> {
        let Update { sent_at, seen, change } = update;
        let before = self.get(&seen.shard)?;
        let (outcome, action) = match change {
            Change::Of(change) => {
                let is_unconditional = self.planted == Some(PlantedFault::UpdatesUnconditional);
                let condition = before.as_ref().filter(|_| is_unconditional).unwrap_or(seen);
                (at_once(self.store.update(condition, change))?, Action::Change(change))
            }
            Change::Request(by) => {
                if self.planted == Some(PlantedFault::RequestsMoveRows) {
                    at_once(self.store.update(seen, &LeaseChange::Renew))?;
                }
                (at_once(self.store.request(seen, by.as_ref()))?, Action::Request(by.as_ref()))
            }
        };
        match &outcome {
            Conditional::Applied(row) => {
                self.testify(link, *sent_at, Some(seen), action, before.as_ref(), Some(row));
            }
            Conditional::Lost(row) => link.tell(What::Refused {
                process: link.process(),
                shard: ShardNo::of(&seen.shard.shard_id),
                row: row.as_ref(),
            }),
        }
        Ok(outcome)
    }

    /// See [`LeaseStore::pin`]. No worker does this, so there is no link that it comes by.
    pub(super) fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        let before = self.get(&seen.shard)?;
        if self.planted == Some(PlantedFault::PinsMoveRows) {
            at_once(self.store.update(seen, &LeaseChange::Renew))?;
        }
        let outcome = at_once(self.store.pin(seen, to))?;
        if let (Some(before), Conditional::Applied(after)) = (&before, &outcome) {
            self.remember(&after.shard, Some(after));
            self.world.tell(What::Pinned { shard: ShardNo::of(&after.shard.shard_id), to, before, after });
        }
        Ok(outcome)
    }

    /// See [`LeaseStore::delete`].
    pub(super) fn delete(&self, link: &Link, seen: &Lease, sent_at: Duration) -> Result<bool> {
        let before = self.get(&seen.shard)?;
        let is_gone = at_once(self.store.delete(seen))?;
        if is_gone && before.is_some() {
            self.testify(link, sent_at, Some(seen), Action::Delete, before.as_ref(), None);
        }
        Ok(is_gone)
    }

    /// An operator deletes a row by mistake.
    pub(super) fn remove_row(&self, row: &Lease) -> Result<()> {
        at_once(self.store.delete(row))?;
        self.remember(&row.shard, None);
        self.world.tell(What::RowRemoved { shard: ShardNo::of(&row.shard.shard_id) });
        Ok(())
    }

    fn testify(
        &self,
        link: &Link,
        sent_at: Duration,
        seen: Option<&Lease>,
        action: Action<'_>,
        before: Option<&Lease>,
        after: Option<&Lease>,
    ) {
        let Some(row) = after.or(before) else { return };
        self.remember(&row.shard, after);
        let shard = ShardNo::of(&row.shard.shard_id);
        let (process, worker) = (link.process(), link.worker());
        // Not through the link: a write arrives although its sender is gone.
        self.world.tell(What::Wrote(Write { process, worker, sent_at, shard, seen, action, before, after }));
    }

    fn remember(&self, shard: &ShardKey, row: Option<&Lease>) {
        let now = self.world.now();
        let mut history = self.history();
        let versions =
            history.entry(shard.clone()).or_insert_with(|| VecDeque::from([(Duration::ZERO, None)]));
        versions.push_back((now, row.cloned()));
        while versions.get(1).is_some_and(|(since, _)| *since + HISTORY <= now) {
            versions.pop_front();
        }
    }

    fn history(&self) -> MutexGuard<'_, BTreeMap<ShardKey, Versions>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of a call of the in-memory store, which never waits.
fn at_once<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => {
            Err(Error::new(ErrorKind::Refused, "the in-memory lease table was expected not to wait"))
        }
    }
}
