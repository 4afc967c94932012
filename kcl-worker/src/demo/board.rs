use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kcl_core::Event;
use kcl_core::model::{ShardId, WorkerId};
use tokio::time::Instant;

use super::event_text::describe;

/// Log lines kept for the view, which looks several times a second. Older ones give way.
const LOG_LINES_MAX: usize = 1_000;

/// What the workers' events say of the fleet, for people to see.
#[derive(Debug)]
pub(super) struct Board {
    started_at: Instant,
    keeps_routine: bool,
    facts: Mutex<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    shards: BTreeMap<ShardId, ShardRow>,
    /// Who works on what: also a worker that has not noticed yet that another took the shard.
    at_work: BTreeSet<(ShardId, WorkerId)>,
    records: u64,
    first_record: Option<Duration>,
    log: VecDeque<String>,
    /// Lines that gave way.
    log_lines_gone: u64,
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShardRow {
    pub(super) state: ShardState,
    /// Records processed, repeats included.
    pub(super) records: u64,
    /// How far behind the last batch was.
    pub(super) behind_ms: u64,
}

/// Who works on a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum ShardState {
    #[default]
    Free,
    WaitingForParents,
    Held(WorkerId),
    /// Its owner was killed; the lease has to expire.
    Orphaned(WorkerId),
    Ended,
}

impl Board {
    pub(super) fn new(started_at: Instant, keeps_routine: bool) -> Self {
        Self { started_at, keeps_routine, facts: Mutex::default() }
    }

    /// Takes note of an event.
    pub(super) fn record(&self, worker: &WorkerId, event: &Event<'_>) {
        let elapsed = self.started_at.elapsed();
        let mut facts = self.facts();
        facts.apply(worker, event, elapsed);
        let words = describe(worker, event);
        if let Some(words) = words.filter(|words| self.keeps_routine || !words.is_routine) {
            facts.log(elapsed, &words.text);
        }
    }

