use bytes::Bytes;

use super::{PartitionKey, RecordPosition, Timestamp};

/// One user record, as a processor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it lies in its shard. Unique within the shard, and ascending in the order of delivery.
    pub position: RecordPosition,
    /// The key that chose its shard. Records of one key are in order.
    pub partition_key: PartitionKey,
    /// The hash key that the producer gave instead of the partition key's digest. The service does not return it, so it
    /// is known only of user records that came out of an aggregate.
    pub explicit_hash_key: Option<u128>,
    /// When the service received it, by the service's clock. User records have the time of their aggregate.
    pub approximate_arrival: Timestamp,
    /// Its content. Cheap to clone.
    pub data: Bytes,
}
