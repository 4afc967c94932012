//! The first pass over a message: everything that could be wrong with it is found before anything of it is delivered, and
//! before any memory is taken for it.

use super::fields::{RecordFields, read_tag};
use super::hash_key::parse_hash_key;
use super::layout::{EXPLICIT_HASH_KEY_TABLE, PARTITION_KEY_TABLE, RECORDS};
use super::malformation::Malformation;
use super::wire::{Reader, Span, Value};

/// So much of a bad key is shown.
const SHOWN_BYTES_MAX: usize = 60;

/// How much a well-formed message holds of what.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Survey {
    pub(super) partition_keys: u64,
    pub(super) explicit_hash_keys: u64,
    pub(super) records: u64,
    highest_partition_key: Option<Reference>,
    highest_explicit_hash_key: Option<Reference>,
}

/// A user record's reference to a table. The table may end behind the record, so it is judged at the end.
#[derive(Debug, Clone, Copy)]
struct Reference {
    record: u64,
    index: u64,
}

impl Survey {
    /// Reads the whole message.
    pub(super) fn of(message: &[u8]) -> Result<Self, Malformation> {
        if u32::try_from(message.len()).is_err() {
            return Err(Malformation::TooLong { bytes: message.len() });
        }
        let mut survey = Self::default();
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next()? {
            match (field.number, field.value) {
                (PARTITION_KEY_TABLE, Value::Bytes(key)) => survey.partition_key(key.of(message))?,
                (EXPLICIT_HASH_KEY_TABLE, Value::Bytes(key)) => survey.explicit_hash_key(key.of(message))?,
                (RECORDS, Value::Bytes(record)) => survey.record(message, record)?,
                // Of a later version of the format, or known by another wire type: to be ignored, as protobuf has it.
                _ => {}
            }
        }
        let Self { partition_keys, explicit_hash_keys, .. } = survey;
        check(survey.highest_partition_key, "partition_key_index", partition_keys)?;
        check(survey.highest_explicit_hash_key, "explicit_hash_key_index", explicit_hash_keys)?;
        if survey.records == 0 {
            return Err(Malformation::NoUserRecord);
        }
        Ok(survey)
    }

    fn partition_key(&mut self, key: &[u8]) -> Result<(), Malformation> {
        let entry = self.partition_keys;
        str::from_utf8(key).map_err(|_| Malformation::PartitionKey { entry })?;
        self.partition_keys += 1;
        Ok(())
    }

    fn explicit_hash_key(&mut self, key: &[u8]) -> Result<(), Malformation> {
        if parse_hash_key(key).is_none() {
            let shown = &key[..key.len().min(SHOWN_BYTES_MAX)];
            let text = String::from_utf8_lossy(shown).into_owned();
            return Err(Malformation::ExplicitHashKey { entry: self.explicit_hash_keys, text });
        }
        self.explicit_hash_keys += 1;
        Ok(())
    }

    fn record(&mut self, message: &[u8], span: Span) -> Result<(), Malformation> {
        let record = self.records;
        let fields = RecordFields::read(message, span, record)?;
        for tag in fields.tags(message) {
            read_tag(message, tag, record)?;
        }
        raise(&mut self.highest_partition_key, Some(fields.partition_key_index), record);
        raise(&mut self.highest_explicit_hash_key, fields.explicit_hash_key_index, record);
        self.records += 1;
        Ok(())
    }
}

fn raise(highest: &mut Option<Reference>, index: Option<u64>, record: u64) {
    let Some(index) = index else { return };
    if highest.is_none_or(|highest| highest.index < index) {
        *highest = Some(Reference { record, index });
    }
}

fn check(highest: Option<Reference>, field: &'static str, entries: u64) -> Result<(), Malformation> {
    match highest {
        Some(Reference { record, index }) if index >= entries => {
            Err(Malformation::Index { record, field, index, entries })
        }
        _ => Ok(()),
    }
}
