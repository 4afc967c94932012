use crate::model::{Checkpoint, HashKeyRange, PendingCheckpoint, ShardId, ShardKey, Timestamp, WorkerId};

/// A row of the lease table: who owns a shard, and how far it has been processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: ShardKey,
    /// Raised by one with every write that matters to ownership. A rival's lease is alive while this moves.
    pub counter: u64,
    /// The worker that processes the shard; `None` if nobody does.
    pub owner: Option<WorkerId>,
    /// A worker that asks the owner for the lease; or the owner itself, if it got the lease that way and has not taken it up.
    pub request: Option<HandOverRequest>,
    /// The last owner that answers requests. If it is the owner, the lease is asked for, not stolen; of a free lease it
    /// says who gave it back. A Java worker leaves it as it was.
    pub hand_over_owner: Option<WorkerId>,
    /// The worker that is to have the lease while it is there and may hold more, as an operator wishes.
    pub pinned_to: Option<WorkerId>,
    /// How often the owner changed since the last checkpoint: a shard that many workers fail on shows here.
    pub owner_switches_since_checkpoint: u64,
    /// How far the shard is processed.
    pub checkpoint: Checkpoint,
    /// What was prepared since that checkpoint, if anything was.
    pub pending: Option<PendingCheckpoint>,
    /// The shards it follows: none, one after a split, two after a merge.
    pub parents: Vec<ShardId>,
    /// The shards that follow it, known once it has ended.
    pub children: Vec<ShardId>,
    /// The hash keys that fall into it, where the row says so.
    pub hash_key_range: Option<HashKeyRange>,
    /// For a row that was made at [`Checkpoint::Latest`], when that was: where an owner goes on that finds nothing committed
    /// by the one before. A row made by a Java worker does not say.
    pub latest_since: Option<Timestamp>,
}

impl Lease {
    /// A row as it is created: nobody's, with nothing processed.
    pub fn unowned(shard: ShardKey, checkpoint: Checkpoint, parents: Vec<ShardId>) -> Self {
        Self {
            shard,
            counter: 0,
            owner: None,
            request: None,
            hand_over_owner: None,
            pinned_to: None,
            owner_switches_since_checkpoint: 0,
            checkpoint,
            pending: None,
            parents,
            children: Vec::new(),
            hash_key_range: None,
            latest_since: None,
        }
    }

    /// True if the shard is closed and processed to its end: nobody needs to own it.
    pub fn is_finished(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }

    /// True if it is pinned to `worker`.
    pub fn is_pinned_to(&self, worker: &WorkerId) -> bool {
        self.pinned_to.as_ref() == Some(worker)
    }

    /// True if `worker` owns it.
    pub fn is_owned_by(&self, worker: &WorkerId) -> bool {
        self.owner.as_ref() == Some(worker)
    }

    /// True if the owner hands the lease over when it is asked.
    pub fn answers_requests(&self) -> bool {
        self.owner.is_some() && (self.hand_over_owner == self.owner || self.is_moved_by_java())
    }

    /// The worker that asks for the lease, if the owner is one that answers. What an owner that has gone was asked for
    /// says nothing any more.
    pub fn requested_by(&self) -> Option<&WorkerId> {
        self.request.as_ref().map(|request| &request.by).filter(|_| self.answers_requests())
    }

    /// True if the owner was handed the lease, and has not taken it up: nobody else may take it before it expires.
    pub fn is_handed_over(&self) -> bool {
        self.owner.is_some()
            && self.request.as_ref().map(|request| &request.by) == self.owner.as_ref()
            && self.hand_over_owner != self.owner
    }

    /// True if `worker` was made the owner by somebody else, and has not taken the lease up.
    pub fn awaits_taking_up_by(&self, worker: &WorkerId) -> bool {
        self.is_owned_by(worker) && self.hand_over_owner.as_ref() != Some(worker) && !self.is_moved_by_java()
    }

