use std::fmt;

use kcl_core::lease::Lease;
use kcl_core::model::WorkerId;
use serde_json::{Value, json};

/// How the pin of a lease stands, as far as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PinState {
    /// The worker has the lease.
    Honoured(WorkerId),
    /// The worker has asked for it.
    AskedFor(WorkerId),
    /// The worker is there, and has not asked for it.
    Waiting(WorkerId),
    /// The worker is there, and is one that asks for nothing.
    Foreign(WorkerId),
    /// No row names the worker.
    Absent(WorkerId),
}

impl PinState {
    /// `None` if there is no pin that could move anything.
    pub(super) fn of(row: &Lease, rows: &[Lease]) -> Option<Self> {
        let worker = row.pinned_to.clone().filter(|_| !row.is_finished())?;
        let asks = |row: &Lease| row.request.as_ref().is_some_and(|request| request.by == worker);
        let is_ours = |row: &Lease| {
            asks(row) || row.is_owned_by(&worker) && row.hand_over_owner.as_ref() == Some(&worker)
        };
        Some(if row.is_owned_by(&worker) {
            Self::Honoured(worker)
        } else if row.requested_by() == Some(&worker) {
            Self::AskedFor(worker)
        } else if rows.iter().any(is_ours) {
            Self::Waiting(worker)
        } else if rows.iter().any(|row| row.is_owned_by(&worker)) {
            Self::Foreign(worker)
        } else {
            Self::Absent(worker)
        })
    }

    pub(super) fn worker(&self) -> &WorkerId {
        match self {
            Self::Honoured(worker)
            | Self::AskedFor(worker)
            | Self::Waiting(worker)
            | Self::Foreign(worker)
            | Self::Absent(worker) => worker,
        }
    }

    /// For a column of a table.
    pub(super) fn remark(&self) -> String {
        match self {
            Self::Honoured(_) => "as pinned".to_owned(),
            Self::Absent(worker) => format!("pinned to {worker}, which is not seen"),
            Self::AskedFor(worker) | Self::Waiting(worker) | Self::Foreign(worker) => {
                format!("pinned to {worker}")
            }
        }
    }
}

/// One sentence.
impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "It is pinned to {}, which ", self.worker())?;
        f.write_str(match self {
            Self::Honoured(_) => "has it.",
            Self::AskedFor(_) => "has asked for it.",
            Self::Waiting(_) => {
                "has other leases, and asks for this one at its next look at the table. If it does not: it has as many as it may \
                 (max_leases), or has failed to read this shard and its log says why."
            }
            Self::Foreign(_) => "asks for nothing, like a worker of the Java KCL: the pin has no effect.",
            Self::Absent(_) => {
                "no row names as owner or asker: until a worker of that id comes, the pin has no effect. Ids are drawn anew at \
                 each start of a worker that has no worker_id set."
            }
        })
    }
}

/// The pin of a row, and whether it is honoured, as a program reads it.
pub(super) fn json_of_pin(row: &Lease) -> [(&'static str, Value); 2] {
    let is_honoured = row.pinned_to.as_ref().map(|worker| row.is_owned_by(worker));
    [
        ("pinnedTo", json!(row.pinned_to.as_ref().map(ToString::to_string))),
        ("isPinHonoured", json!(is_honoured)),
    ]
}
