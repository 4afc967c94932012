use kcl_core::worker::{ShardOutcome, ShutdownReport};

use crate::Failure;

const FORCED: &str = "did not finish within the grace period; the last batch was not committed and comes again; if this \
    happens often, raise shutdown_grace_ms (--shutdown-grace-ms)";

const LEFT_TO_EXPIRE: &str = "could not be given back, for the lease table did not take it; others go on once the lease has \
    expired, and what was processed last may come again";

/// What a person must know of the shards in which not all that was processed is committed, if there are any.
pub(super) fn failure(report: &ShutdownReport) -> Option<Failure> {
    let forced = named(report, &ShardOutcome::Forced).map(|shards| format!("{shards} {FORCED}"));
    let left =
        || named(report, &ShardOutcome::LeftToExpire).map(|shards| format!("{shards} {LEFT_TO_EXPIRE}"));
    forced.or_else(left).map(Failure::runtime)
}

/// The first of the shards that were left so, and how many others there are.
fn named(report: &ShutdownReport, outcome: &ShardOutcome) -> Option<String> {
    let mut shards = report.shards.iter().filter(|(_, left)| *left == outcome).map(|(shard, _)| shard);
    let first = &shards.next()?.shard_id;
    Some(match shards.count() {
        0 => first.to_string(),
        others => format!("{first} and {others} more"),
    })
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
    fn a_shard_that_may_not_be_committed_is_a_failure_and_no_other_is() {
        let clean = [ShardOutcome::Released, ShardOutcome::Ended, ShardOutcome::LeaseLost];
        assert_eq!(failure(&report(&clean)), None);
        for (outcomes, start) in [
            (
                [ShardOutcome::Forced, ShardOutcome::Released, ShardOutcome::Forced],
                "shardId-1 and 1 more did not finish",
            ),
            (
                [ShardOutcome::Released, ShardOutcome::LeftToExpire, ShardOutcome::Ended],
                "shardId-2 could not be given back",
            ),
        ] {
            let failure = failure(&report(&outcomes)).unwrap();
            assert_eq!(failure.status(), 1);
            assert!(failure.to_string().starts_with(start), "{failure}");
        }
    }
}
