use std::fmt::Write;

use kcl_core::lease::Lease;
use kcl_core::model::ShardId;
use serde_json::{Value, json};

use super::pin_state::{PinState, json_of_pin};
use super::print;
use super::target::Target;
use crate::Failure;
use crate::cli::ListArgs;

/// Shows every row.
pub(super) async fn list(target: &Target, args: &ListArgs) -> Result<(), Failure> {
    let rows = target.rows().await?;
    if args.json {
        let lines: Vec<String> = rows.iter().map(|row| json_of(row).to_string() + "\n").collect();
        return print(&lines.concat());
    }
    print(&table_of(&rows))
}

/// A row as a program reads it.
pub(super) fn json_of(row: &Lease) -> Value {
    let mut json = json!({
        "shardId": row.shard.shard_id.as_str(),
        "owner": row.owner.as_ref().map(ToString::to_string),
        "checkpoint": row.checkpoint.to_string(),
        "pendingCheckpoint": row.pending.as_ref().map(|pending| pending.checkpoint.to_string()),
        "counter": row.counter,
        "ownerSwitchesSinceCheckpoint": row.owner_switches_since_checkpoint,
        "requestedBy": row.requested_by().map(ToString::to_string),
        "parents": names(&row.parents),
        "children": names(&row.children),
    });
    for (name, value) in json_of_pin(row) {
        json[name] = value;
    }
    json
}

fn names(shards: &[ShardId]) -> Vec<&str> {
    shards.iter().map(ShardId::as_str).collect()
}

/// The rows as a table with as wide columns as they need, and a line that counts them.
fn table_of(rows: &[Lease]) -> String {
    let head = ["SHARD", "OWNER", "COUNTER", "CHECKPOINT", "STATE"].map(str::to_owned);
    let lines: Vec<[String; 5]> =
        std::iter::once(head).chain(rows.iter().map(|row| cells(row, rows))).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _infallible = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    let finished = rows.iter().filter(|row| row.is_finished()).count();
    let owned = rows.iter().filter(|row| row.owner.is_some()).count();
    let _infallible = writeln!(text, "{} rows: {owned} owned, {finished} finished", rows.len());
    text
}

fn cells(row: &Lease, rows: &[Lease]) -> [String; 5] {
    let owner = row.owner.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let shard = row.shard.shard_id.to_string();
    let remark = PinState::of(row, rows).map(|pin| format!(", {}", pin.remark())).unwrap_or_default();
    let state = format!("{}{remark}", state(row, rows));
    [shard, owner, row.counter.to_string(), row.checkpoint.to_string(), state]
}

fn state(row: &Lease, rows: &[Lease]) -> String {
    if row.is_finished() {
        return "finished".to_owned();
    }
    if let Some(by) = row.requested_by() {
        return format!("asked for by {by}");
    }
    if row.is_handed_over() {
        return "handed over, not taken up".to_owned();
    }
    let unfinished = unfinished_parents(row, rows);
    match (unfinished.first(), &row.owner) {
        (Some(parent), _) => format!("waits for {}", parent.shard.shard_id),
        (None, Some(_)) => "owned".to_owned(),
        (None, None) => "free".to_owned(),
    }
}

/// The parents that stand in a shard's way.
pub(super) fn unfinished_parents<'a>(row: &Lease, rows: &'a [Lease]) -> Vec<&'a Lease> {
    let is_parent = |other: &&Lease| row.parents.contains(&other.shard.shard_id) && !other.is_finished();
    rows.iter().filter(is_parent).collect()
}

#[cfg(test)]
mod tests {
    use kcl_core::lease::LeaseChange;
    use kcl_core::model::{Checkpoint, ShardKey, StreamId, WorkerId};

    use super::*;

    fn row(shard: &str, parents: &[&str]) -> Lease {
        let key = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(shard));
        Lease::unowned(key, Checkpoint::TrimHorizon, parents.iter().copied().map(ShardId::new).collect())
    }

    #[test]
    fn a_table_says_how_each_row_stands() {
        let taken = row("s-1", &[]).after(&LeaseChange::Take { by: WorkerId::new("ada").unwrap() });
        let asked = row("s-4", &[]).after(&LeaseChange::Take { by: WorkerId::new("ada").unwrap() });
        let asked = asked.with_request(Some(&WorkerId::new("bob").unwrap()));
        let bob = WorkerId::new("bob").unwrap();
        let pinned = row("s-5", &[]).after(&LeaseChange::Take { by: bob.clone() }).with_pin(Some(&bob));
        let absent = row("s-6", &[]).with_pin(Some(&WorkerId::new("cyd").unwrap()));
        let rows = [row("s-0", &[]), taken.with_pin(Some(&bob)), row("s-2", &["s-1"]), asked, pinned, absent];
        let expected = "\
SHARD  OWNER  COUNTER  CHECKPOINT    STATE
s-0    -      0        TRIM_HORIZON  free
s-1    ada    1        TRIM_HORIZON  owned, pinned to bob
s-2    -      0        TRIM_HORIZON  waits for s-1
s-4    ada    1        TRIM_HORIZON  asked for by bob
s-5    bob    1        TRIM_HORIZON  owned, as pinned
s-6    -      0        TRIM_HORIZON  free, pinned to cyd, which is not seen
6 rows: 3 owned, 0 finished
";
        assert_eq!(table_of(&rows), expected);
    }

    #[test]
    fn a_row_is_a_json_object() {
        let json = json_of(&row("s-2", &["s-1"]));
        assert_eq!(json["owner"], Value::Null);
        assert_eq!(json["parents"], json!(["s-1"]));
        assert_eq!(json["checkpoint"], "TRIM_HORIZON");
        assert_eq!((&json["pinnedTo"], &json["isPinHonoured"]), (&Value::Null, &Value::Null));
        let ada = WorkerId::new("ada").unwrap();
        let json = json_of(&row("s-2", &["s-1"]).with_pin(Some(&ada)));
        assert_eq!((&json["pinnedTo"], &json["isPinHonoured"]), (&json!("ada"), &json!(false)));
    }
}
