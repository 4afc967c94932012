//! D1: a record is given up only where the failure policy says what becomes of it, and only once the policy has no more
//! tries for it; a report says of how many.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl_core::Event;
use kcl_core::processor::{FailureCondition, FailurePolicy, WhenExhausted};

use super::{Invariant, Rules, Violation};
use crate::fleet_sim::fact::{Fact, What};
use crate::fleet_sim::names::{ProcessNo, RecordNo, ShardNo};

#[derive(Debug)]
pub(super) struct GivenUpByPolicy {
    policy: FailurePolicy,
    put_at: BTreeMap<RecordNo, Duration>,
    /// How many calls with each record have failed under the present lease.
    failed_calls: BTreeMap<(ProcessNo, ShardNo), BTreeMap<RecordNo, u32>>,
    /// Records that were left out, and are about to be reported.
    unreported: BTreeMap<(ProcessNo, ShardNo), u64>,
}

impl GivenUpByPolicy {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            policy: rules.failure_policy.clone(),
            put_at: BTreeMap::new(),
            failed_calls: BTreeMap::new(),
            unreported: BTreeMap::new(),
        }
    }

    fn check(
        &self,
        lease: (ProcessNo, ShardNo),
        record: RecordNo,
        condition: FailureCondition,
        at: Duration,
    ) -> Result<(), Violation> {
        let of_lease = self.failed_calls.get(&lease);
        let failed = of_lease.and_then(|calls| calls.get(&record)).copied().unwrap_or_default();
        let age = at.saturating_sub(self.put_at.get(&record).copied().unwrap_or_default());
        let policy = &self.policy;
        let is_exhausted = match condition {
            FailureCondition::RetryAttemptsExhausted => {
                policy.maximum_retry_attempts.is_some_and(|retries| failed > retries)
            }
            FailureCondition::RecordAgeExceeded => policy.maximum_record_age.is_some_and(|max| age > max),
        };
        if is_exhausted {
            return Ok(());
        }
        let problem = format!("it is {age:?} old, and only {failed} calls with it failed");
        Err(Violation::new("D1", problem))
    }

    fn check_way(&self, way: WhenExhausted) -> Result<(), Violation> {
        if self.policy.when_exhausted == way {
            return Ok(());
        }
        let problem = format!("the failure policy says {:?}", self.policy.when_exhausted);
        Err(Violation::new("D1", problem))
    }
}

impl Invariant for GivenUpByPolicy {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::Put { record, .. } => {
                self.put_at.insert(record, fact.at);
            }
            What::Began { process, shard, .. } => {
                self.failed_calls.remove(&(process, shard));
            }
            What::Failed { process, shard, records } => {
                let calls = self.failed_calls.entry((process, shard)).or_default();
                records.iter().for_each(|record| *calls.entry(*record).or_default() += 1);
            }
            What::SentAway { process, shard, record, condition } => {
                self.check_way(WhenExhausted::SendToDestination)?;
                return self.check((process, shard), record, condition, fact.at);
            }
            What::Skipped { process, shard, record, condition } => {
                *self.unreported.entry((process, shard)).or_default() += 1;
                self.check_way(WhenExhausted::Skip)?;
                return self.check((process, shard), record, condition, fact.at);
            }
            What::Reported { process, event: Event::RecordsSkipped { shard, count, .. } } => {
                let skipped = self.unreported.remove(&(process, ShardNo::of(&shard.shard_id)));
                if skipped != Some(*count) {
                    let problem = format!("{} records were left out", skipped.unwrap_or_default());
                    return Err(Violation::new("D1", problem));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
