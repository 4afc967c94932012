use std::fmt;

use super::Lease;
use crate::model::WorkerId;

/// How a worker lost a lease that it did not give back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseLoss {
    /// No write succeeded for nine tenths of a failover time, so others may soon take the lease.
    Expired,
    /// Another worker took it.
    TakenBy(WorkerId),
    /// Somebody removed the owner from the row.
    OwnerRemoved,
    /// The row is gone.
    RowGone,
    /// Another process writes the row under this worker's own id.
    Namesake,
}

impl LeaseLoss {
    /// What the row that stood in the way of `me` says.
    pub(super) fn read_off(row: Option<&Lease>, me: &WorkerId) -> Self {
        match row.map(|row| row.owner.as_ref()) {
            None => Self::RowGone,
            Some(None) => Self::OwnerRemoved,
            Some(Some(owner)) if owner == me => Self::Namesake,
            Some(Some(owner)) => Self::TakenBy(owner.clone()),
        }
    }
}

impl fmt::Display for LeaseLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("no write succeeded for nine tenths of a failover time"),
            Self::TakenBy(worker) => write!(f, "worker '{worker}' took it"),
            Self::OwnerRemoved => f.write_str("somebody removed the owner from its row"),
            Self::RowGone => f.write_str("its row is gone"),
            Self::Namesake => f.write_str("another process writes its row under the same worker id"),
        }
    }
}
