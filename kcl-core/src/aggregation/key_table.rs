use std::collections::BTreeMap;

use bytes::BytesMut;

use super::wire_out::{bytes_field_len, put_bytes_field};

/// The keys of an aggregate, each once, in the order in which they were first seen.
#[derive(Debug)]
pub(super) struct KeyTable {
    /// The number of its field.
    field: u32,
    indexes: BTreeMap<Box<str>, u64>,
    encoded: BytesMut,
}

/// Where a key is, or would be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) index: u64,
    /// By how many bytes the table would grow: none if it has the key.
    pub(super) growth: usize,
}

impl KeyTable {
    pub(super) fn new(field: u32) -> Self {
        Self { field, indexes: BTreeMap::new(), encoded: BytesMut::new() }
    }

    /// One field for each key, one after the other.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(super) fn place_of(&self, key: &str) -> Place {
        match self.indexes.get(key) {
            Some(index) => Place { index: *index, growth: 0 },
            None => Place { index: self.indexes.len() as u64, growth: bytes_field_len(key.len()) },
        }
    }

    /// Adds the key if it is new. Returns its index.
    pub(super) fn insert(&mut self, key: &str) -> u64 {
        let Place { index, growth } = self.place_of(key);
        if growth > 0 {
            put_bytes_field(&mut self.encoded, self.field, key.as_bytes());
            self.indexes.insert(key.into(), index);
        }
        index
    }
}
