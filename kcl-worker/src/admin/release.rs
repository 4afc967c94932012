use kcl_core::lease::LeaseChange;

use super::hand_over::{HandOver, Hold};
use super::print;
use super::target::Target;
use crate::Failure;
use crate::cli::ReleaseArgs;

/// Has the owner of a shard give it back.
pub(super) async fn release(target: &Target, args: &ReleaseArgs) -> Result<(), Failure> {
    let shard = target.shard(&args.shard);
    let Some(row) = target.row(&shard).await? else {
        let message = format!(
            "shard '{}' has no row in '{}'; `leases list` shows those that have",
            args.shard, target.table
        );
        return Err(Failure::runtime(message));
    };
    let Some(owner) = &row.owner else {
        return print(&format!("nobody owns {}: there is nothing to release\n", args.shard));
    };
    print(&match Hold::of(&row) {
        Hold::Silent if args.act.take => {
            format!("the lease of {} is taken from {owner} and given back\n", args.shard)
        }
        Hold::Silent => format!("{owner} hands nothing over when it is asked: this needs --take\n"),
        _ => format!("{owner} is asked for {}, finishes its batch, commits, and lets go\n", args.shard),
    })?;
    if !args.act.apply {
        return print("nothing is written without --apply\n");
    }
    HandOver::new(target, args.act)?.make(&shard, &LeaseChange::Release).await?;
    print(&format!("{} is free: the next worker that looks at the table takes it\n", args.shard))
}