    /// True while the leader of a Java KCL 3 fleet moves the lease: nobody else may ask for it.
    pub fn is_moved_by_java(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.form == RequestForm::CheckpointOwner)
    }

    /// True if the row is the one that `seen` was read from, as far as a conditional write can tell.
    pub fn matches(&self, seen: &Self) -> bool {
        self.counter == seen.counter && self.stored_owners() == seen.stored_owners()
    }

    /// True if `change`, decided on when the row was `seen`, may be made of this row. Pure: the condition of every
    /// store's update.
    pub fn permits(&self, seen: &Self, change: &LeaseChange) -> bool {
        let is_still_wanted = match change {
            LeaseChange::HandOver { to, .. } => {
                self.request.as_ref().is_some_and(|request| request.by == *to)
            }
            _ => true,
        };
        self.matches(seen) && is_still_wanted
    }

    /// True if somebody may place or withdraw a request, decided on when the row was `seen`. Pure: the condition of every
    /// store's [`request`](crate::lease::LeaseStore::request).
    pub fn permits_request(&self, seen: &Self) -> bool {
        self.stored_owners() == seen.stored_owners()
            && self.request == seen.request
            && !self.is_moved_by_java()
    }

    /// True if an operator may place or remove a pin, decided on when the row was `seen`. Pure: the condition of every store's
    /// [`pin`](crate::lease::LeaseStore::pin).
    pub fn permits_pin(&self, seen: &Self) -> bool {
        self.pinned_to == seen.pinned_to
    }

    /// What the attributes `leaseOwner` and `checkpointOwner` hold.
    pub fn stored_owners(&self) -> (Option<&WorkerId>, Option<&WorkerId>) {
        match &self.request {
            Some(HandOverRequest { by, form: RequestForm::CheckpointOwner }) => {
                (Some(by), self.owner.as_ref())
            }
            _ => (self.owner.as_ref(), None),
        }
    }

    /// The row with this request, or without one. The counter stays: a request must not stand in the way of the owner.
    pub fn with_request(&self, by: Option<&WorkerId>) -> Self {
        let request = by.map(|by| HandOverRequest { by: by.clone(), form: RequestForm::Attribute });
        Self { request, ..self.clone() }
    }

    /// The row with this pin, or without one. The counter stays: a pin must not stand in the way of the owner.
    pub fn with_pin(&self, to: Option<&WorkerId>) -> Self {
        Self { pinned_to: to.cloned(), ..self.clone() }
    }

    /// The row that `change` makes of this one. Pure: every store and every test computes the result here.
    pub fn after(&self, change: &LeaseChange) -> Self {
        let mut row = self.clone();
        row.counter += 1;
        match change {
            LeaseChange::Take { by } => {
                row.pass_to(Some(by));
                row.hand_over_owner = Some(by.clone());
            }
            LeaseChange::Renew => {}
            LeaseChange::Checkpoint { checkpoint, children } => {
                row.move_to(checkpoint);
                if !children.is_empty() {
                    row.children.clone_from(children);
                }
            }
            LeaseChange::Prepare { pending } => row.pending = Some(pending.clone()),
            LeaseChange::Release => {
                row.hand_over_owner.clone_from(&self.owner);
                row.pass_to(None);
            }
            LeaseChange::HandOver { to, checkpoint } => {
                if let Some(checkpoint) = checkpoint {
                    row.move_to(checkpoint);
                }
                // A worker of ours takes the lease up, and a Java worker begins at once.
                let is_moved_by_java = row.is_moved_by_java();
                row.pass_to(Some(to));
                if is_moved_by_java {
                    row.hand_over_owner = None;
                } else {
                    row = row.with_request(Some(to));
                }
            }
            LeaseChange::Rewind { checkpoint } => {
                row.move_to(checkpoint);
                row.hand_over_owner.clone_from(&self.owner);
                row.pass_to(None);
            }
        }
        row
    }

    fn pass_to(&mut self, owner: Option<&WorkerId>) {
        let is_switch = self.owner.is_some() && owner.is_some() && self.owner.as_ref() != owner;
        self.owner_switches_since_checkpoint += u64::from(is_switch);
        self.owner = owner.cloned();
        self.request = None;
    }

    fn move_to(&mut self, checkpoint: &Checkpoint) {
        self.checkpoint = checkpoint.clone();
        self.pending = None;
        self.owner_switches_since_checkpoint = 0;
    }
}

/// A worker asks the owner of a lease to hand it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOverRequest {
    /// Who asks.
    pub by: WorkerId,
    /// How the row says so.
    pub form: RequestForm,
}

/// How a row says that a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestForm {
    /// In an attribute of ours, which the Java KCL ignores.
    Attribute,
    /// As the leader of a Java KCL 3 fleet says it: `leaseOwner` names the worker that is to have the lease,
    /// `checkpointOwner` the one that still processes (`DynamoDBLeaseRefresher.initiateGracefulLeaseHandoff`).
    CheckpointOwner,
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
    /// The owner has processed up to here. It says at once that it is alive. What was prepared is void.
    Checkpoint {
        /// The new position, never below the one in the row.
        checkpoint: Checkpoint,
        /// With [`Checkpoint::ShardEnd`], the shards that follow; otherwise empty, which leaves the row's.
        children: Vec<ShardId>,
    },
    /// The owner is about to commit. The checkpoint stays.
    Prepare {
        /// In the place of what was prepared before; above the checkpoint in the row.
        pending: PendingCheckpoint,
    },
    /// The owner gives the lease back, for anybody to take at once.
    Release,
    /// The owner, which has stopped processing, makes the worker that asks for the lease the owner.
    HandOver {
        /// The worker that asks, and still does when the write is made.
        to: WorkerId,
        /// Where the new owner goes on, if that is not in the row yet; never below the one in the row.
        checkpoint: Option<Checkpoint>,
    },
    /// An operator who holds the lease, or finds it free, moves the position and gives the lease back. The only change
    /// that may move a checkpoint down; no worker makes it.
    Rewind {
        /// Where the next owner goes on.
        checkpoint: Checkpoint,
    },
}
