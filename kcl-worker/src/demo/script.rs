use std::time::Duration;

use kcl_core::model::{HashKeyRange, Shard, ShardId};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fleet::Fleet;
use super::shard_name::ShardName;
use super::stage::Stage;
use crate::Failure;
use crate::cli::DemoArgs;

/// The time from the start to the first step, and from each step to the next: long enough to see what it does.
const STEP_INTERVAL: Duration = Duration::from_millis(1_500);

/// What happens on the way, besides records.
#[derive(Debug)]
pub(super) struct Script {
    steps: Vec<Step>,
    finished: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Split,
    Kill,
    Merge,
}

impl Script {
    /// What the arguments ask for. Refused if nobody would be left to go on.
    pub(super) fn new(args: &DemoArgs) -> Result<Self, Failure> {
        if args.kill && args.workers < 2 {
            return Err(Failure::usage(format!(
                "--kill needs a worker that takes over, and --workers is {}; use --workers 2 or more",
                args.workers
            )));
        }
        let asked = [(Step::Split, args.reshard), (Step::Kill, args.kill), (Step::Merge, args.reshard)];
        Ok(Self {
            steps: asked.into_iter().filter(|(_, asked)| *asked).map(|(step, _)| step).collect(),
            finished: CancellationToken::new(),
        })
    }

    /// When the last step is due, from the start.
    pub(super) fn planned_time(&self) -> Duration {
        (0..self.steps.len()).map(|_| STEP_INTERVAL).sum()
    }

    /// Returns once the last step has been done.
    pub(super) async fn finished(&self) {
        self.finished.cancelled().await;
    }

    pub(super) async fn play(&self, stage: &Stage, fleet: &Fleet) -> Result<(), Failure> {
        let mut due_at = Instant::now();
        for step in &self.steps {
            due_at += STEP_INTERVAL;
            sleep_until(due_at).await;
            match step {
                Step::Split => split(stage)?,
                Step::Kill => fleet.kill_one(stage).await,
                Step::Merge => merge(stage)?,
            }
        }
        self.finished.cancel();
        Ok(())
    }
}

/// Splits the first open shard into halves.
fn split(stage: &Stage) -> Result<(), Failure> {
    let shards = open_shards(stage.shards()?);
    let Some(shard) = shards.first() else {
        return Ok(());
    };
    let middle = middle(shard.hash_key_range);
    let children = stage.kinesis.split_shard(&stage.stream, &shard.shard_id, middle);
    let [lower, upper] = children.map_err(Failure::runtime)?;
    let [parent, lower, upper] = [&shard.shard_id, &lower, &upper].map(ShardName);
    stage.board.note(format!("SPLIT {parent} into {lower} and {upper}"));
    Ok(())
}

/// Merges the upper half of the split with its neighbour, so that a shard follows a child.
fn merge(stage: &Stage) -> Result<(), Failure> {
    let shards = open_shards(stage.shards()?);
    let Some((left, right)) = pair_to_merge(&shards) else {
        return Ok(());
    };
    let child = stage.kinesis.merge_shards(&stage.stream, left, right).map_err(Failure::runtime)?;
    let [left, right, child] = [left, right, &child].map(ShardName);
    stage.board.note(format!("MERGE {left} and {right} into {child}"));
    Ok(())
}

/// The shards that take records, in the order of their hash keys.
fn open_shards(mut shards: Vec<Shard>) -> Vec<Shard> {
    shards.retain(Shard::is_open);
    shards.sort_by_key(|shard| shard.hash_key_range.start);
    shards
}

/// The second and the third open shard, which the split left as its upper half and that one's neighbour; the two
/// halves if there are no others.
fn pair_to_merge(open_shards: &[Shard]) -> Option<(&ShardId, &ShardId)> {
    let first = usize::from(open_shards.len() > 2);
    match open_shards.get(first..first + 2) {
        Some([left, right]) => Some((&left.shard_id, &right.shard_id)),
        _ => None,
    }
}

fn middle(range: HashKeyRange) -> u128 {
    range.start + (range.end - range.start) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_any_size_can_be_split_and_merged() {
        for shards in 1..=5 {
            let stage = Stage::set(shards, false).unwrap();
            split(&stage).unwrap();
            merge(&stage).unwrap();
            let shards = stage.shards().unwrap();
            let merged = shards.last().unwrap();
            let child = shards.iter().find(|shard| shard.parent.is_some()).unwrap();
            assert_eq!(merged.parents().count(), 2);
            assert!(merged.hash_key_range.start >= child.hash_key_range.start);
            assert_eq!(shards.iter().filter(|shard| !shard.is_open()).count(), 3);
        }
    }

    #[test]
    fn the_upper_half_of_the_split_is_merged_with_its_neighbour() {
        let shard = |id: &str| Shard {
            shard_id: ShardId::new(id),
            parent: None,
            adjacent_parent: None,
            hash_key_range: HashKeyRange::FULL,
            starting_sequence_number: "1".parse().unwrap(),
            ending_sequence_number: None,
        };
        let pair = |ids: &[&str]| {
            let shards: Vec<Shard> = ids.iter().map(|id| shard(id)).collect();
            pair_to_merge(&shards).map(|(left, right)| format!("{left}+{right}"))
        };
        assert_eq!(pair(&["lower", "upper", "neighbour", "other"]).unwrap(), "upper+neighbour");
        assert_eq!(pair(&["lower", "upper"]).unwrap(), "lower+upper");
        assert_eq!(pair(&["only"]), None);
    }
}
