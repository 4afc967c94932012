use clap::Args;
use kcl_core::model::WorkerId;

use super::TargetArgs;

/// What to pin, and to whom.
#[derive(Debug, Clone, Args)]
pub struct PinArgs {
    /// The shard, such as shardId-000000000007.
    pub shard: String,
    /// The worker's id, as `leases list` shows it. Ids are drawn anew at each start of a worker that has no `worker_id` set.
    #[arg(long, value_name = "WORKER", value_parser = worker_id)]
    pub worker: WorkerId,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    /// Do it. Without this, the plan is shown and nothing is written.
    #[arg(long)]
    pub apply: bool,
}

/// What to unpin.
#[derive(Debug, Clone, Args)]
pub struct UnpinArgs {
    /// The shard, such as shardId-000000000007.
    pub shard: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    /// Do it. Without this, the plan is shown and nothing is written.
    #[arg(long)]
    pub apply: bool,
}

fn worker_id(text: &str) -> Result<WorkerId, String> {
    WorkerId::new(text).map_err(|error| error.to_string())
}
