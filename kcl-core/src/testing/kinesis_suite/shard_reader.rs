use std::sync::Arc;
use std::time::Duration;

use super::{Fixture, unthrottled};
use crate::model::{Record, ShardKey};
use crate::stream::{ChildShard, GetRecordsOutput, IteratorPosition, Kinesis, ShardIterator};
use crate::testing::conformance::{CaseResult, check, check_eq, fail};

/// How many calls a case makes for what must come: with the pause, two seconds.
const READS_MAX: usize = 100;

/// A service may need a moment until a record or the end of a shard can be read.
const READ_PAUSE: Duration = Duration::from_millis(20);

/// More records than any case puts.
const TAKE_LIMIT: u32 = 1_000;

/// So few records that the end of a shard does not come with the first call.
const DRAIN_LIMIT: u32 = 2;

/// Reads one shard, call by call.
pub(super) struct ShardReader {
    kinesis: Arc<dyn Kinesis>,
    next: Option<ShardIterator>,
    children: Vec<ChildShard>,
}

impl ShardReader {
    pub(super) async fn open(
        fixture: &Fixture,
        shard: &ShardKey,
        position: IteratorPosition,
    ) -> CaseResult<Self> {
        let kinesis = fixture.kinesis();
        let next = unthrottled(|| kinesis.get_shard_iterator(shard, &position)).await?;
        check_eq("the shard of the iterator", &next.shard, shard)?;
        Ok(Self { kinesis, next: Some(next), children: Vec::new() })
    }

    /// One call.
    pub(super) async fn read(&mut self, limit: u32) -> CaseResult<GetRecordsOutput> {
        let Some(iterator) = &self.next else {
            return fail("the shard has ended early");
        };
        let output = unthrottled(|| self.kinesis.get_records(iterator, limit)).await?;
        check(output.records.len() <= limit as usize, || {
            format!("{} records came for a limit of {limit}", output.records.len())
        })?;
        self.next.clone_from(&output.next);
        self.children.clone_from(&output.children);
        Ok(output)
    }

    /// As many calls as `count` records need.
    pub(super) async fn take(&mut self, count: usize) -> CaseResult<Vec<Record>> {
        let mut records = Vec::new();
        for _ in 0..READS_MAX {
            records.extend(self.read(TAKE_LIMIT).await?.records);
            if records.len() >= count {
                return Ok(records);
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
        fail(format!("{count} records should come, but only {} did: {records:?}", records.len()))
    }

    /// As many calls as the end of the shard needs: its records, and its children.
    pub(super) async fn drain(&mut self) -> CaseResult<(Vec<Record>, Vec<ChildShard>)> {
        let mut records = Vec::new();
        for _ in 0..READS_MAX {
            records.extend(self.read(DRAIN_LIMIT).await?.records);
            if self.next.is_none() {
                return Ok((records, std::mem::take(&mut self.children)));
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
        fail(format!("the closed shard does not end; it returned {records:?}"))
    }
}
