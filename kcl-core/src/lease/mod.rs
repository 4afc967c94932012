//! Who owns which shard: the protocol, its row, and the decisions made from what has been seen of the table.
//!
//! # The protocol
//!
//! The lease table has one row for each shard, the Java KCL's row. A row holds an owner, a counter and a checkpoint;
//! it holds no time. Workers know each other only through it.
//!
//! 1. **Create.** A worker lists the stream's shards and creates the rows that are missing, parents first, each only if
//!    there is none. It starts unowned, counter 0.
//! 2. **Take.** A worker takes a row that nobody owns, whose owner has let it expire, or whose owner has more than a
//!    fair share: owner := me, counter + 1. Before that it makes sure by a consistent read that parents whose rows its
//!    scan did not show are finished or gone.
//! 3. **Renew.** The owner raises the counter at least every third of the failover time.
//! 4. **Checkpoint.** The owner stores a position, counter + 1. That is a renewal, too.
//! 5. **Release.** The owner removes itself, counter + 1. Anybody may take the row at once.
//! 6. **Finish.** At the end of a closed shard the owner checkpoints at `SHARD_END`, with the children's names, and then
//!    releases. The rows of the children may be taken from the first of these writes on.
//! 7. **Delete.** A finished row goes once its shard has left the stream's list and its children have begun.
//!
//! Writes 2 to 6 are one conditional update each: they apply only if counter **and** owner are what the writer last
//! saw, and on failure return the row that stood in the way.
//!
//! # Invariants
//!
//! * **L1** A row changes only by a conditional write on the counter and owner that the writer saw; so of several
//!   writers exactly one succeeds, and an owner that was replaced can commit nothing more.
//! * **L2** A rival's lease is expired only if its row has not moved for one failover time by the observer's own
//!   monotonic clock, counted from the end of the scan that last saw it move.
//! * **L3** An owner stops believing in its lease one failover time after the start of its last successful write. With
//!   L2 it has stopped before anybody may take the lease as expired, whatever the clocks show. (A lease that is taken
//!   for balance is another matter: its owner learns of it at its next write, at most a third of the failover time
//!   later, and can commit nothing meanwhile.)
//! * **L4** All writes of one owner to one row are made one after another, by `HeldLease`.
//! * **L5** A write whose answer was lost is recognised when the next one meets it, so no worker loses a lease to
//!   itself. A row that keeps moving under the worker's own name without such a write is another process of the same
//!   name.
//! * **L6** A checkpoint in a row never moves back.
//! * **L7** A shard is consumed only while the rows of all its parents are finished or gone.
//!
//! Callers must give each worker process an id of its own, and must not run two applications on one table.
//!
//! `assignment` and `lineage` are pure; nothing in this folder reads records or calls a processor.

pub(crate) mod assignment;
mod held_lease;
#[expect(clippy::module_inception, reason = "the main type of the folder")]
mod lease;
mod lease_book;
mod lease_loss;
mod lease_store;
pub(crate) mod lineage;
mod namesake;
mod obstacle;

pub(crate) use held_lease::{HeldLease, Taken};
pub use lease::{HandOverRequest, Lease, LeaseChange, RequestForm};
pub(crate) use lease_book::LeaseBook;
pub use lease_loss::LeaseLoss;
pub use lease_store::{Conditional, Consistency, LeaseStore};
pub(crate) use namesake::NamesakeWatch;
pub(crate) use obstacle::{Doubt, Obstacle};
