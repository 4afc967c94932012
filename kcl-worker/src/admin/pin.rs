use kcl_core::lease::{Conditional, Lease};
use kcl_core::model::WorkerId;

use super::pin_state::PinState;
use super::print;
use super::target::Target;
use crate::Failure;
use crate::cli::{PinArgs, UnpinArgs};

/// Pins a shard to a worker.
pub(super) async fn pin(target: &Target, args: &PinArgs) -> Result<(), Failure> {
    let row = row(target, &args.shard).await?;
    if row.is_finished() {
        return Err(Failure::runtime(format!(
            "shard '{}' is processed to its end: a pin would move nothing; pin its children instead",
            args.shard
        )));
    }
    print(&plan(&row.with_pin(Some(&args.worker)), &target.rows().await?))?;
    write(target, &row, Some(&args.worker), args.apply).await
}

/// Removes the pin of a shard.
pub(super) async fn unpin(target: &Target, args: &UnpinArgs) -> Result<(), Failure> {
    let row = row(target, &args.shard).await?;
    let Some(worker) = &row.pinned_to else {
        return print(&format!("{} is not pinned: there is nothing to remove\n", args.shard));
    };
    print(&format!(
        "the pin of {} to {worker} is removed: the fleet balances it like any other\n",
        args.shard
    ))?;
    write(target, &row, None, args.apply).await
}

async fn row(target: &Target, shard: &str) -> Result<Lease, Failure> {
    target.row(&target.shard(shard)).await?.ok_or_else(|| {
        let table = &target.table;
        let message = format!("shard '{shard}' has no row in '{table}'; `leases list` shows those that have");
        Failure::runtime(message)
    })
}

/// What a pin will do, in words, of a row that has it.
fn plan(row: &Lease, rows: &[Lease]) -> String {
    let shard = &row.shard.shard_id;
    let Some(state) = PinState::of(row, rows) else { return String::new() };
    let worker = state.worker();
    let plan = match (&state, &row.owner) {
        (PinState::Honoured(_), _) => format!("{worker} has {shard}, and keeps it"),
        (PinState::AskedFor(_), _) => format!("{worker} has asked for {shard}, and keeps it"),
        (_, Some(owner)) if row.answers_requests() => {
            format!(
                "{worker} asks {owner} for {shard}; {owner} finishes its batch, commits, and hands it over"
            )
        }
        (_, Some(owner)) => format!(
            "{owner} has {shard}, and hands nothing over when it is asked, such as one of the Java KCL: it keeps it, and \
             {worker} asks whoever has it next"
        ),
        (_, None) => format!("nobody owns {shard}: {worker} takes it"),
    };
    let warning = match state {
        PinState::Absent(_) => format!(
            "warning: no row names {worker} as owner or asker, so the pin has no effect unless a worker of that id comes; ids are \
             drawn anew at each start of a worker that has no worker_id set\n"
        ),
        PinState::Foreign(_) => format!(
            "warning: {worker} asks for nothing, like a worker of the Java KCL, so the pin has no effect on it\n"
        ),
        _ => String::new(),
    };
    format!("{plan}\n{warning}")
}

/// One conditional write, which heeds neither owner nor counter: it stands in no worker's way, and no worker in its way.
async fn write(target: &Target, row: &Lease, to: Option<&WorkerId>, apply: bool) -> Result<(), Failure> {
    let shard = &row.shard.shard_id;
    if !apply {
        return print("nothing is written without --apply\n");
    }
    let written = target.ports.leases.pin(row, to).await.map_err(Failure::runtime)?;
    let found = match written {
        Conditional::Applied(_) => {
            return print(&match to {
                Some(worker) => format!("{shard} is pinned to {worker}\n"),
                None => format!("{shard} is not pinned\n"),
            });
        }
        Conditional::Lost(found) => found,
    };
    let problem = match found.map(|row| row.pinned_to) {
        None => format!("shard '{shard}' has no row any more"),
        Some(None) => format!("the pin of shard '{shard}' was removed meanwhile"),
        Some(Some(worker)) => format!("shard '{shard}' was pinned to {worker} meanwhile"),
    };
    Err(Failure::runtime(format!("{problem}; look again before you pin it")))
}

#[cfg(test)]
mod tests {
    use kcl_core::lease::LeaseChange;
    use kcl_core::model::{Checkpoint, ShardId, ShardKey, StreamId};

    use super::*;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name).unwrap()
    }

    fn row(shard: &str, owner: Option<&str>) -> Lease {
        let key = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new(shard));
        let row = Lease::unowned(key, Checkpoint::TrimHorizon, Vec::new());
        owner.map_or(row.clone(), |owner| row.after(&LeaseChange::Take { by: worker(owner) }))
    }

    fn plan_of(owner: Option<&str>, to: &str) -> String {
        let rows = [row("s-0", owner), row("s-1", Some("bob"))];
        plan(&rows[0].with_pin(Some(&worker(to))), &rows)
    }

    #[test]
    fn a_plan_says_how_the_lease_moves_and_warns_of_a_worker_that_nobody_knows() {
        let moves = plan_of(Some("ada"), "bob");
        assert_eq!(moves, "bob asks ada for s-0; ada finishes its batch, commits, and hands it over\n");
        assert_eq!(plan_of(None, "bob"), "nobody owns s-0: bob takes it\n");
        assert_eq!(plan_of(Some("bob"), "bob"), "bob has s-0, and keeps it\n");
        assert!(plan_of(Some("ada"), "cyd").contains("warning: no row names cyd"));
    }

    #[test]
    fn a_java_worker_is_neither_asked_nor_asks() {
        let java = Lease { hand_over_owner: None, ..row("s-0", Some("java")) };
        let rows = [java.clone(), row("s-1", Some("bob"))];
        assert!(plan(&java.with_pin(Some(&worker("bob"))), &rows).contains("hands nothing over"));
        let pinned = rows[1].with_pin(Some(&worker("java")));
        assert!(plan(&pinned, &rows).contains("warning: java asks for nothing"));
    }
}
