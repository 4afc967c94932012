//! D2: a shard that stands still says so, and why; and says so no longer once it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl_core::Event;
use kcl_core::lease::LeaseChange;
use kcl_core::model::{RecordPosition, ShardKey};
use kcl_core::processor::{FailurePolicy, WhenExhausted};

use super::{Invariant, Rules, Violation};
use crate::fleet_sim::accounts::Accounts;
use crate::fleet_sim::fact::{Action, Fact, What, Write};
use crate::fleet_sim::names::{ProcessNo, RecordNo, ShardNo};

/// The longest that nothing of a shard is processed and nothing is said of it: a send that hangs is given up after 60 s,
/// and a processor that fails is called again after 30 s.
const SILENCE_MAX: Duration = Duration::from_secs(100);

/// How long after it goes on a shard may still say that it is blocked: what a process does within a step has no order.
const LAG_MAX: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct StandstillReported {
    policy: FailurePolicy,
    accounts: Accounts,
    put_at: BTreeMap<RecordNo, Duration>,
    positions: BTreeMap<(ShardNo, RecordPosition), RecordNo>,
    /// When each shard last had its first outstanding record put.
    waits_since: BTreeMap<ShardNo, Duration>,
    leases: BTreeMap<Holding, Standing>,
    blocked: BTreeMap<Holding, Block>,
}

type Holding = (ProcessNo, ShardNo);

/// How far a process comes with a shard.
#[derive(Debug)]
struct Standing {
    /// When something was processed, or said.
    last_word: Duration,
    /// Calls that failed, by their first record.
    tries: BTreeMap<RecordNo, Tries>,
    failed_sends: u32,
}

/// Calls with the same records that have failed.
#[derive(Debug)]
struct Tries {
    records: usize,
    failed: u32,
    failed_at: Duration,
}

/// A report in force.
#[derive(Debug)]
struct Block {
    record: Option<RecordNo>,
    /// When that was settled.
    settled_at: Option<Duration>,
}

