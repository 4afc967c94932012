use crate::model::{Record, ShardKey};
use crate::retry::within;
use crate::stream::kinesis::REQUEST_TIMEOUT;
use crate::stream::{ChildShard, IteratorPosition, Kinesis};

/// What a shard that has ended may still hold behind the last event. A shard that is far behind and open is not read by the
/// 10 MB for this, beside the budget, and while others poll it.
const LAST_RECORDS_MAX: u32 = 100;

/// The records from `position` to the end of the shard, and its children, if one read reaches that end. `None` if not, or if
/// the read fails: the caller goes on as if it had not been made.
pub(super) async fn last_read(
    kinesis: &dyn Kinesis,
    shard: &ShardKey,
    position: &IteratorPosition,
) -> Option<(Vec<Record>, Vec<ChildShard>)> {
    let iterator = within(REQUEST_TIMEOUT, "GetShardIterator", kinesis.get_shard_iterator(shard, position));
    let iterator = iterator.await.ok()?;
    let read = within(REQUEST_TIMEOUT, "GetRecords", kinesis.get_records(&iterator, LAST_RECORDS_MAX));
    let output = read.await.ok()?;
    output.next.is_none().then_some((output.records, output.children))
}
