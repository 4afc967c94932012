//! The expressions of every write to a row that exists: one update for each [`LeaseChange`], and those of requests and pins.
//!
//! All are conditional on counter **and** owner, but requests on the owner alone, and pins on neither. That is stricter than the Java KCL, which
//! asks for the counter alone (`DynamoDBLeaseSerializer.java`), and no Java worker can tell the difference.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::lease_row::{binary, checkpoint, number, shard_set, string};
use crate::lease::{HandOverRequest, Lease, LeaseChange, RequestForm};
use crate::model::{Checkpoint, PendingCheckpoint, ShardId, WorkerId};

/// Named values of an expression. The service refuses one that the expressions do not use.
pub(super) type Values = HashMap<String, AttributeValue>;

/// The condition that a row still is the one that `seen` was read from, whose values are added to `values`.
pub(super) fn unchanged(seen: &Lease, values: &mut Values) -> String {
    values.insert(":seen".to_owned(), number(seen.counter));
    format!("leaseCounter = :seen AND {}", owners_unchanged(seen, values))
}

/// A `checkpointOwner` that was not seen needs no condition: Java never writes one without another `leaseOwner`.
fn owners_unchanged(seen: &Lease, values: &mut Values) -> String {
    let (owner, checkpoint_owner) = seen.stored_owners();
    let owner = is_still("leaseOwner", ":owner", owner, values);
    if checkpoint_owner.is_none() {
        return owner;
    }
    format!("{owner} AND {}", is_still("checkpointOwner", ":processing", checkpoint_owner, values))
}

fn is_still(attribute: &str, name: &str, value: Option<&WorkerId>, values: &mut Values) -> String {
    match value {
        None => format!("attribute_not_exists({attribute})"),
        Some(worker) => {
            values.insert(name.to_owned(), string(worker.as_str()));
            format!("{attribute} = {name}")
        }
    }
}

/// The condition of `change` ([`Lease::permits`]), whose values are added to `values`.
pub(super) fn permitted(seen: &Lease, change: &LeaseChange, values: &mut Values) -> String {
    let unchanged = unchanged(seen, values);
    match change {
        // With the row unchanged, Java's form of the request stands as it did.
        LeaseChange::HandOver { to, .. } if seen.stored_owners().1.is_none() => {
            values.insert(":to".to_owned(), string(to.as_str()));
            format!("{unchanged} AND handOverTo = :to")
        }
        _ => unchanged,
    }
}

/// The condition of a request ([`Lease::permits_request`]), whose values are added to `values`.
pub(super) fn request_permitted(seen: &Lease, values: &mut Values) -> String {
    let asked = match &seen.request {
        Some(HandOverRequest { by, form: RequestForm::Attribute }) => Some(by),
        _ => None,
    };
    let owners = owners_unchanged(seen, values);
    let asked = is_still("handOverTo", ":asked", asked, values);
    format!("{owners} AND {asked} AND attribute_not_exists(checkpointOwner)")
}

/// The update that places a request or withdraws it, whose values are added to `values`.
pub(super) fn request(by: Option<&WorkerId>, values: &mut Values) -> &'static str {
    match by {
        None => "REMOVE handOverTo",
        Some(by) => {
            values.insert(":by".to_owned(), string(by.as_str()));
            "SET handOverTo = :by"
        }
    }
}

/// The condition of a pin ([`Lease::permits_pin`]), whose values are added to `values`. An update makes a row where there is
/// none, unless it is told not to.
pub(super) fn pin_permitted(seen: &Lease, values: &mut Values) -> String {
    let pinned = is_still("pinnedTo", ":pinned", seen.pinned_to.as_ref(), values);
    format!("attribute_exists(leaseKey) AND {pinned}")
}

/// The update that places a pin or removes it, whose values are added to `values`.
pub(super) fn pin(to: Option<&WorkerId>, values: &mut Values) -> &'static str {
    match to {
        None => "REMOVE pinnedTo",
        Some(to) => {
            values.insert(":to".to_owned(), string(to.as_str()));
            "SET pinnedTo = :to"
        }
    }
}

/// The update that turns the row of `seen` into that of `seen.after(change)`, whose values are added to `values`.
pub(super) fn update(seen: &Lease, change: &LeaseChange, values: &mut Values) -> String {
    let mut update = Update { set: Vec::new(), remove: Vec::new(), add: None, values };
    let after = seen.after(change);
    update.set("leaseCounter", ":counter", number(after.counter));
    match change {
        LeaseChange::Take { by } => {
            update.pass_to(Some(by));
            update.set("handOverOwner", ":by", string(by.as_str()));
        }
        LeaseChange::Renew => {}
        LeaseChange::Checkpoint { checkpoint, children } => update.move_to(checkpoint, children),
        LeaseChange::Prepare { pending } => update.prepare(pending),
        LeaseChange::Release => update.give_back(seen),
        LeaseChange::Rewind { checkpoint } => {
            update.move_to(checkpoint, &[]);
            update.give_back(seen);
        }
        LeaseChange::HandOver { to, checkpoint } => {
            if let Some(checkpoint) = checkpoint {
                update.move_to(checkpoint, &[]);
            }
            update.pass_to(Some(to));
            if seen.is_moved_by_java() {
                update.remove.push("handOverOwner");
            } else {
                update.remove.retain(|attribute| *attribute != "handOverTo");
            }
        }
    }
    update.count_switches(seen, &after, change);
    update.expression()
}

/// An update expression as it grows.
struct Update<'a> {
    set: Vec<String>,
    remove: Vec<&'static str>,
    add: Option<&'static str>,
    values: &'a mut Values,
}

