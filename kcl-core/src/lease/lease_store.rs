use std::fmt;

use async_trait::async_trait;

use super::{Lease, LeaseChange};
use crate::error::Result;
use crate::model::{ShardKey, WorkerId};

/// The lease table: rows that many workers change, one conditional write at a time.
///
/// An implementation makes one call for each method and does not retry. Errors, for every method:
/// [`Transient`](crate::ErrorKind::Transient) and [`Throttled`](crate::ErrorKind::Throttled) if the outcome of the
/// call is unknown or the same call may succeed later; [`Refused`](crate::ErrorKind::Refused) for missing permissions
/// and a table of another shape; [`Corrupt`](crate::ErrorKind::Corrupt) for a row that is no lease, naming the row
/// and the attribute.
#[async_trait]
pub trait LeaseStore: fmt::Debug + Send + Sync + 'static {
    /// Makes the table ready for use: creates it if it does not exist, and checks its shape if it does.
    ///
    /// # To ensure correctness
    /// Several workers may call it at once; all of them succeed.
    async fn prepare(&self) -> Result<()>;

    /// All rows, in no particular order.
    ///
    /// # To ensure correctness
    /// Rows written during the call may or may not be there. With [`Consistency::Strong`] every write that had
    /// returned before the call began is; with [`Consistency::Eventual`] rows may be stale or missing, so callers act
    /// on the result only through conditional writes, and confirm with [`get`](Self::get) what no condition guards.
    async fn list(&self, consistency: Consistency) -> Result<Vec<Lease>>;

    /// One row, or `None` if there is none.
    ///
    /// # To ensure correctness
    /// The row reflects every write that had returned before this call began (a consistent read).
    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>>;

    /// Creates the row if there is none for its shard; [`Conditional::Lost`] with the existing row otherwise.
    async fn create(&self, lease: &Lease) -> Result<Conditional>;

    /// Changes a row, if its counter **and** its owner still are those of `seen`; for
    /// [`HandOver`](LeaseChange::HandOver) also only if the new owner still asks for it
    /// ([`Lease::permits`]).
    ///
    /// # To ensure correctness
    /// Check and change are one atomic step, durable before this returns. The new row is `seen.after(change)`, except
    /// that attributes which the change does not name keep what the row holds. On [`Conditional::Lost`] nothing was
    /// written.
    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional>;

    /// Asks the owner of a lease to hand it over to `by`, or withdraws what was asked (`None`), if the owner and the
    /// request still are those of `seen` ([`Lease::permits_request`]).
    ///
    /// # To ensure correctness
    /// The counter stays as it is, and nothing else of the row changes, so that no request stands in the way of a write
    /// of the owner.
    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional>;

    /// Pins a lease to a worker, or removes its pin (`None`), if the pin still is that of `seen`
    /// ([`Lease::permits_pin`]).
    ///
    /// # To ensure correctness
    /// Heeds neither the counter nor the owner, and changes nothing else of the row, so that no pin stands in the way of
    /// anybody. Makes no row where there is none.
    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional>;

    /// Deletes a row, if its counter and its owner still are those of `seen`. True if the row is gone, also if it
    /// was gone before.
    async fn delete(&self, seen: &Lease) -> Result<bool>;
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Cheap, and perhaps a moment old.
    Eventual,
    /// As new as every write that returned before the read began. Costs twice as much on DynamoDB.
    Strong,
}

/// The outcome of a conditional write. Losing a race is daily life in a fleet, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditional {
    /// Written; this is the row now.
    Applied(Lease),
    /// Not written. The row that stood in the way, or `None` if there is no row.
    Lost(Option<Lease>),
}
