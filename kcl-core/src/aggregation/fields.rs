//! The messages inside an aggregate: which of their fields is where.

use std::str;

use super::layout::{DATA, EXPLICIT_HASH_KEY_INDEX, PARTITION_KEY_INDEX, TAG_KEY, TAG_VALUE, TAGS};
use super::malformation::Malformation;
use super::user_record::Tag;
use super::wire::{Reader, Span, Value};

/// The fields of a `Record`. Of a field that is there more than once the last one counts, as protobuf has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordFields {
    pub(super) partition_key_index: u64,
    pub(super) explicit_hash_key_index: Option<u64>,
    pub(super) data: Span,
    /// The record itself.
    pub(super) whole: Span,
    pub(super) has_tags: bool,
}

impl RecordFields {
    /// Reads the user record number `record`, which lies in `whole`. Its tags are passed over.
    pub(super) fn read(message: &[u8], whole: Span, record: u64) -> Result<Self, Malformation> {
        let (mut partition_key_index, mut explicit_hash_key_index, mut data) = (None, None, None);
        let mut has_tags = false;
        let mut reader = Reader::inside(message, whole);
        while let Some(field) = reader.next()? {
            match (field.number, field.value) {
                (PARTITION_KEY_INDEX, Value::Varint(index)) => partition_key_index = Some(index),
                (EXPLICIT_HASH_KEY_INDEX, Value::Varint(index)) => explicit_hash_key_index = Some(index),
                (DATA, Value::Bytes(span)) => data = Some(span),
                (TAGS, Value::Bytes(_)) => has_tags = true,
                _ => {}
            }
        }
        let missing = |field| Malformation::FieldMissing { record, field };
        Ok(Self {
            partition_key_index: partition_key_index.ok_or(missing("partition_key_index"))?,
            explicit_hash_key_index,
            data: data.ok_or(missing("data"))?,
            whole,
            has_tags,
        })
    }

    /// Where its tags lie.
    pub(super) fn tags(self, message: &[u8]) -> impl Iterator<Item = Span> {
        let mut reader = Reader::inside(message, self.whole);
        let mut next = move || reader.next().ok().flatten();
        let fields = std::iter::from_fn(move || if self.has_tags { next() } else { None });
        fields.filter_map(|field| match (field.number, field.value) {
            (TAGS, Value::Bytes(span)) => Some(span),
            _ => None,
        })
    }
}

/// Reads the tag of the user record number `record` that lies in `span`.
pub(super) fn read_tag(message: &[u8], span: Span, record: u64) -> Result<Tag<'_>, Malformation> {
    let (mut key, mut value) = (None, None);
    let mut reader = Reader::inside(message, span);
    while let Some(field) = reader.next()? {
        match (field.number, field.value) {
            (TAG_KEY, Value::Bytes(span)) => key = Some(span),
            (TAG_VALUE, Value::Bytes(span)) => value = Some(span),
            _ => {}
        }
    }
    let text = |span: Span| str::from_utf8(span.of(message)).map_err(|_| Malformation::Tag { record });
    let key = key.ok_or(Malformation::FieldMissing { record, field: "key in one of its tags" })?;
    Ok(Tag { key: text(key)?, value: value.map(text).transpose()? })
}
