use bytes::Bytes;

/// A Kinesis record that is to be put into the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its partition key. Where there is an explicit hash key it decides nothing.
    pub partition_key: String,
    /// The hash key that decides its shard instead of the partition key's digest.
    pub explicit_hash_key: Option<u128>,
    /// An aggregate, or the content of a single user record.
    pub data: Bytes,
    /// How many user records it holds.
    pub user_records: u64,
}