    /// Takes note of something that the demo did.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        self.facts().log(self.started_at.elapsed(), text.as_ref());
    }

    /// A worker was killed, with or without an uncommitted batch in its hands.
    pub(super) fn worker_killed(&self, worker: &WorkerId, with_batch: bool) {
        let mut facts = self.facts();
        let mut held = 0;
        for row in facts.shards.values_mut().filter(|row| row.is_held_by(worker)) {
            row.state = ShardState::Orphaned(worker.clone());
            held += 1;
        }
        let batch = if with_batch { ", before it could commit a batch" } else { "" };
        facts.log(self.started_at.elapsed(), &format!("KILL {worker}, which held {held} shards{batch}"));
    }

    pub(super) fn shards_held_by(&self, worker: &WorkerId) -> usize {
        self.facts().shards.values().filter(|row| row.is_held_by(worker)).count()
    }

    /// True if each of so many shards has one worker, no other works on it, and the shares of these workers are at most
    /// one apart.
    pub(super) fn is_shared_by<'a>(
        &self,
        workers: impl Iterator<Item = &'a WorkerId>,
        shards: usize,
    ) -> bool {
        let facts = self.facts();
        let held = facts.shards.values().filter(|row| matches!(row.state, ShardState::Held(_))).count();
        let count = |worker| facts.at_work.iter().filter(|(_, at_work)| at_work == worker).count();
        let counts: Vec<usize> = workers.map(count).collect();
        let spread = counts.iter().max().zip(counts.iter().min()).map_or(0, |(most, least)| most - least);
        held == shards && facts.at_work.len() == shards && spread <= 1
    }

    pub(super) fn has_ended(&self, shard: &ShardId) -> bool {
        self.facts().shards.get(shard).is_some_and(|row| row.state == ShardState::Ended)
    }

    /// Records and shards processed: changes whenever the fleet gets on.
    pub(super) fn progress(&self) -> (u64, usize) {
        let facts = self.facts();
        let ended = facts.shards.values().filter(|row| row.state == ShardState::Ended).count();
        (facts.records, ended)
    }

    /// Records processed, repeats included.
    pub(super) fn records(&self) -> u64 {
        self.facts().records
    }

    /// When the first batch had been processed, from the start.
    pub(super) fn first_record(&self) -> Option<Duration> {
        self.facts().first_record
    }

    pub(super) fn shards(&self) -> BTreeMap<ShardId, ShardRow> {
        self.facts().shards.clone()
    }

    /// The log lines from number `from` on, as far as they are kept, and the number of the next line to come.
    pub(super) fn log_since(&self, from: u64) -> (Vec<String>, u64) {
        let facts = self.facts();
        let skipped = usize::try_from(from.saturating_sub(facts.log_lines_gone)).unwrap_or(usize::MAX);
        let lines = facts.log.iter().skip(skipped).cloned().collect();
        (lines, facts.log_lines_gone + facts.log.len() as u64)
    }

    /// A panic elsewhere leaves nothing half written that matters to a view.
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    fn apply(&mut self, worker: &WorkerId, event: &Event<'_>, elapsed: Duration) {
        match event {
            Event::LeaseCreated { shard, .. } => {
                self.shards.entry(shard.shard_id.clone()).or_default();
            }
            Event::LeaseTaken { shard, .. } => {
                self.row(&shard.shard_id).state = ShardState::Held(worker.clone());
                self.at_work.insert((shard.shard_id.clone(), worker.clone()));
            }
            // Another worker may hold it by now: events of two workers come in any order.
            Event::LeaseLost { shard, .. } | Event::LeaseReleased { shard } => {
                self.at_work.remove(&(shard.shard_id.clone(), worker.clone()));
                let row = self.row(&shard.shard_id);
                if row.is_held_by(worker) {
                    row.state = ShardState::Free;
                }
            }
            Event::WaitingForParents { shard, .. } => {
                let row = self.row(&shard.shard_id);
                if row.state == ShardState::Free {
                    row.state = ShardState::WaitingForParents;
                }
            }
            Event::BatchProcessed { shard, records, millis_behind_latest, .. } => {
                let row = self.row(&shard.shard_id);
                row.records += *records as u64;
                row.behind_ms = *millis_behind_latest;
                self.records += *records as u64;
                self.first_record.get_or_insert(elapsed);
            }
            Event::ShardEnded { shard, .. } => {
                self.at_work.remove(&(shard.shard_id.clone(), worker.clone()));
                self.row(&shard.shard_id).state = ShardState::Ended;
            }
            _ => {}
        }
    }

    fn row(&mut self, shard: &ShardId) -> &mut ShardRow {
        self.shards.entry(shard.clone()).or_default()
    }

    fn log(&mut self, elapsed: Duration, text: &str) {
        if self.log.len() == LOG_LINES_MAX {
            self.log.pop_front();
            self.log_lines_gone += 1;
        }
        self.log.push_back(format!("{:7.3} s  {text}", elapsed.as_secs_f64()));
    }
}

impl ShardRow {
    fn is_held_by(&self, worker: &WorkerId) -> bool {
        matches!(&self.state, ShardState::Held(owner) if owner == worker)
    }
}

impl fmt::Display for ShardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::WaitingForParents => f.write_str("waits for parents"),
            Self::Held(worker) => write!(f, "{worker}"),
            Self::Orphaned(worker) => write!(f, "{worker}, killed"),
            Self::Ended => f.write_str("ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use kcl_core::lease::LeaseLoss;
    use kcl_core::model::{Checkpoint, ShardKey, StreamId};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shards_are_shared_once_the_last_owner_knows_of_its_loss() {
        let board = Board::new(Instant::now(), false);
        let [a, b] = ["a", "b"].map(|id| WorkerId::new(id).unwrap());
        let shards = ["0", "1"].map(|id| ShardKey::new(StreamId::named("s").unwrap(), ShardId::new(id)));
        let is_shared = || board.is_shared_by([&a, &b].into_iter(), shards.len());
        let take = |worker: &WorkerId, shard| {
            board.record(
                worker,
                &Event::LeaseTaken { shard, from: None, checkpoint: &Checkpoint::TrimHorizon },
            );
        };
        assert!(!is_shared());
        take(&a, &shards[0]);
        take(&a, &shards[1]);
        assert!(!is_shared());
        take(&b, &shards[1]);
        assert!(!is_shared());
        board.record(&a, &Event::LeaseLost { shard: &shards[1], loss: &LeaseLoss::TakenBy(b.clone()) });
        assert!(is_shared());
    }
}
