use bytes::Bytes;

use super::{RecordPosition, Timestamp};

/// One user record, as a processor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it lies in its shard. Unique within the shard, and ascending in the order of delivery.
    pub position: RecordPosition,
    /// The key that chose its shard. Records of one key are in order.
    pub partition_key: String,
    /// When the service received it, by the service's clock.
    pub approximate_arrival: Timestamp,
    /// Its content. Cheap to clone.
    pub data: Bytes,
}
