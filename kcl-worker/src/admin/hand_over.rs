use std::time::Duration;

use kcl_core::lease::{Conditional, Lease, LeaseChange};
use kcl_core::model::{ShardKey, WorkerId};
use kcl_core::worker::unique_worker_id;
use tokio::select;
use tokio::time::{Instant, sleep};

use super::target::Target;
use crate::Failure;
use crate::cli::ActArgs;

/// How often the row is read while its owner finishes its batch. Each look is a consistent read.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A row may move between a look and a write so often before the operator is told: each time another worker was quicker.
const RACES_MAX: u32 = 20;

/// The name by which an operator asks for leases. Workers see a worker of this name for a moment.
const OPERATOR: &str = "kcl-worker-operator";

/// Makes one change of a shard's row beside running workers: asks the owner for the lease, waits until it lets go, and makes
/// the change.
pub(super) struct HandOver<'a> {
    target: &'a Target,
    act: ActArgs,
    me: WorkerId,
}

/// What is in the way of a change, as the row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nobody holds the lease.
    Free,
    /// The owner hands it over when it is asked.
    Answers,
    /// The owner does not: it can only be taken from it.
    Silent,
}

impl Hold {
    pub(super) fn of(row: &Lease) -> Self {
        match &row.owner {
            None => Self::Free,
            Some(_) if row.answers_requests() && !row.is_moved_by_java() => Self::Answers,
            Some(_) => Self::Silent,
        }
    }
}

impl<'a> HandOver<'a> {
    pub(super) fn new(target: &'a Target, act: ActArgs) -> Result<Self, Failure> {
        Ok(Self { target, act, me: unique_worker_id(OPERATOR).map_err(Failure::runtime)? })
    }

    /// Makes `change`, which gives the lease back, and returns the row as it is then. Stopped before, it leaves the lease to its
    /// owner.
    pub(super) async fn make(&self, shard: &ShardKey, change: &LeaseChange) -> Result<Lease, Failure> {
        select! {
            biased;
            () = self.target.stop.cancelled() => self.leave(shard).await,
            made = self.make_unless_stopped(shard, change) => made,
        }
    }

    async fn make_unless_stopped(&self, shard: &ShardKey, change: &LeaseChange) -> Result<Lease, Failure> {
        for _ in 0..RACES_MAX {
            let row = self.let_go(shard).await?;
            let made = self.target.ports.leases.update(&row, change).await;
            if let Conditional::Applied(row) = made.map_err(Failure::runtime)? {
                return Ok(row);
            }
        }
        Err(Failure::runtime(format!(
            "the row of shard {shard} moved {RACES_MAX} times just before it could be written; try again"
        )))
    }

    /// Takes the request back, or gives the lease back if it has come meanwhile: a lease of somebody who is gone would have to
    /// expire. A write that is on its way may come after this, and only then it does.
    async fn leave(&self, shard: &ShardKey) -> Result<Lease, Failure> {
        let leases = &self.target.ports.leases;
        for _ in 0..RACES_MAX {
            let Some(row) = self.target.row(shard).await? else { break };
            let left = if row.is_owned_by(&self.me) {
                leases.update(&row, &LeaseChange::Release).await
            } else if row.requested_by() == Some(&self.me) {
                leases.request(&row, None).await
            } else {
                break;
            };
            if let Conditional::Applied(_) = left.map_err(Failure::runtime)? {
                break;
            }
        }
        Err(Failure::interrupted(format!("stopped; nobody is asked for shard {shard} any more")))
    }

    /// The row, once its owner has let go or it may be taken from it.
    async fn let_go(&self, shard: &ShardKey) -> Result<Lease, Failure> {
        let deadline = Instant::now() + Duration::from_millis(self.act.hand_over_timeout_ms);
        loop {
            let row = self.target.row(shard).await?;
            let row = row.ok_or_else(|| Failure::runtime(format!("shard {shard} has no row any more")))?;
            if row.owner.is_none() || row.is_owned_by(&self.me) {
                return Ok(row);
            }
            let may_wait = Hold::of(&row) == Hold::Answers && Instant::now() < deadline;
            if !may_wait {
                return self.give_up_asking(row).await;
            }
            if row.requested_by().is_none() {
                let asked = self.target.ports.leases.request(&row, Some(&self.me)).await;
                asked.map_err(Failure::runtime)?;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// The owner does not answer. Takes the request back, so that it does not hand the lease to somebody who is gone.
    async fn give_up_asking(&self, row: Lease) -> Result<Lease, Failure> {
        if self.act.take {
            return Ok(row);
        }
        let owner = row.owner.as_ref().map(ToString::to_string).unwrap_or_default();
        let reason = if Hold::of(&row) == Hold::Answers {
            format!("{owner} did not let go within {} ms", self.act.hand_over_timeout_ms)
        } else {
            format!(
                "{owner} is a worker that hands nothing over when it is asked, such as one of the Java KCL"
            )
        };
        if row.requested_by() == Some(&self.me) {
            self.target.ports.leases.request(&row, None).await.map_err(Failure::runtime)?;
        }
        Err(Failure::runtime(format!(
            "shard {}: {reason}; with --take it is taken from it, and both it and the next owner may process the shard \
             until it notices",
            row.shard
        )))
    }
}
