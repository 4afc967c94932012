use bytes::Bytes;

use super::aggregate::Aggregate;
use super::fields::{RecordFields, read_tag};
use super::hash_key::hash_key_of;
use crate::model::PartitionKey;

/// One user record where it lies in its aggregate. Nothing of it is read before it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct UserRecord<'a> {
    aggregate: &'a Aggregate,
    fields: RecordFields,
    sub_sequence_number: u64,
}

impl<'a> UserRecord<'a> {
    pub(super) fn new(aggregate: &'a Aggregate, fields: RecordFields, sub_sequence_number: u64) -> Self {
        Self { aggregate, fields, sub_sequence_number }
    }

    /// Its place in the aggregate, from 0.
    pub fn sub_sequence_number(&self) -> u64 {
        self.sub_sequence_number
    }

    /// The key that the producer gave it. A share of the aggregate's memory.
    pub fn partition_key(&self) -> PartitionKey {
        self.aggregate.partition_key(self.fields.partition_key_index)
    }

    /// The hash key that the producer gave it beside the partition key, if any.
    pub fn explicit_hash_key(&self) -> Option<u128> {
        self.fields.explicit_hash_key_index.map(|index| self.aggregate.explicit_hash_key(index))
    }

    /// The hash key that decides which shard it belongs to: the explicit one, else the digest of its partition key, which is
    /// computed anew with each call.
    pub fn effective_hash_key(&self) -> u128 {
        self.explicit_hash_key().unwrap_or_else(|| hash_key_of(&self.partition_key()))
    }

    /// Its content. A share of the aggregate's memory.
    pub fn data(&self) -> Bytes {
        self.aggregate.message().slice(self.fields.data.range())
    }

    /// Its tags, in order. The KPL writes none, and the Java KCL does not show them.
    pub fn tags(&self) -> impl Iterator<Item = Tag<'a>> + use<'a> {
        let (message, record) = (self.aggregate.message(), self.sub_sequence_number);
        // Opening the aggregate has shown that every one can be read.
        self.fields.tags(message).filter_map(move |span| read_tag(message, span, record).ok())
    }

    pub(super) fn partition_key_index(&self) -> u64 {
        self.fields.partition_key_index
    }
}

/// A name and a value that a producer attached to a user record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its value, which may be left out.
    pub value: Option<&'a str>,
}
