//! What a fleet without trouble must come to: every open shard is owned, shares differ by at most one, closed shards are
//! finished, and everything is settled. Only what a record holds up that nobody takes is not, and says so.

use std::collections::BTreeMap;

use kcl_core::lease::Lease;
use kcl_core::model::{Shard, WorkerId};

use super::accounts::{Accounts, HeldUp};
use super::names::ShardNo;

/// The first thing that is not as it should be. `counts` has every running worker, with a count of zero.
pub(super) fn complaint(
    rows: &[Lease],
    shards: &[Shard],
    mut counts: BTreeMap<WorkerId, usize>,
    accounts: &Accounts,
    held_up: &HeldUp,
) -> Option<String> {
    if let Some(complaint) = complaint_of_records(accounts, held_up) {
        return Some(complaint);
    }
    for row in rows.iter().filter(|row| !row.is_finished()) {
        let no = ShardNo::of(&row.shard.shard_id);
        if held_up.waiting.contains(&no) {
            continue;
        }
        let is_open = shards.iter().any(|shard| shard.shard_id == row.shard.shard_id && shard.is_open());
        if !is_open && !held_up.has(no) {
            return Some(format!("closed shard {} is not finished", row.shard));
        }
        if let Some(by) = row.requested_by() {
            return Some(format!("{by} still asks for {}", row.shard));
        }
        let Some(owner) = &row.owner else { return Some(format!("nobody owns {}", row.shard)) };
        if row.awaits_taking_up_by(owner) {
            return Some(format!("{owner} has not taken up {}", row.shard));
        }
        match counts.get_mut(owner) {
            Some(count) => *count += 1,
            None => return Some(format!("{} belongs to {owner}, which is gone", row.shard)),
        }
    }
    let is_waiting = |shard: &Shard| held_up.waiting.contains(&ShardNo::of(&shard.shard_id));
    for shard in shards.iter().filter(|shard| shard.is_open() || is_waiting(shard)) {
        if !rows.iter().any(|row| row.shard.shard_id == shard.shard_id && !row.is_finished()) {
            return Some(format!("open shard {} has no row", shard.shard_id));
        }
    }
    let (least, most) = (counts.values().min()?, counts.values().max()?);
    (most - least > 1).then(|| format!("the shares are {counts:?}"))
}

fn complaint_of_records(accounts: &Accounts, held_up: &HeldUp) -> Option<String> {
    let waiting = accounts.outstanding().filter(|(shard, _)| !held_up.has(*shard));
    let count: usize = waiting.map(|(_, count)| count).sum();
    if count > 0 {
        return Some(format!("{count} records are not delivered"));
    }
    let blocked = accounts.blocked();
    let silent = held_up.stuck.difference(&blocked).next();
    let loud = blocked.difference(&held_up.stuck).next();
    let silent =
        silent.map(|shard| format!("a record holds up {shard}, which does not say that it is blocked"));
    silent.or_else(|| loud.map(|shard| format!("{shard} says that it is blocked, and nothing holds it up")))
}
