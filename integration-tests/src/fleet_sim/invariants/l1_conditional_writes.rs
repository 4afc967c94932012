//! L1: a row changes only by a conditional write on the counter and owner that the writer saw, and an owner that was
//! replaced commits nothing more. Requests and pins change nothing else of the row.

use kcl_core::lease::{Lease, LeaseChange};
use kcl_core::model::WorkerId;

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Action, Fact, What, Write};

#[derive(Debug)]
pub(super) struct ConditionalWrites;

impl Invariant for ConditionalWrites {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        let write = match fact.what {
            What::Wrote(write) => write,
            What::Pinned { to, before, after, .. } if *after != before.with_pin(to) => {
                return violated("a pin changed more than the pin");
            }
            _ => return Ok(()),
        };
        match (write.action, write.before) {
            (Action::Create | Action::Delete, None) => Ok(()),
            (Action::Create, Some(_)) => violated("a row was created over another"),
            (Action::Delete, Some(before)) if is_as_seen(&write, before) => Ok(()),
            (Action::Change(change), Some(before)) if is_as_seen(&write, before) => {
                check_change(&write, change, before)
            }
            (Action::Request(by), Some(before)) => check_request(&write, by, before),
            _ => violated("the row is not the one that the writer saw"),
        }
    }
}

fn is_as_seen(write: &Write<'_>, before: &Lease) -> bool {
    write.seen.is_some_and(|seen| seen.counter == before.counter && seen.owner == before.owner)
}

fn check_change(write: &Write<'_>, change: &LeaseChange, before: &Lease) -> Result<(), Violation> {
    let is_take = matches!(change, LeaseChange::Take { .. });
    if !is_take && !before.is_owned_by(write.worker) {
        return violated("the writer does not own the row");
    }
    if write.after.is_none_or(|after| after.counter != before.counter + 1) {
        return violated("the counter did not rise by one");
    }
    if let LeaseChange::HandOver { to, .. } = change
        && before.requested_by() != Some(to)
    {
        return violated("the lease was handed to a worker that did not ask for it");
    }
    Ok(())
}

fn check_request(write: &Write<'_>, by: Option<&WorkerId>, before: &Lease) -> Result<(), Violation> {
    let is_seen = |seen: &Lease| seen.owner == before.owner && seen.request == before.request;
    if !write.seen.is_some_and(is_seen) {
        return violated("the owner or the request is not the one that the asker saw");
    }
    if write.after != Some(&before.with_request(by)) {
        return violated("a request changed more than the request");
    }
    Ok(())
}

fn violated(problem: &str) -> Result<(), Violation> {
    Err(Violation::new("L1", problem))
}
