//! Who owns which shard: the protocol, its row, and the decisions made from what has been seen of the table.
//!
//! # The row
//!
//! The lease table has one row for each shard, the Java KCL's row. It holds no time by which anything is decided, and
//! workers know each other only through it. What the protocol needs of it:
//!
//! | field of [`Lease`] | attributes | |
//! |---|---|---|
//! | `counter` | `leaseCounter` | raised by one with every write of 2 to 6 and 9 to 11 |
//! | `owner` | `leaseOwner` | who processes the shard; absent if nobody does. While a Java KCL 3 fleet moves the lease it is in `checkpointOwner`, and `leaseOwner` names the next |
//! | `checkpoint` | `checkpoint`, `checkpointSubSequenceNumber` | how far it is processed |
//! | `pending` | `pendingCheckpoint`, `pendingCheckpointSubSequenceNumber`, `pendingCheckpointState` | what is to be committed next, and what the application wants to know of it |
//! | `parents`, `children` | `parentShardId`, `childShardIds` | its family; the children once it has ended |
//! | `request` | `handOverTo` | ours: a worker that asks the owner for the lease |
//! | `hand_over_owner` | `handOverOwner` | ours: the last owner that answers requests |
//! | `pinned_to` | `pinnedTo` | ours: the worker that is to have the lease, as an operator wishes |
//! | `latest_since` | `latestSince` | ours: when a row at `LATEST` was made |
//!
//! Java workers ignore what is ours, and leave it as it is.
//!
//! # The writes
//!
//! F is the failover time, the same for all workers. "Unchanged" means: counter **and** owner are what the writer last
//! saw. A write that does not meet its condition changes nothing, and returns the row that stood in the way.
//!
//! 1. **Create**, if there is no row: unowned, counter 0. A worker lists the stream's shards and creates the rows that
//!    are missing, parents first.
//! 2. **Take**, if unchanged: owner := me, `hand_over_owner` := me, no request, counter + 1. Of a row that nobody owns,
//!    whose owner has let it expire (L2), does not answer requests (a Java worker), or has not answered one in time.
//!    Before that a worker makes sure by a consistent read that parents whose rows its scan did not show are finished or
//!    gone.
//! 3. **Renew**, if unchanged: counter + 1. When the last write is 0.5 to 0.6 of F old.
//! 4. **Checkpoint**, if unchanged: position := that of the last record processed, nothing pending, counter + 1. That is a
//!    renewal, too.
//! 5. **Release**, if unchanged: no owner, no request, counter + 1. Anybody may take the row at once. `hand_over_owner`
//!    tells the others that this worker is leaving: they do not count it among those who share.
//! 6. **Finish**: at the end of a closed shard the owner checkpoints at `SHARD_END`, with the children's names, and then
//!    releases. The rows of the children may be taken from the first of these writes on.
//! 7. **Delete**, if unchanged: a finished row goes once its shard has left the stream's list and its children have
//!    begun. Until then it is the tombstone that keeps the row from being made again.
//! 8. **Request**, if the owner and the request are those last seen: request := me. The counter stays, so that no request
//!    stands in the way of an owner. Only of an owner that answers: one that is also the `hand_over_owner`. A worker
//!    that stops **withdraws** its requests by the same write.
//! 9. **Hand over**, if unchanged and still asked for: owner := the worker that asks, position := that of the last record
//!    processed, counter + 1. The request stays, as the mark that the lease is to be taken up. The owner learns of a request from a scan or from the answer to any of its
//!    writes. It finishes its batch, lets the processor say goodbye, and then makes this one write. What is pending stays
//!    unless the position moves.
//! 10. **Prepare**, if unchanged: pending := a position above the checkpoint and the application's state, counter + 1. The
//!     checkpoint stays, and so do the owner switches. The next owner finds what is pending: only write 4, and 9 with a
//!     position, remove it, as in the Java KCL (`ShardRecordProcessorCheckpointer.prepareCheckpoint`).
//! 11. **Rewind**, if unchanged: position := wherever an operator wants it, nothing pending, no owner, no request, counter + 1. Only
//!     by an operator's command, which asked the owner for the lease before, or found the row free.
//! 12. **Pin**, if the pin is that last seen: `pinned_to` := a worker, or nobody. Only by an operator's command. Neither counter nor
//!     owner is asked for, and neither changes: a pin stands in nobody's way. It says whose the lease is in the plan that every
//!     worker makes, and moves nothing by itself: that worker makes a write 8 or 2 like any other. All other writes leave it.
//!
//! The worker that asked reads the row, finds itself the owner, and **takes it up** by a write 2 before it starts: the
//! counter of that write is its fencing token, and its deadline (L3) counts from there. A worker that finds itself the
//! owner without having asked, as by the leader of a Java KCL 3 fleet, does the same. If it has gone, the row expires like
//! any other.
//!
//! # Invariants
//!
//! * **L1** A row changes only by a conditional write on the counter and owner that the writer saw; so of several
//!   writers exactly one succeeds, and an owner that was replaced can commit nothing more. Requests and pins are the
//!   exceptions: each changes its own attribute and nothing else. A request is conditional on the owner and itself, a pin on
//!   itself alone.
//! * **L2** A rival's lease is expired only if its row has not moved for F by the observer's own monotonic clock, counted
//!   from the end of the scan that last saw it move.
//! * **L3** An owner stops believing in its lease nine tenths of F after the start of its last successful write. With L2
//!   it has stopped before anybody may take the lease as expired, whatever the clocks show, as long as their rates
//!   differ by less than five per cent each way.
//! * **L4** All writes of one owner to one row are made one after another, by `HeldLease`.
//! * **L5** A write whose answer was lost is recognised when the next one meets it, so no worker loses a lease to
//!   itself: the whole row is compared, but for the request and the pin. A take is made again on top of itself, so that its
//!   deadline and its fencing token are new. A row that keeps moving under the worker's own name without
//!   such a write is another process of the same name.
//! * **L6** A checkpoint in a row never moves back but by a rewind, which no worker makes; and what is pending is above it when it is written.
//! * **L7** A shard is consumed only while the rows of all its parents are finished or gone.
//! * **L8** A hand-over is made only when the old owner has stopped processing, and with everything committed that it is to
//!   commit: what it has processed is not processed again.
//!
//! Between a take that is not a hand-over (2, from a live owner) and that owner's next write both may process the shard;
//! the old owner can commit nothing. That is at most 0.6 of F, or 0.9 if its writes hang.
//!
//! # What callers must guarantee
//!
//! * Each worker process has an id of its own, and two applications never share a table.
//! * All workers of a table, Java's included, use the same failover time.
//! * No write is under way for longer than F after its worker has lost the lease: it would look like that of another
//!   process of the same name, and end the worker.
//! * The monotonic clocks of two machines differ in rate by less than five per cent each way.
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
