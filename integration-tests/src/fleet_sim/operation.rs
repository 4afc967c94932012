/// Something that is done to the fleet or to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Some records are put.
    Put,
    /// An open shard is split.
    Split,
    /// Two open shards are merged.
    Merge,
    /// Retention takes what has been delivered.
    Trim,
    /// A worker starts.
    Start,
    /// A worker is asked to stop.
    Stop,
    /// A worker is gone from one await point to the next.
    Crash,
    /// A worker does nothing for a while, and then goes on.
    Freeze,
    /// A worker does not reach the lease table for a while.
    CutTable,
    /// A worker does not reach the stream for a while.
    CutStream,
    /// An operator removes a row of the lease table by mistake.
    RemoveRow,
    /// An operator pins leases to a worker.
    Pin,
    /// An operator removes pins.
    Unpin,
}

impl Operation {
    /// One of `operations`, each as likely as its share says.
    pub(super) fn draw(operations: &[(Self, u32)], rng: &mut fastrand::Rng) -> Self {
        let shares: u32 = operations.iter().map(|(_, share)| share).sum();
        let mut drawn = rng.u32(..shares.max(1));
        for (operation, share) in operations {
            match drawn.checked_sub(*share) {
                Some(rest) => drawn = rest,
                None => return *operation,
            }
        }
        Self::Put
    }
}
