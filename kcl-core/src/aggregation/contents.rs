use bytes::{BufMut, Bytes, BytesMut};
use md5::{Digest, Md5};

use super::hash_key::hash_key_of;
use super::key_table::KeyTable;
use super::layout::{EXPLICIT_HASH_KEY_TABLE, MAGIC, PARTITION_KEY_TABLE};
use super::md5::DIGEST_BYTES;
use super::new_user_record::NewUserRecord;
use super::put::Put;

/// The partition key of an aggregate, whose shard is decided by its explicit hash key. The KPL's, and the shortest there is.
pub(super) const AGGREGATE_PARTITION_KEY: &str = "a";

/// The user records so far, encoded.
#[derive(Debug)]
pub(super) struct Contents {
    partition_keys: KeyTable,
    explicit_hash_keys: KeyTable,
    records: BytesMut,
    count: u64,
    first: First,
}

/// What decides how the aggregate is put into the stream: its first user record.
#[derive(Debug, Default)]
struct First {
    partition_key: String,
    explicit_hash_key: Option<u128>,
    data_bytes: usize,
    /// [`needs_aggregate`] of it.
    needs_aggregate: bool,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            partition_keys: KeyTable::new(PARTITION_KEY_TABLE),
            explicit_hash_keys: KeyTable::new(EXPLICIT_HASH_KEY_TABLE),
            records: BytesMut::new(),
            count: 0,
            first: First::default(),
        }
    }
}

impl Contents {
    pub(super) fn encoded_len(&self) -> usize {
        let tables = self.partition_keys.encoded().len() + self.explicit_hash_keys.encoded().len();
        MAGIC.len() + tables + self.records.len() + DIGEST_BYTES
    }

    /// By how much the record would make it longer.
    pub(super) fn growth(&self, record: &NewUserRecord<'_>, explicit_hash_key: Option<&str>) -> usize {
        let partition_key = self.partition_keys.place_of(record.partition_key);
        let explicit_hash_key = explicit_hash_key.map(|key| self.explicit_hash_keys.place_of(key));
        partition_key.growth
            + explicit_hash_key.map_or(0, |place| place.growth)
            + record.field_len(partition_key.index, explicit_hash_key.map(|place| place.index))
    }

    pub(super) fn add(&mut self, record: &NewUserRecord<'_>, explicit_hash_key: Option<&str>) {
        if self.count == 0 {
            self.first = First {
                partition_key: record.partition_key.to_owned(),
                explicit_hash_key: record.explicit_hash_key,
                data_bytes: record.data.len(),
                needs_aggregate: needs_aggregate(record),
            };
        }
        let partition_key = self.partition_keys.insert(record.partition_key);
        let explicit_hash_key = explicit_hash_key.map(|key| self.explicit_hash_keys.insert(key));
        record.put(&mut self.records, partition_key, explicit_hash_key);
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What it is put into the stream as. It has at least one user record.
    pub(super) fn into_put(self) -> Put {
        if self.count == 1 && !self.first.needs_aggregate {
            self.into_single()
        } else {
            self.into_aggregate()
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        out.put_slice(&MAGIC);
        out.put_slice(self.partition_keys.encoded());
        out.put_slice(self.explicit_hash_keys.encoded());
        out.put_slice(&self.records);
        let digest = Md5::digest(&out[MAGIC.len()..]);
        out.put_slice(&digest);
        out.freeze()
    }

    /// As an aggregate, to be put by the hash key of its first user record.
    fn into_aggregate(self) -> Put {
        let First { partition_key, explicit_hash_key, .. } = &self.first;
        let hash_key = explicit_hash_key.unwrap_or_else(|| hash_key_of(partition_key));
        Put {
            partition_key: AGGREGATE_PARTITION_KEY.to_owned(),
            explicit_hash_key: Some(hash_key),
            data: self.encode(),
            user_records: self.count,
        }
    }

    fn into_single(self) -> Put {
        let First { partition_key, explicit_hash_key, data_bytes, .. } = self.first;
        // Without tags, the data is the last of its record.
        let records = self.records.freeze();
        let data = records.slice(records.len() - data_bytes..);
        Put { partition_key, explicit_hash_key, data, user_records: 1 }
    }
}

/// True if it cannot be put as a record of its own: that would lose its tags, or a reader would take it for an aggregate.
pub(super) fn needs_aggregate(record: &NewUserRecord<'_>) -> bool {
    !record.tags.is_empty() || record.data.starts_with(&MAGIC)
}
