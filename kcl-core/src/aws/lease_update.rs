//! The expression of every write to a row that exists, one for each [`LeaseChange`].
//!
//! All are conditional on counter **and** owner. That is stricter than the Java KCL, which asks for the counter alone
//! (`DynamoDBLeaseSerializer.java`), and no Java worker can tell the difference.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::lease_row::{checkpoint, number, shard_set, string};
use crate::lease::{Lease, LeaseChange};

/// Named values of an expression. The service refuses one that the expressions do not use.
pub(super) type Values = HashMap<String, AttributeValue>;

/// The condition that a row still is the one that `seen` was read from, whose values are added to `values`.
pub(super) fn unchanged(seen: &Lease, values: &mut Values) -> &'static str {
    values.insert(":seen".to_owned(), number(seen.counter));
    match &seen.owner {
        None => "leaseCounter = :seen AND attribute_not_exists(leaseOwner)",
        Some(owner) => {
            values.insert(":owner".to_owned(), string(owner.as_str()));
            "leaseCounter = :seen AND leaseOwner = :owner"
        }
    }
}

/// The update that turns the row of `seen` into that of `seen.after(change)`, whose values are added to `values`.
pub(super) fn update(seen: &Lease, change: &LeaseChange, values: &mut Values) -> &'static str {
    let after = seen.after(change);
    let mut bind = |name: &str, value| values.insert(name.to_owned(), value);
    bind(":counter", number(after.counter));
    match change {
        // An unfinished hand-over of the Java KCL 3 ends with the take, as it does there.
        LeaseChange::Take { by } => {
            bind(":by", string(by.as_str()));
            if after.owner_switches_since_checkpoint == seen.owner_switches_since_checkpoint {
                return "SET leaseCounter = :counter, leaseOwner = :by REMOVE checkpointOwner";
            }
            bind(":one", number(1));
            "SET leaseCounter = :counter, leaseOwner = :by REMOVE checkpointOwner \
             ADD ownerSwitchesSinceCheckpoint :one"
        }
        LeaseChange::Renew => "SET leaseCounter = :counter",
        LeaseChange::Checkpoint { checkpoint: position, children } => {
            let (sequence_number, sub_sequence_number) = checkpoint(position);
            bind(":checkpoint", sequence_number);
            bind(":sub", sub_sequence_number);
            bind(":zero", number(0));
            if children.is_empty() {
                return "SET leaseCounter = :counter, checkpoint = :checkpoint, \
                        checkpointSubSequenceNumber = :sub, ownerSwitchesSinceCheckpoint = :zero \
                        REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState";
            }
            bind(":children", shard_set(children));
            "SET leaseCounter = :counter, checkpoint = :checkpoint, checkpointSubSequenceNumber = :sub, \
             ownerSwitchesSinceCheckpoint = :zero, childShardIds = :children \
             REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState"
        }
        LeaseChange::Release => "SET leaseCounter = :counter REMOVE leaseOwner",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Checkpoint, RecordPosition, ShardId, ShardKey, StreamId, WorkerId};

    fn seen(owner: Option<&str>) -> Lease {
        let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000000"));
        let mut lease = Lease::unowned(shard, Checkpoint::TrimHorizon, Vec::new());
        lease.counter = 41;
        lease.owner = owner.map(|name| WorkerId::new(name).unwrap());
        lease
    }

    fn take(by: &str) -> LeaseChange {
        LeaseChange::Take { by: WorkerId::new(by).unwrap() }
    }

    fn checkpoint(children: &[&str]) -> LeaseChange {
        LeaseChange::Checkpoint {
            checkpoint: Checkpoint::At(RecordPosition {
                sequence_number: "123".parse().unwrap(),
                sub_sequence_number: 7,
            }),
            children: children.iter().copied().map(ShardId::new).collect(),
        }
    }

    /// The names in an expression that start with a colon.
    fn names(expressions: &[&str]) -> Vec<String> {
        let text = expressions.join(" ");
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != ':');
        let mut names: Vec<String> = words.filter(|word| word.starts_with(':')).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn every_value_is_used_and_every_name_has_a_value() {
        let changes = [
            take("a"),
            take("b"),
            LeaseChange::Renew,
            checkpoint(&[]),
            checkpoint(&["c", "d"]),
            LeaseChange::Release,
        ];
        for owner in [None, Some("a")] {
            for change in &changes {
                let mut values = Values::new();
                let expression = update(&seen(owner), change, &mut values);
                let condition = unchanged(&seen(owner), &mut values);
                let mut bound: Vec<String> = values.into_keys().collect();
                bound.sort();
                assert_eq!(names(&[expression, condition]), bound, "{change:?}");
            }
        }
    }

    #[test]
    fn only_a_take_from_another_owner_counts_as_a_switch() {
        for (owner, counted) in [(None, false), (Some("me"), false), (Some("rival"), true)] {
            let expression = update(&seen(owner), &take("me"), &mut Values::new());
            assert_eq!(expression.contains("ADD ownerSwitchesSinceCheckpoint"), counted, "{owner:?}");
        }
    }

    #[test]
    fn a_checkpoint_drops_what_java_had_prepared() {
        for children in [&[][..], &["c"]] {
            let expression = update(&seen(Some("me")), &checkpoint(children), &mut Values::new());
            assert!(
                expression.ends_with(
                    "REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState"
                ),
                "{expression}"
            );
        }
    }
}
