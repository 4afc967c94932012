use crate::model::{Checkpoint, HashKeyRange, ShardId, ShardKey, WorkerId};

/// A row of the lease table: who owns a shard, and how far it has been processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: ShardKey,
    /// Raised by one with every write that matters to ownership. A rival's lease is alive while this moves.
    pub counter: u64,
    /// The worker that processes the shard; `None` if nobody does.
    pub owner: Option<WorkerId>,
    /// How often the owner changed since the last checkpoint: a shard that many workers fail on shows here.
    pub owner_switches_since_checkpoint: u64,
    /// How far the shard is processed.
    pub checkpoint: Checkpoint,
    /// The shards it follows: none, one after a split, two after a merge.
    pub parents: Vec<ShardId>,
    /// The shards that follow it, known once it has ended.
    pub children: Vec<ShardId>,
    /// The hash keys that fall into it, where the row says so.
    pub hash_key_range: Option<HashKeyRange>,
}

impl Lease {
    /// A row as it is created: nobody's, with nothing processed.
    pub fn unowned(shard: ShardKey, checkpoint: Checkpoint, parents: Vec<ShardId>) -> Self {
        Self {
            shard,
            counter: 0,
            owner: None,
            owner_switches_since_checkpoint: 0,
            checkpoint,
            parents,
            children: Vec::new(),
            hash_key_range: None,
        }
    }

    /// True if the shard is closed and processed to its end: nobody needs to own it.
    pub fn is_finished(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }

    /// True if `worker` owns it.
    pub fn is_owned_by(&self, worker: &WorkerId) -> bool {
        self.owner.as_ref() == Some(worker)
    }

    /// True if the row is the one that `seen` was read from, as far as a conditional write can tell.
    pub fn matches(&self, seen: &Self) -> bool {
        self.counter == seen.counter && self.owner == seen.owner
    }

    /// The row that `change` makes of this one. Pure: every store and every test computes the result here.
    pub fn after(&self, change: &LeaseChange) -> Self {
        let mut row = self.clone();
        row.counter += 1;
        match change {
            LeaseChange::Take { by } => {
                let from_another = self.owner.as_ref().is_some_and(|owner| owner != by);
                row.owner_switches_since_checkpoint += u64::from(from_another);
                row.owner = Some(by.clone());
            }
            LeaseChange::Renew => {}
            LeaseChange::Checkpoint { checkpoint, children } => {
                row.checkpoint = checkpoint.clone();
                row.owner_switches_since_checkpoint = 0;
                if !children.is_empty() {
                    row.children.clone_from(children);
                }
            }
            LeaseChange::Release => row.owner = None,
        }
        row
    }
}

/// What a conditional write does to a row. Each raises the counter by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseChange {
    /// A worker becomes the owner, whoever was it before.
    Take {
        /// The new owner.
        by: WorkerId,
    },
    /// The owner says that it is alive.
    Renew,
    /// The owner has processed up to here. It says at once that it is alive.
    Checkpoint {
        /// The new position, never below the one in the row.
        checkpoint: Checkpoint,
        /// With [`Checkpoint::ShardEnd`], the shards that follow; otherwise empty, which leaves the row's.
        children: Vec<ShardId>,
    },
    /// The owner gives the lease back, for anybody to take at once.
    Release,
}
