//! What a fleet without trouble must come to: every open shard is owned, what is pinned to a worker is that worker's,
//! shares differ by at most one but for what is pinned, closed shards are finished, and everything is settled. Only what a record holds up that nobody takes is not, and says so.

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
    let mut pinned: BTreeMap<&WorkerId, usize> = BTreeMap::new();
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
        if let Some(worker) = row.pinned_to.as_ref().filter(|worker| counts.contains_key(*worker)) {
            if owner != worker {
                return Some(format!("{} is pinned to {worker}, and {owner} has it", row.shard));
            }
            *pinned.entry(worker).or_default() += 1;
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
    let least = counts.values().min()?;
    // A worker may have more, all of which are pinned to it.
    let has_too_many =
        |worker: &WorkerId, count: usize| count > least + 1 && pinned.get(worker) != Some(&count);
    let is_uneven = counts.iter().any(|(worker, count)| has_too_many(worker, *count));
    is_uneven.then(|| format!("the shares are {counts:?}, of which are pinned {pinned:?}"))
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
