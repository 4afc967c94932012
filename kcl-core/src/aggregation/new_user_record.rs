use bytes::BytesMut;

use super::layout::{DATA, EXPLICIT_HASH_KEY_INDEX, PARTITION_KEY_INDEX, RECORDS, TAG_KEY, TAG_VALUE, TAGS};
use super::user_record::Tag;
use super::wire_out::{
    bytes_field_len, put_bytes_field, put_bytes_header, put_varint_field, varint_field_len,
};

/// A user record that is to go into an aggregate.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewUserRecord<'a> {
    /// From 1 to 256 characters, as in Kinesis.
    pub partition_key: &'a str,
    /// A hash key in the place of the partition key's digest.
    pub explicit_hash_key: Option<u128>,
    /// Its content.
    pub data: &'a [u8],
    /// Names and values for whoever reads them; the Java KCL does not. Usually none.
    pub tags: &'a [Tag<'a>],
}

impl NewUserRecord<'_> {
    /// The length of its field in an aggregate whose tables have its keys at these places.
    pub(super) fn field_len(&self, partition_key: u64, explicit_hash_key: Option<u64>) -> usize {
        bytes_field_len(self.message_len(partition_key, explicit_hash_key))
    }

    /// Writes its field.
    pub(super) fn put(&self, out: &mut BytesMut, partition_key: u64, explicit_hash_key: Option<u64>) {
        put_bytes_header(out, RECORDS, self.message_len(partition_key, explicit_hash_key));
        put_varint_field(out, PARTITION_KEY_INDEX, partition_key);
        if let Some(index) = explicit_hash_key {
            put_varint_field(out, EXPLICIT_HASH_KEY_INDEX, index);
        }
        put_bytes_field(out, DATA, self.data);
        for tag in self.tags {
            put_bytes_header(out, TAGS, tag_len(tag));
            put_bytes_field(out, TAG_KEY, tag.key.as_bytes());
            if let Some(value) = tag.value {
                put_bytes_field(out, TAG_VALUE, value.as_bytes());
            }
        }
    }

    fn message_len(&self, partition_key: u64, explicit_hash_key: Option<u64>) -> usize {
        varint_field_len(partition_key)
            + explicit_hash_key.map_or(0, varint_field_len)
            + bytes_field_len(self.data.len())
            + self.tags.iter().map(|tag| bytes_field_len(tag_len(tag))).sum::<usize>()
    }
}

fn tag_len(tag: &Tag<'_>) -> usize {
    bytes_field_len(tag.key.len()) + tag.value.map_or(0, |value| bytes_field_len(value.len()))
}
