use super::GET_RECORDS_MAX;
use crate::model::Record;

/// The most bytes of data that one read returns (`GetRecords`, Kinesis API reference).
const READ_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What a record takes beside its data and its key: the record itself, and its sequence number of 56 digits with two
/// reference counts. What is left over where records share pieces of memory, at most an eighth, is not counted.
const RECORD_OVERHEAD_BYTES: usize = size_of::<Record>() + 56 + 16;

/// What the fullest page takes.
const PAGE_BYTES_MAX: usize = READ_BYTES_MAX + GET_RECORDS_MAX as usize * RECORD_OVERHEAD_BYTES;

/// Room for what arrives in a quiet shard between two reads.
const PAGE_BYTES_MIN: usize = 64 * 1024;

/// Room for the first page: what a shard may be read at in half a second.
const FIRST_PAGE_BYTES: usize = 1024 * 1024;

/// What a record takes before the first one has been seen: a full aggregate of the KPL.
const RECORD_BYTES_ASSUMED: usize = 50 * 1024;

/// The memory that a record takes.
pub(super) fn held_bytes(record: &Record) -> usize {
    RECORD_OVERHEAD_BYTES + record.data.len() + record.partition_key.len()
}

/// What the next page of a shard may take, judging by those before.
#[derive(Debug)]
pub(super) struct PageSize {
    wanted_bytes: usize,
    /// What the largest record of late takes, once there was one.
    record_bytes: Option<usize>,
}

impl Default for PageSize {
    fn default() -> Self {
        Self { wanted_bytes: FIRST_PAGE_BYTES, record_bytes: None }
    }
}

impl PageSize {
    /// How much room the next read should have: twice what the last one took.
    pub(super) fn wanted_bytes(&self) -> usize {
        self.wanted_bytes
    }

    /// How much it should have if there is plenty: as much as a read can return.
    pub(super) fn generous_bytes() -> usize {
        PAGE_BYTES_MAX
    }

    /// How many records to ask for if the page may take `bytes`, and at most `limit`.
    pub(super) fn records_within(&self, bytes: usize, limit: u32) -> u32 {
        if bytes >= PAGE_BYTES_MAX {
            return limit;
        }
        let records = bytes / self.record_bytes.unwrap_or(RECORD_BYTES_ASSUMED);
        u32::try_from(records).unwrap_or(u32::MAX).clamp(1, limit)
    }

    /// Takes in a page: what it takes, and its records.
    pub(super) fn note(&mut self, bytes: usize, records: &[Record]) {
        self.wanted_bytes = (2 * bytes).clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX);
        if let Some(largest) = records.iter().map(held_bytes).max() {
            let of_late = self.record_bytes.map_or(0, |bytes| bytes / 8 * 7);
            self.record_bytes = Some(largest.max(of_late));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::{RecordPosition, Timestamp};

    fn page(records: usize, data_bytes: usize) -> Vec<Record> {
        let sequence_number = "49646437577153077907313937652112627639589570355530826018".parse().unwrap();
        let record = Record {
            position: RecordPosition { sequence_number, sub_sequence_number: 0 },
            partition_key: "key".into(),
            explicit_hash_key: None,
            approximate_arrival: Timestamp::default(),
            data: Bytes::from(vec![0; data_bytes]),
        };
        vec![record; records]
    }

    fn note(size: &mut PageSize, page: &[Record]) {
        size.note(page.iter().map(held_bytes).sum(), page);
    }

    #[test]
    fn a_page_that_may_be_full_is_asked_for_in_full() {
        assert_eq!(PageSize::default().records_within(PageSize::generous_bytes(), 10_000), 10_000);
    }

    #[test]
    fn a_small_room_gets_as_many_records_as_fit_judging_by_the_largest_of_late() {
        let mut size = PageSize::default();
        assert_eq!(size.records_within(250 * 1024, 10_000), 5, "nothing is known yet");
        assert_eq!(size.records_within(1, 10_000), 1, "or there would be no progress");
        note(&mut size, &page(10, 1_000_000));
        assert_eq!(size.records_within(2_100_000, 10_000), 2);
        for _ in 0..100 {
            note(&mut size, &page(10, 100));
        }
        let small = held_bytes(&page(1, 100)[0]);
        assert_eq!(size.records_within(100 * small, 10_000), 100);
        assert_eq!(size.records_within(100 * small, 7), 7);
    }

    #[test]
    fn a_page_wants_twice_what_the_last_one_took() {
        let mut size = PageSize::default();
        note(&mut size, &[]);
        assert_eq!(size.wanted_bytes(), PAGE_BYTES_MIN);
        note(&mut size, &page(1, 500_000));
        assert!((1_000_000..1_001_000).contains(&size.wanted_bytes()), "{}", size.wanted_bytes());
        note(&mut size, &page(10, 1_000_000));
        assert_eq!(size.wanted_bytes(), PageSize::generous_bytes());
    }
}