impl StandstillReported {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            policy: rules.failure_policy.clone(),
            accounts: Accounts::default(),
            put_at: BTreeMap::new(),
            positions: BTreeMap::new(),
            waits_since: BTreeMap::new(),
            leases: BTreeMap::new(),
            blocked: BTreeMap::new(),
        }
    }

    fn standing(&mut self, holding: Holding, at: Duration) -> &mut Standing {
        let new = || Standing { last_word: at, tries: BTreeMap::new(), failed_sends: 0 };
        self.leases.entry(holding).or_insert_with(new)
    }

    /// A call with these records fails. If the policy had no more tries for them before, it blocks.
    fn fail(&mut self, holding: Holding, records: &[RecordNo], at: Duration) -> Result<(), Violation> {
        let Some(first) = records.first() else { return Ok(()) };
        let put_at = self.put_at.get(first).copied().unwrap_or_default();
        let FailurePolicy { maximum_retry_attempts, maximum_record_age, when_exhausted, .. } = self.policy;
        let none = || Tries { records: records.len(), failed: 0, failed_at: at };
        let tries = self.standing(holding, at).tries.entry(*first).or_insert_with(none);
        if tries.records != records.len() {
            *tries = none();
        }
        let age = tries.failed_at.saturating_sub(put_at);
        let is_exhausted = maximum_retry_attempts.is_some_and(|retries| tries.failed > retries)
            || tries.failed > 0 && maximum_record_age.is_some_and(|max| age > max);
        tries.failed += 1;
        tries.failed_at = at;
        if is_exhausted && when_exhausted == WhenExhausted::Block && !self.blocked.contains_key(&holding) {
            return violated(
                "the policy has no more tries for these, and nobody says that the shard is blocked",
            );
        }
        self.check_block(holding, at)
    }

    /// The record that a report names is still in the way.
    fn check_block(&self, holding: Holding, at: Duration) -> Result<(), Violation> {
        let settled_at = self.blocked.get(&holding).and_then(|block| block.settled_at);
        match settled_at {
            Some(settled_at) if at.saturating_sub(settled_at) > LAG_MAX => {
                violated("the shard still says that it is blocked by a record that is settled")
            }
            _ => Ok(()),
        }
    }

    fn fail_send(&mut self, holding: Holding, at: Duration) -> Result<(), Violation> {
        let standing = self.standing(holding, at);
        standing.failed_sends += 1;
        if standing.failed_sends > 1 && !self.blocked.contains_key(&holding) {
            return violated("a send has failed before, and nobody says that the shard is blocked");
        }
        Ok(())
    }

    fn report(&mut self, process: ProcessNo, event: &Event<'_>, at: Duration) -> Result<(), Violation> {
        match event {
            Event::ShardBlocked { shard, position, error, .. } => {
                let holding = spoken(process, shard, self, at);
                let record =
                    position.and_then(|position| self.positions.get(&(holding.1, position.clone()))).copied();
                if self.blocked.insert(holding, Block { record, settled_at: None }).is_some() {
                    return violated("it has said so already");
                }
                if error.is_empty() {
                    return violated("it does not say why");
                }
            }
            Event::ShardUnblocked { shard, .. } => {
                let holding = spoken(process, shard, self, at);
                if self.blocked.remove(&holding).is_none() {
                    return violated("it has not said that it was blocked");
                }
            }
            Event::ProcessorFailed { shard, .. }
            | Event::ProcessorBusy { shard, .. }
            | Event::ProcessorOverran { shard, .. }
            | Event::DestinationFailed { shard, .. }
            | Event::ReadFailed { shard, .. }
            | Event::SubscriptionInUse { shard, .. }
            | Event::FellBackToPolling { shard, .. } => {
                spoken(process, shard, self, at);
            }
            _ => {}
        }
        Ok(())
    }

    /// A process renews its lease, so it has the shard.
    fn check_silence(&mut self, write: &Write<'_>, at: Duration) -> Result<(), Violation> {
        let holding = (write.process, write.shard);
        let Action::Change(change) = write.action else { return Ok(()) };
        if matches!(change, LeaseChange::Take { .. }) {
            self.leases.remove(&holding);
        }
        let Some(standing) = self.leases.get(&holding) else { return Ok(()) };
        let waits_since = self.waits_since.get(&write.shard).copied().unwrap_or_default();
        let silence = at.saturating_sub(standing.last_word.max(waits_since));
        let is_silent = silence > SILENCE_MAX && self.accounts.has_outstanding(write.shard);
        if is_silent && !self.blocked.contains_key(&holding) {
            let problem = format!("the shard has stood still for {silence:?}, and nobody says why");
            return violated(&problem);
        }
        Ok(())
    }
}

/// Something was said of a shard.
fn spoken(process: ProcessNo, shard: &ShardKey, of: &mut StandstillReported, at: Duration) -> Holding {
    let holding = (process, ShardNo::of(&shard.shard_id));
    of.standing(holding, at).last_word = at;
    holding
}

fn violated(problem: &str) -> Result<(), Violation> {
    Err(Violation::new("D2", problem))
}

impl Invariant for StandstillReported {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        let at = fact.at;
        if let What::Put { shard, record, position, .. } = fact.what {
            if !self.accounts.has_outstanding(shard) {
                self.waits_since.insert(shard, at);
            }
            self.put_at.insert(record, at);
            self.positions.insert((shard, position.clone()), record);
        }
        self.accounts.observe(fact);
        if let Some((process, shard, record)) = fact.what.settled() {
            let standing = self.standing((process, shard), at);
            (standing.last_word, standing.failed_sends) = (at, 0);
            standing.tries.remove(&record);
            if let Some(block) = self.blocked.get_mut(&(process, shard))
                && block.record == Some(record)
            {
                block.settled_at.get_or_insert(at);
            }
        }
        match fact.what {
            What::Began { process, shard, .. } => {
                self.leases.remove(&(process, shard));
                self.standing((process, shard), at);
            }
            What::Crashed { process } => {
                self.leases.retain(|(of, _), _| *of != process);
                self.blocked.retain(|(of, _), _| *of != process);
            }
            What::Failed { process, shard, records } => return self.fail((process, shard), records, at),
            What::SendFailed { process, shard } => return self.fail_send((process, shard), at),
            What::Wrote(write) => return self.check_silence(&write, at),
            What::Reported { process, event } => return self.report(process, event, at),
            _ => {}
        }
        Ok(())
    }
}
