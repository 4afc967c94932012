use super::kinesis::REQUEST_TIMEOUT;
use super::{Kinesis, ShardPageRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Shard, StreamId};
use crate::retry::within;

/// The most pages that one listing follows. A page holds up to 1,000 shards (`ListShards`, Kinesis API reference),
/// so this is far beyond any stream; a service that repeats its token must not hold us for ever.
const PAGES_MAX: usize = 1_000;

/// Every shard that the stream still lists, closed ones included, ordered by shard id.
///
/// The listing is not a snapshot: a reshard that happens meanwhile may show a parent as open next to its child. Fails as
/// [`Kinesis::list_shards`] does, and with [`ErrorKind::Corrupt`] if the listing does not end.
pub async fn list_all_shards(kinesis: &dyn Kinesis, stream: &StreamId) -> Result<Vec<Shard>> {
    let mut shards = Vec::new();
    let mut request = ShardPageRequest::ALL;
    for _ in 0..PAGES_MAX {
        let call = kinesis.list_shards(stream, &request);
        let page = within(REQUEST_TIMEOUT, "ListShards", call).await?;
        shards.extend(page.shards);
        let Some(token) = page.next else {
            shards.sort_by(|a, b| a.shard_id.cmp(&b.shard_id));
            shards.dedup_by(|a, b| a.shard_id == b.shard_id);
            return Ok(shards);
        };
        request = ShardPageRequest::Next(token);
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("the shard list of stream '{stream}' has more than {PAGES_MAX} pages"),
    ))
}
