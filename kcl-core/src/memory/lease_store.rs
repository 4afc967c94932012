use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::lease::{Conditional, Consistency, Lease, LeaseChange, LeaseStore};
use crate::model::{ShardId, ShardKey, WorkerId};

/// A lease table in memory. Share one between workers behind an `Arc`.
///
/// It keeps DynamoDB's rules: a table must be [prepared](LeaseStore::prepare) before use, a key is never empty, and
/// parents and children are string sets, so they come back sorted and refuse duplicates.
#[derive(Debug, Default)]
pub struct MemoryLeaseStore {
    /// `None` until the table is prepared.
    table: Mutex<Option<Table>>,
}

type Table = BTreeMap<ShardKey, Lease>;

impl MemoryLeaseStore {
    /// A store whose table does not exist yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs one call on the table. The lock makes each call one atomic step; it is never held across an await.
    fn with_table<T>(&self, call: impl FnOnce(&mut Table) -> Result<T>) -> Result<T> {
        let mut table = self.lock();
        call(table.as_mut().ok_or_else(missing_table)?)
    }

    /// A panic elsewhere leaves no half-written row, so a poisoned lock is as good as a clean one.
    fn lock(&self) -> MutexGuard<'_, Option<Table>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LeaseStore for MemoryLeaseStore {
    async fn prepare(&self) -> Result<()> {
        self.lock().get_or_insert_default();
        Ok(())
    }

    async fn list(&self, _: Consistency) -> Result<Vec<Lease>> {
        self.with_table(|table| Ok(table.values().cloned().collect()))
    }

    async fn get(&self, shard: &ShardKey) -> Result<Option<Lease>> {
        check_key(shard)?;
        self.with_table(|table| Ok(table.get(shard).cloned()))
    }

    async fn create(&self, lease: &Lease) -> Result<Conditional> {
        check_key(&lease.shard)?;
        let row = as_stored(lease.clone())?;
        self.with_table(|table| {
            if let Some(existing) = table.get(&row.shard) {
                return Ok(Conditional::Lost(Some(existing.clone())));
            }
            table.insert(row.shard.clone(), row.clone());
            Ok(Conditional::Applied(row))
        })
    }

    async fn update(&self, seen: &Lease, change: &LeaseChange) -> Result<Conditional> {
        check_key(&seen.shard)?;
        self.with_table(|table| match table.get_mut(&seen.shard) {
            Some(row) if row.permits(seen, change) => {
                *row = as_stored(row.after(change))?;
                Ok(Conditional::Applied(row.clone()))
            }
            other => Ok(Conditional::Lost(other.cloned())),
        })
    }

    async fn request(&self, seen: &Lease, by: Option<&WorkerId>) -> Result<Conditional> {
        check_key(&seen.shard)?;
        self.with_table(|table| match table.get_mut(&seen.shard) {
            Some(row) if row.permits_request(seen) => {
                *row = row.with_request(by);
                Ok(Conditional::Applied(row.clone()))
            }
            other => Ok(Conditional::Lost(other.cloned())),
        })
    }

    async fn pin(&self, seen: &Lease, to: Option<&WorkerId>) -> Result<Conditional> {
        check_key(&seen.shard)?;
        self.with_table(|table| match table.get_mut(&seen.shard) {
            Some(row) if row.permits_pin(seen) => {
                *row = row.with_pin(to);
                Ok(Conditional::Applied(row.clone()))
            }
            other => Ok(Conditional::Lost(other.cloned())),
        })
    }

    async fn delete(&self, seen: &Lease) -> Result<bool> {
        check_key(&seen.shard)?;
        self.with_table(|table| {
            let stands = table.get(&seen.shard).is_some_and(|row| !row.matches(seen));
            if !stands {
                table.remove(&seen.shard);
            }
            Ok(!stands)
        })
    }
}

/// The row as the table holds it.
fn as_stored(mut row: Lease) -> Result<Lease> {
    for (attribute, shards) in [("parents", &mut row.parents), ("children", &mut row.children)] {
        shards.sort();
        if let Some(twice) = first_duplicate(shards) {
            return Err(refused(format!(
                "the {attribute} of lease '{}' name '{twice}' twice; name each shard once",
                row.shard
            )));
        }
    }
    Ok(row)
}

fn first_duplicate(sorted: &[ShardId]) -> Option<&ShardId> {
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| &pair[0])
}

fn check_key(shard: &ShardKey) -> Result<()> {
    if shard.shard_id.as_str().is_empty() {
        return Err(refused(format!(
            "the shard id of a lease of stream '{}' is empty; a lease key must name a shard",
            shard.stream
        )));
    }
    Ok(())
}

fn missing_table() -> Error {
    Error::new(ErrorKind::NotFound, "the lease table does not exist; call `prepare` first")
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Refused, message)
}
