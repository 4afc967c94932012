//! Who owns which shard.

#[expect(clippy::module_inception, reason = "the main type of the folder")]
mod lease;
mod lease_store;

pub use lease::{Lease, LeaseChange};
pub use lease_store::{Conditional, LeaseStore};
