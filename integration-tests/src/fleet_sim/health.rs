//! What a fleet without trouble must come to: every open shard is owned, shares differ by at most one, closed shards are
//! finished, and everything is delivered.

use std::collections::BTreeMap;

use kcl_core::lease::Lease;
use kcl_core::model::{Shard, WorkerId};

/// The first thing that is not as it should be. `counts` has every running worker, with a count of zero.
pub(super) fn complaint(
    rows: &[Lease],
    shards: &[Shard],
    mut counts: BTreeMap<WorkerId, usize>,
    outstanding: usize,
) -> Option<String> {
    if outstanding > 0 {
        return Some(format!("{outstanding} records are not delivered"));
    }
    for row in rows.iter().filter(|row| !row.is_finished()) {
        let is_open = shards.iter().any(|shard| shard.shard_id == row.shard.shard_id && shard.is_open());
        if !is_open {
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
    let open = shards.iter().filter(|shard| shard.is_open());
    for shard in open {
        if !rows.iter().any(|row| row.shard.shard_id == shard.shard_id && !row.is_finished()) {
            return Some(format!("open shard {} has no row", shard.shard_id));
        }
    }
    let (least, most) = (counts.values().min()?, counts.values().max()?);
    (most - least > 1).then(|| format!("the shares are {counts:?}"))
}
