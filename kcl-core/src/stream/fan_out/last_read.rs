use crate::model::{Record, ShardKey};
use crate::retry::within;
use crate::stream::kinesis::REQUEST_TIMEOUT;
use crate::stream::{ChildShard, GET_RECORDS_MAX, IteratorPosition, Kinesis};

/// The records from `position` to the end of the shard, and its children, if one read reaches that end. `None` if not, or if
/// the read fails: the caller goes on as if it had not been made.
pub(super) async fn last_read(
    kinesis: &dyn Kinesis,
    shard: &ShardKey,
    position: &IteratorPosition,
) -> Option<(Vec<Record>, Vec<ChildShard>)> {
    let iterator = within(REQUEST_TIMEOUT, "GetShardIterator", kinesis.get_shard_iterator(shard, position));
    let iterator = iterator.await.ok()?;
    let read = within(REQUEST_TIMEOUT, "GetRecords", kinesis.get_records(&iterator, GET_RECORDS_MAX));
    let output = read.await.ok()?;
    output.next.is_none().then_some((output.records, output.children))
}
