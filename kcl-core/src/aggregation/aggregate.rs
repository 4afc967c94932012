use std::collections::BTreeMap;

use bytes::Bytes;

use super::hash_key::parse_hash_key;
use super::layout::{EXPLICIT_HASH_KEY_TABLE, MAGIC, PARTITION_KEY_TABLE};
use super::malformation::Malformation;
use super::md5::DIGEST_BYTES;
use super::seal::{Seal, Verdict, split};
use super::survey::Survey;
use super::user_records::UserRecords;
use super::wire::{Reader, Span, Value};
use crate::model::PartitionKey;

/// What a Kinesis record turned out to be.
#[derive(Debug)]
pub enum Parsed {
    /// Not an aggregate: a record like any other.
    Plain,
    /// It begins as an aggregate, but cannot be read as one. To be delivered as it came.
    Malformed(Malformation),
    /// An aggregate, every byte of which has been checked.
    Aggregate(Aggregate),
}

/// Many user records in one Kinesis record.
///
/// User records are not taken out before they are asked for, and then share its memory. So it takes no more than six times
/// its own bytes, whatever they are: 8 for each partition key and 16 for each explicit hash key, which have 2 and 3 at least.
#[derive(Debug, Clone)]
pub struct Aggregate {
    message: Bytes,
    partition_keys: Box<[Span]>,
    explicit_hash_keys: Box<[u128]>,
    /// Those that are too long to be checked again with each user record that has them.
    long_partition_keys: BTreeMap<usize, PartitionKey>,
    records: u64,
}

/// A partition key that is longer was never accepted by Kinesis, whose limit is 256 characters, but nobody checks those
/// inside of an aggregate. Without a bound for them, a megabyte of records that share one could take seconds to deliver.
const SHORT_KEY_BYTES_MAX: usize = 256;

impl Aggregate {
    /// Reads a record's data.
    ///
    /// An explicit hash key that is not a number makes it malformed, also one that no user record refers to. (The Java KCL
    /// fails on such a key when it comes to it, and loses the rest of the aggregate.) So does a key that is not UTF-8,
    /// of which Java delivers an approximation, and so does having no user record.
    pub fn parse(data: &Bytes) -> Parsed {
        Self::open(data, Seal::of(data))
    }

    /// Reads a record's data whose seal is known. The seal has to be its own: the digest is not computed again.
    pub fn open(data: &Bytes, seal: Seal) -> Parsed {
        let Some((message, stated)) = split(data) else { return Parsed::Plain };
        match seal.0 {
            Verdict::Plain => Parsed::Plain,
            Verdict::Broken(computed) => {
                Parsed::Malformed(Malformation::Digest { stated: *stated, computed })
            }
            Verdict::Intact => match Survey::of(message) {
                Err(malformation) => Parsed::Malformed(malformation),
                Ok(survey) => {
                    let message = data.slice(MAGIC.len()..data.len() - DIGEST_BYTES);
                    Parsed::Aggregate(Self::of_sound(message, survey))
                }
            },
        }
    }

    /// The user records, in order.
    pub fn user_records(&self) -> UserRecords<'_> {
        UserRecords::new(self)
    }

    /// How many user records it holds, at least one.
    pub fn user_record_count(&self) -> u64 {
        self.records
    }

    /// Collects the tables, of just the size that the survey has counted.
    fn of_sound(message: Bytes, survey: Survey) -> Self {
        // Lossless: each entry has bytes in memory.
        let size = |entries| usize::try_from(entries).unwrap_or(usize::MAX);
        let mut partition_keys = Vec::with_capacity(size(survey.partition_keys));
        let mut explicit_hash_keys = Vec::with_capacity(size(survey.explicit_hash_keys));
        let mut long_partition_keys = BTreeMap::new();
        let mut reader = Reader::new(&message);
        // The tables usually come first, and then the user records need not be walked again.
        while partition_keys.len() < partition_keys.capacity()
            || explicit_hash_keys.len() < explicit_hash_keys.capacity()
        {
            // The survey has read all of it, so neither an error nor the end comes before the last entry.
            let Ok(Some(field)) = reader.next() else { break };
            match (field.number, field.value) {
                (PARTITION_KEY_TABLE, Value::Bytes(key)) => {
                    if key.len() > SHORT_KEY_BYTES_MAX {
                        long_partition_keys.insert(partition_keys.len(), share(&message, key));
                    }
                    partition_keys.push(key);
                }
                (EXPLICIT_HASH_KEY_TABLE, Value::Bytes(key)) => {
                    explicit_hash_keys.push(parse_hash_key(key.of(&message)).unwrap_or_default());
                }
                _ => {}
            }
        }
        Self {
            partition_keys: partition_keys.into(),
            explicit_hash_keys: explicit_hash_keys.into(),
            long_partition_keys,
            records: survey.records,
            message,
        }
    }

    /// What it takes beside its message.
    pub(super) fn tables_bytes(&self) -> usize {
        size_of_val(&*self.partition_keys)
            + size_of_val(&*self.explicit_hash_keys)
            + self.long_partition_keys.len() * size_of::<(usize, PartitionKey)>()
    }

    pub(super) fn message(&self) -> &Bytes {
        &self.message
    }

    pub(super) fn partition_key_count(&self) -> usize {
        self.partition_keys.len()
    }

    /// The entry `index` of its table, which the survey has found to be there.
    pub(super) fn partition_key(&self, index: u64) -> PartitionKey {
        let Ok(index) = usize::try_from(index) else { return PartitionKey::default() };
        if let Some(key) = self.long_partition_keys.get(&index) {
            return key.clone();
        }
        self.partition_keys.get(index).map(|span| share(&self.message, *span)).unwrap_or_default()
    }

    /// The entry `index` of its table, which the survey has found to be there.
    pub(super) fn explicit_hash_key(&self, index: u64) -> u128 {
        let index = usize::try_from(index).ok();
        index.and_then(|index| self.explicit_hash_keys.get(index)).copied().unwrap_or_default()
    }
}

/// A key that the survey has found to be UTF-8, without a copy.
fn share(message: &Bytes, span: Span) -> PartitionKey {
    PartitionKey::try_from(message.slice(span.range())).unwrap_or_default()
}
