//! Holds the lease table against the stream's shards: creates the rows that are missing, deletes those that are of no
//! use any more. Which, is decided by [`lineage`].

use futures_util::future::try_join_all;

use super::worker::Ports;
use crate::error::Result;
use crate::event::{Event, Events};
use crate::lease::{Conditional, Lease, LeaseBook, lineage};
use crate::model::{InitialPosition, MonotonicTime, StreamId};
use crate::stream::list_all_shards;

/// Rows created at once. Enough to fill a table of a thousand shards in seconds; a new on-demand table takes 4,000
/// writes a second (DynamoDB developer guide).
const CREATES_IN_FLIGHT_MAX: usize = 16;

/// Brings the table, and the book, up to date with the stream.
///
/// `book` must come from a consistent scan: a row that it lacks may be made again at another position.
pub(super) async fn synchronize(
    ports: &Ports,
    stream: &StreamId,
    initial_position: InitialPosition,
    book: &mut LeaseBook,
    now: MonotonicTime,
    events: &Events,
) -> Result<()> {
    let shards = list_all_shards(&*ports.kinesis, stream).await?;
    let missing = lineage::leases_to_create(stream, &shards, book, initial_position);
    for lease in create_all(ports, &missing, events).await? {
        book.observe(lease, now);
    }
    for lease in lineage::leases_to_delete(stream, &shards, book) {
        if ports.leases.delete(&lease).await? {
            book.forget(&lease.shard);
        }
    }
    Ok(())
}

/// Creates rows, parents before children: a child's row tells every worker that its parents have theirs.
async fn create_all(ports: &Ports, leases: &[Lease], events: &Events) -> Result<Vec<Lease>> {
    let mut rows = Vec::new();
    let mut rest = leases;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(independent_prefix(rest));
        rows.extend(try_join_all(group.iter().map(|lease| create(ports, lease, events))).await?);
        rest = later;
    }
    Ok(rows.into_iter().flatten().collect())
}

/// How many leases from the front have no parent among themselves.
fn independent_prefix(leases: &[Lease]) -> usize {
    let candidates = &leases[..leases.len().min(CREATES_IN_FLIGHT_MAX)];
    let follows = |index: usize| {
        let earlier = &candidates[..index];
        candidates[index]
            .parents
            .iter()
            .any(|parent| earlier.iter().any(|lease| lease.shard.shard_id == *parent))
    };
    (0..candidates.len()).find(|index| follows(*index)).unwrap_or(candidates.len())
}

/// The row of the shard, made here or by another worker at the same time.
async fn create(ports: &Ports, lease: &Lease, events: &Events) -> Result<Option<Lease>> {
    match ports.leases.create(lease).await? {
        Conditional::Applied(row) => {
            events.emit(&Event::LeaseCreated { shard: &row.shard, checkpoint: &row.checkpoint });
            Ok(Some(row))
        }
        Conditional::Lost(row) => Ok(row),
    }
}
