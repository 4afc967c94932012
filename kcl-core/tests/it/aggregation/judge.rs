//! What must be true of any bytes that are read as an aggregate. The fuzzer asks it, too.

use allocation_counter::measure;
use bytes::Bytes;
use kcl_core::aggregation::{
    Addition, Aggregate, Aggregator, Expansion, MAGIC, NewUserRecord, OutsideRange, Parsed, RECORD_BYTES_MAX,
    Seal, Tag, UserRecord,
};
use kcl_core::model::{HashKeyRange, Record, RecordPosition, Timestamp};
use md5::{Digest, Md5};

/// The documented bound, of an aggregate's own bytes.
const TIMES_ITS_BYTES_MAX: u64 = 6;

/// What is taken however small an aggregate is.
const BASE_BYTES: u64 = 1_000;

/// Panics if these bytes, as a whole record or as the message of an aggregate, break a promise.
pub(crate) fn judge(bytes: &[u8]) {
    judge_record(&Bytes::copy_from_slice(bytes));
    judge_record(&sealed(bytes));
}

fn sealed(message: &[u8]) -> Bytes {
    [&MAGIC[..], message, &Md5::digest(message)].concat().into()
}

fn judge_record(data: &Bytes) {
    let seal = Seal::of(data);
    assert_eq!(Seal::of_page([&data[..], data]), [seal, seal]);
    let mut parsed = Parsed::Plain;
    let counted = measure(|| parsed = Aggregate::parse(data));
    match parsed {
        Parsed::Plain => {
            assert!(!data.starts_with(&MAGIC) || data.len() <= MAGIC.len() + 16);
            judge_delivered_raw(data);
        }
        Parsed::Malformed(malformation) => {
            assert!(data.starts_with(&MAGIC));
            assert!(malformation.to_string().len() < 500);
            assert!(counted.bytes_max <= BASE_BYTES, "{counted:?}");
            judge_delivered_raw(data);
        }
        Parsed::Aggregate(aggregate) => {
            judge_user_records(&aggregate);
            judge_encoded_again(&aggregate);
            judge_delivered(data, &aggregate);
        }
    }
}

fn judge_delivered_raw(data: &Bytes) {
    for outside in [OutsideRange::Deliver, OutsideRange::Filter, OutsideRange::FilterWhole] {
        let delivered: Vec<Record> = expand(data, outside).collect();
        assert_eq!(delivered, [container(data)]);
    }
}

/// They can be read one by one, and from any place.
fn judge_user_records(aggregate: &Aggregate) {
    assert_eq!(aggregate.user_records().count() as u64, aggregate.user_record_count());
    for (place, record) in aggregate.user_records().enumerate().take(100) {
        assert_eq!(record.sub_sequence_number(), place as u64);
        let again = aggregate.user_records().nth(place).unwrap();
        assert_eq!(parts(&record), parts(&again));
    }
}

type Parts<'a> = (String, Option<u128>, Bytes, Vec<Tag<'a>>);

fn parts<'a>(record: &UserRecord<'a>) -> Parts<'a> {
    let partition_key = record.partition_key().to_string();
    (partition_key, record.explicit_hash_key(), record.data(), record.tags().collect())
}

/// Written anew, it says the same, unless it says what cannot be written.
fn judge_encoded_again(aggregate: &Aggregate) {
    let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, u64::MAX).unwrap();
    for (partition_key, explicit_hash_key, data, tags) in
        aggregate.user_records().map(|record| parts(&record))
    {
        let record =
            NewUserRecord { partition_key: &partition_key, explicit_hash_key, data: &data, tags: &tags };
        match aggregator.add(&record) {
            Ok(Addition::Added) => {}
            Ok(Addition::Full) => return,
            Err(_) => {
                let chars = partition_key.chars().count();
                assert!(!(1..=256).contains(&chars) || data.len() > 1_000_000);
                return;
            }
        }
    }
    if aggregator.is_empty() {
        return;
    }
    let encoded = aggregator.encode();
    assert_eq!(encoded.len(), aggregator.encoded_len());
    let Parsed::Aggregate(again) = Aggregate::parse(&encoded) else { panic!("what was written is not read") };
    assert!(
        again
            .user_records()
            .map(|record| parts(&record))
            .eq(aggregate.user_records().map(|record| parts(&record)))
    );
}

/// All are delivered or counted, in no more memory than is promised.
fn judge_delivered(data: &Bytes, aggregate: &Aggregate) {
    for outside in [OutsideRange::Deliver, OutsideRange::Filter, OutsideRange::FilterWhole] {
        let (mut delivered, mut left_out) = (0, 0);
        let counted = measure(|| {
            let mut expansion = expand(data, outside);
            left_out = expansion.left_out();
            delivered = expansion.by_ref().fold(0, |count, _| count + 1);
        });
        assert_eq!(delivered + left_out, aggregate.user_record_count());
        assert!(counted.bytes_max <= TIMES_ITS_BYTES_MAX * data.len() as u64 + BASE_BYTES, "{counted:?}");
        let inside = |record: &UserRecord<'_>| RANGE.contains(record.effective_hash_key());
        let expected =
            aggregate.user_records().filter(|record| outside == OutsideRange::Deliver || inside(record));
        if outside != OutsideRange::FilterWhole || left_out == 0 {
            let expected = expected.map(|record| (record.sub_sequence_number(), record.data()));
            let delivered =
                expand(data, outside).map(|record| (record.position.sub_sequence_number, record.data));
            assert!(delivered.eq(expected));
        }
    }
}

const RANGE: HashKeyRange = HashKeyRange { start: 0, end: u128::MAX / 2 };

fn expand(data: &Bytes, outside: OutsideRange) -> Expansion {
    Expansion::new(container(data), Seal::of(data), RANGE, outside)
}

fn container(data: &Bytes) -> Record {
    Record {
        position: RecordPosition { sequence_number: "1".parse().unwrap(), sub_sequence_number: 0 },
        partition_key: "a".into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data: data.clone(),
    }
}
