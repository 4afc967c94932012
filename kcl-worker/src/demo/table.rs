use std::collections::BTreeMap;

use kcl_core::model::ShardId;

use super::board::{ShardRow, ShardState};
use super::shard_name::ShardName;

/// Rows shown: with all else, what fits on a terminal of 24 lines.
const ROWS_MAX: usize = 10;

/// The shards as a table. Those that have ended give way to the others if there are too many.
pub(super) fn table(shards: &BTreeMap<ShardId, ShardRow>) -> String {
    let mut rows: Vec<_> = shards.iter().collect();
    if rows.len() > ROWS_MAX {
        rows.sort_by_key(|(_, row)| row.state == ShardState::Ended);
        rows.truncate(ROWS_MAX);
        rows.sort_by_key(|(shard, _)| *shard);
    }
    let mut lines = vec![format!("{:<12}{:<20}{:>10}{:>12}", "shard", "worker", "records", "behind")];
    lines.extend(rows.iter().map(|(shard, row)| {
        let behind = match row.state {
            ShardState::Held(_) => format!("{} ms", row.behind_ms),
            _ => "-".to_owned(),
        };
        format!("{:<12}{:<20}{:>10}{behind:>12}", ShardName(shard), row.state.to_string(), row.records)
    }));
    if shards.len() > rows.len() {
        lines.push(format!("and {} shards more", shards.len() - rows.len()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use kcl_core::model::WorkerId;

    use super::*;

    fn row(number: usize, state: ShardState) -> (ShardId, ShardRow) {
        let row = ShardRow { state, records: 7, behind_ms: 120 };
        (ShardId::new(format!("shardId-{number:012}")), row)
    }

    #[test]
    fn a_row_says_who_works_on_the_shard_and_how_far_behind() {
        let held = ShardState::Held(WorkerId::new("worker-1").unwrap());
        let shards = BTreeMap::from([row(0, held), row(1, ShardState::Ended)]);
        let expected = "shard       worker                 records      behind\n\
                        shard 0     worker-1                     7      120 ms\n\
                        shard 1     ended                        7           -";
        assert_eq!(table(&shards), expected);
    }

    #[test]
    fn shards_that_have_ended_give_way_first() {
        let ended = (0..5).map(|number| row(number, ShardState::Ended));
        let shards: BTreeMap<_, _> =
            ended.chain((5..20).map(|number| row(number, ShardState::Free))).collect();
        let shown = table(&shards);
        assert!(!shown.contains("ended"), "{shown}");
        assert!(shown.ends_with("and 10 shards more"), "{shown}");
    }
}