impl Update<'_> {
    fn set(&mut self, attribute: &str, name: &str, value: AttributeValue) {
        self.set.push(format!("{attribute} = {name}"));
        self.values.insert(name.to_owned(), value);
    }

    /// An unfinished hand-over of the Java KCL 3 ends with every change of owner, as it does there.
    fn pass_to(&mut self, owner: Option<&WorkerId>) {
        match owner {
            Some(owner) => self.set("leaseOwner", ":new", string(owner.as_str())),
            None => self.remove.push("leaseOwner"),
        }
        self.remove.extend(["handOverTo", "checkpointOwner"]);
    }

    fn give_back(&mut self, seen: &Lease) {
        self.pass_to(None);
        match &seen.owner {
            Some(owner) => self.set("handOverOwner", ":by", string(owner.as_str())),
            None => self.remove.push("handOverOwner"),
        }
    }

    /// What was prepared is void once there is a new checkpoint, as in the Java KCL.
    fn move_to(&mut self, position: &Checkpoint, children: &[ShardId]) {
        let (sequence_number, sub_sequence_number) = checkpoint(position);
        self.set("checkpoint", ":checkpoint", sequence_number);
        self.set("checkpointSubSequenceNumber", ":sub", sub_sequence_number);
        if !children.is_empty() {
            self.set("childShardIds", ":children", shard_set(children));
        }
        self.remove.extend([
            "pendingCheckpoint",
            "pendingCheckpointSubSequenceNumber",
            "pendingCheckpointState",
        ]);
    }

    /// A state that was prepared before does not outlive a preparation without one.
    fn prepare(&mut self, pending: &PendingCheckpoint) {
        let (sequence_number, sub_sequence_number) = checkpoint(&pending.checkpoint);
        self.set("pendingCheckpoint", ":pending", sequence_number);
        self.set("pendingCheckpointSubSequenceNumber", ":pendingSub", sub_sequence_number);
        if pending.application_state.is_empty() {
            self.remove.push("pendingCheckpointState");
        } else {
            self.set("pendingCheckpointState", ":pendingState", binary(&pending.application_state));
        }
    }

    /// A checkpoint starts the count again; a change of owner goes on with it.
    fn count_switches(&mut self, seen: &Lease, after: &Lease, change: &LeaseChange) {
        let switches = number(after.owner_switches_since_checkpoint);
        match change {
            LeaseChange::Checkpoint { .. }
            | LeaseChange::HandOver { checkpoint: Some(_), .. }
            | LeaseChange::Rewind { .. } => {
                self.set("ownerSwitchesSinceCheckpoint", ":switches", switches);
            }
            _ if after.owner_switches_since_checkpoint > seen.owner_switches_since_checkpoint => {
                self.values.insert(":one".to_owned(), number(1));
                self.add = Some("ownerSwitchesSinceCheckpoint :one");
            }
            _ => {}
        }
    }

    fn expression(self) -> String {
        let mut expression = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            expression = format!("{expression} REMOVE {}", self.remove.join(", "));
        }
        if let Some(add) = self.add {
            expression = format!("{expression} ADD {add}");
        }
        expression
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{RecordPosition, ShardKey, StreamId};

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

    fn prepare(state: &'static [u8]) -> LeaseChange {
        let application_state = Bytes::from_static(state);
        LeaseChange::Prepare {
            pending: PendingCheckpoint { checkpoint: Checkpoint::Latest, application_state },
        }
    }

    fn hand_over(checkpoint: Option<Checkpoint>) -> LeaseChange {
        LeaseChange::HandOver { to: WorkerId::new("b").unwrap(), checkpoint }
    }

    /// A row that nobody owns, one that somebody owns, and one that is asked for in either form.
    fn all_seen() -> Vec<Lease> {
        let owned = seen(Some("a"));
        let asked = owned.with_request(Some(&WorkerId::new("b").unwrap()));
        let mut moved_by_java = asked.clone();
        moved_by_java.request.as_mut().unwrap().form = RequestForm::CheckpointOwner;
        vec![seen(None), owned, asked, moved_by_java]
    }

    fn bound(values: Values) -> Vec<String> {
        let mut names: Vec<String> = values.into_keys().collect();
        names.sort();
        names
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
            prepare(b""),
            prepare(b"state"),
            LeaseChange::Release,
            LeaseChange::Rewind { checkpoint: Checkpoint::TrimHorizon },
            hand_over(None),
            hand_over(Some(Checkpoint::Latest)),
        ];
        for seen in all_seen() {
            for change in &changes {
                let mut values = Values::new();
                let expression = update(&seen, change, &mut values);
                let condition = permitted(&seen, change, &mut values);
                assert_eq!(names(&[&expression, &condition]), bound(values), "{change:?}");
            }
            for by in [None, Some(WorkerId::new("b").unwrap())] {
                let mut values = Values::new();
                let expression = request(by.as_ref(), &mut values);
                let condition = request_permitted(&seen, &mut values);
                assert_eq!(names(&[expression, &condition]), bound(values), "{by:?}");
                let pinned = seen.with_pin(by.as_ref());
                for (seen, to) in [(&seen, by.as_ref()), (&pinned, by.as_ref()), (&pinned, None)] {
                    let mut values = Values::new();
                    let expression = pin(to, &mut values);
                    let condition = pin_permitted(seen, &mut values);
                    assert_eq!(names(&[expression, &condition]), bound(values), "{to:?}");
                }
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
    fn a_checkpoint_drops_what_was_prepared() {
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

    #[test]
    fn a_preparation_without_a_state_drops_the_one_before() {
        let expression = |state| update(&seen(Some("me")), &prepare(state), &mut Values::new());
        assert!(expression(b"").ends_with("REMOVE pendingCheckpointState"));
        assert!(!expression(b"state").contains("REMOVE"));
    }
}
