use kcl_core::worker::{ShardOutcome, ShutdownReport};

use crate::Failure;

/// What a person must know of the shards whose processors had to be dropped at the end, if there are any: what they took
/// last is not committed.
pub(super) fn failure(report: &ShutdownReport) -> Option<Failure> {
    let is_forced = |outcome: &ShardOutcome| *outcome == ShardOutcome::Forced;
    let mut forced = report.shards.iter().filter(|(_, outcome)| is_forced(outcome)).map(|(shard, _)| shard);
    let first = &forced.next()?.shard_id;
    let others = match forced.count() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(Failure::runtime(format!(
        "{first}{others} did not finish within the grace period; the last batch was not committed and comes again; if \
         this happens often, raise shutdown_grace_ms (--shutdown-grace-ms)"
    )))
}

#[cfg(test)]
mod tests {
    use kcl_core::model::{ShardId, ShardKey, StreamId};

    use super::*;

    fn report(outcomes: &[ShardOutcome]) -> ShutdownReport {
        let shard = |number| {
            ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(format!("shardId-{number}")))
        };
        ShutdownReport { shards: (1..).map(shard).zip(outcomes.iter().cloned()).collect() }
    }

    #[test]
    fn a_processor_that_had_to_be_dropped_is_a_failure_and_nothing_else_is() {
        assert_eq!(
            failure(&report(&[ShardOutcome::Released, ShardOutcome::Ended, ShardOutcome::LeaseLost])),
            None
        );
        let failure =
            failure(&report(&[ShardOutcome::Forced, ShardOutcome::Released, ShardOutcome::Forced])).unwrap();
        assert_eq!(failure.status(), 1);
        assert!(failure.to_string().starts_with("shardId-1 and 1 more did not finish"), "{failure}");
    }
}
