//! What is written, and that it is read as it was.

use kcl_core::aggregation::{
    AGGREGATE_BYTES_DEFAULT, Addition, Aggregate, Aggregator, MAGIC, NewUserRecord, Parsed, Put,
    RECORD_BYTES_MAX, Tag, hash_key_of,
};
use kcl_core::{ErrorKind, Result};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::aggregate;
use super::wire::{bytes, explicit_hash_key, number, partition_key, record, sealed};

fn record_of<'a>(partition_key: &'a str, data: &'a [u8]) -> NewUserRecord<'a> {
    NewUserRecord { partition_key, data, ..NewUserRecord::default() }
}

fn aggregator_of(records: &[NewUserRecord<'_>]) -> Aggregator {
    let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, u64::MAX).unwrap();
    for record in records {
        assert_eq!(aggregator.add(record).unwrap(), Addition::Added);
    }
    aggregator
}

fn take_all(aggregator: &mut Aggregator, records: &[NewUserRecord<'_>]) -> Vec<Put> {
    let mut puts = Vec::new();
    for record in records {
        if aggregator.add(record).unwrap() == Addition::Full {
            puts.extend(aggregator.take());
            assert_eq!(aggregator.add(record).unwrap(), Addition::Added);
        }
    }
    puts.extend(aggregator.take());
    puts
}

/// Keys once each, in the order in which they were first seen; tables first, then the user records.
#[test]
fn the_layout_is_that_of_the_kpl() {
    let tags = [Tag { key: "t", value: Some("v") }, Tag { key: "u", value: None }];
    let aggregator = aggregator_of(&[
        NewUserRecord { explicit_hash_key: Some(12), ..record_of("pear", b"1") },
        record_of("apple", b"2"),
        NewUserRecord { explicit_hash_key: Some(0), ..record_of("pear", b"3") },
        NewUserRecord { explicit_hash_key: Some(12), tags: &tags, ..record_of("apple", b"") },
    ]);
    let expected = sealed(&[
        partition_key("pear"),
        partition_key("apple"),
        explicit_hash_key("12"),
        explicit_hash_key("0"),
        record(&[number(1, 0), number(2, 0), bytes(3, "1")]),
        record(&[number(1, 1), bytes(3, "2")]),
        record(&[number(1, 0), number(2, 1), bytes(3, "3")]),
        record(&[
            number(1, 1),
            number(2, 0),
            bytes(3, ""),
            bytes(4, [bytes(1, "t"), bytes(2, "v")].concat()),
            bytes(4, bytes(1, "u")),
        ]),
    ]);
    assert_eq!(aggregator.encode(), expected);
    assert_eq!(aggregator.encoded_len(), expected.len());
}

#[test]
fn an_aggregate_is_put_by_the_hash_key_of_its_first_user_record() {
    let put = |first: NewUserRecord<'_>| aggregator_of(&[first, record_of("other", b"data")]).take().unwrap();
    let by_digest = put(record_of("key", b"data"));
    assert_eq!(by_digest.partition_key, "a");
    assert_eq!(by_digest.explicit_hash_key, Some(hash_key_of("key")));
    assert_eq!(by_digest.user_records, 2);
    let explicit = put(NewUserRecord { explicit_hash_key: Some(5), ..record_of("key", b"data") });
    assert_eq!(explicit.explicit_hash_key, Some(5));
}

#[test]
fn a_single_user_record_is_put_as_it_is() {
    let record = NewUserRecord { explicit_hash_key: Some(5), ..record_of("key", b"data") };
    let mut aggregator = aggregator_of(&[record]);
    let expected = Put {
        partition_key: "key".to_owned(),
        explicit_hash_key: Some(5),
        data: "data".into(),
        user_records: 1,
    };
    assert_eq!(aggregator.take(), Some(expected));
    assert_eq!(aggregator.take(), None);
    assert!(aggregator.is_empty());
}

#[test]
fn a_single_user_record_that_would_lose_something_is_put_as_an_aggregate() {
    let tags = [Tag { key: "t", value: None }];
    let looks_like_one = sealed(&[partition_key("inner")]);
    for record in
        [NewUserRecord { tags: &tags, ..record_of("key", b"data") }, record_of("key", &looks_like_one)]
    {
        let put = aggregator_of(&[record]).take().unwrap();
        assert_eq!((put.partition_key.as_str(), put.explicit_hash_key), ("a", Some(hash_key_of("key"))));
        let aggregate = aggregate(&put.data);
        assert_eq!(aggregate.user_records().next().unwrap().data(), record.data);
    }
}

#[test]
fn an_aggregator_begins_anew_after_each_aggregate() {
    let mut aggregator = aggregator_of(&[record_of("one", b"1"), record_of("two", b"2")]);
    aggregator.take();
    assert_eq!((aggregator.len(), aggregator.encoded_len()), (0, MAGIC.len() + 16));
    aggregator.add(&record_of("three", b"3")).unwrap();
    assert_eq!(aggregator.encode(), aggregator_of(&[record_of("three", b"3")]).encode());
}

#[test]
fn an_aggregate_grows_to_its_limit_and_no_further() {
    let data = [0; 100];
    let records = vec![record_of("key", &data); 2_000];
    let puts = take_all(&mut Aggregator::default(), &records);
    assert!(puts.len() > 2);
    assert_eq!(puts.iter().map(|put| put.user_records).sum::<u64>(), 2_000);
    for put in &puts[..puts.len() - 1] {
        // A user record takes 106 bytes: its data, and six for lengths and its key.
        assert!((AGGREGATE_BYTES_DEFAULT - 105..=AGGREGATE_BYTES_DEFAULT).contains(&put.data.len()));
    }
}

/// The limit is met to the byte.
#[test]
fn a_user_record_that_just_fits_is_added() {
    let data = [1; 200];
    let whole = aggregator_of(&[record_of("key", &data), record_of("other", &data)]).encoded_len();
    for (bytes_max, addition) in [(whole, Addition::Added), (whole - 1, Addition::Full)] {
        let mut aggregator = Aggregator::with_limits(bytes_max, u64::MAX).unwrap();
        aggregator.add(&record_of("key", &data)).unwrap();
        assert_eq!(aggregator.add(&record_of("other", &data)).unwrap(), addition);
        // Being refused changes nothing.
        assert_eq!(aggregator.len(), if addition == Addition::Added { 2 } else { 1 });
    }
}

#[test]
fn an_aggregate_has_no_more_user_records_than_it_may() {
    let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, 3).unwrap();
    let puts = take_all(&mut aggregator, &[record_of("key", b"data"); 7]);
    assert_eq!(puts.iter().map(|put| put.user_records).collect::<Vec<_>>(), [3, 3, 1]);
}

/// The largest aggregate leaves room for its partition key, which counts for Kinesis, too.
#[test]
fn an_aggregate_never_exceeds_what_kinesis_takes() {
    let data = vec![0; 1_000];
    let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, u64::MAX).unwrap();
    while aggregator.add(&record_of("key", &data)).unwrap() == Addition::Added {}
    let left = RECORD_BYTES_MAX - aggregator.encoded_len();
    assert!(left < data.len() + 20);
    // What is left is filled up by the largest user record that is taken.
    let added = (0..left).rev().find(|length| {
        let length = (*length).min(data.len());
        aggregator.add(&record_of("key", &data[..length])).unwrap() == Addition::Added
    });
    assert!(added.is_some());
    assert_eq!(aggregator.encoded_len(), RECORD_BYTES_MAX - 1);
}

#[test]
fn a_large_user_record_is_put_alone() {
    let large = vec![7; RECORD_BYTES_MAX - "key".len()];
    let records = [record_of("key", b"small"), record_of("key", &large), record_of("key", b"small")];
    let puts = take_all(&mut Aggregator::default(), &records);
    assert_eq!(puts.iter().map(|put| put.data.len()).collect::<Vec<_>>(), [5, large.len(), 5]);
}

#[test]
fn what_kinesis_would_refuse_is_refused() {
    let too_large = vec![0; RECORD_BYTES_MAX - 2];
    let mut with_magic = vec![0; RECORD_BYTES_MAX - 40];
    with_magic[..4].copy_from_slice(&MAGIC);
    let long_key = "\u{e9}".repeat(257);
    let refused = [
        record_of("key", &too_large),
        // It would fit, but not with what makes it an aggregate.
        NewUserRecord { explicit_hash_key: Some(u128::MAX), ..record_of("key", &with_magic) },
        record_of("", b"data"),
        record_of(&long_key, b"data"),
    ];
    for record in refused {
        let mut aggregator = Aggregator::default();
        assert_eq!(aggregator.add(&record).unwrap_err().kind(), ErrorKind::Refused);
        assert!(aggregator.is_empty());
    }
    aggregator_of(&[record_of(&"\u{e9}".repeat(256), b"data")]);
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let kind = |limits: Result<Aggregator>| limits.map(|_| ()).unwrap_err().kind();
    assert_eq!(kind(Aggregator::with_limits(63, 1)), ErrorKind::Refused);
    assert_eq!(kind(Aggregator::with_limits(RECORD_BYTES_MAX + 1, 1)), ErrorKind::Refused);
    assert_eq!(kind(Aggregator::with_limits(64, 0)), ErrorKind::Refused);
    assert!(Aggregator::with_limits(64, 1).is_ok());
}

/// A user record that owns what it is made of.
#[derive(Debug, Clone, PartialEq)]
struct Owned {
    partition_key: String,
    explicit_hash_key: Option<u128>,
    data: Vec<u8>,
    tags: Vec<(String, Option<String>)>,
}

fn owned() -> impl Strategy<Value = Owned> {
    let partition_key = prop_oneof!["[a-c]", "\\PC{1,64}"];
    let explicit_hash_key = option::of(prop_oneof![0_u128..3, any::<u128>()]);
    let data = prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 100..300)];
    let tags = vec(("\\PC{0,20}", option::of("\\PC{0,200}")), 0..3);
    (partition_key, explicit_hash_key, data, tags).prop_map(
        |(partition_key, explicit_hash_key, data, tags)| Owned {
            partition_key,
            explicit_hash_key,
            data,
            tags,
        },
    )
}

fn read_back(aggregate: &Aggregate) -> Vec<Owned> {
    let tag = |tag: Tag<'_>| (tag.key.to_owned(), tag.value.map(str::to_owned));
    let records = aggregate.user_records().map(|record| Owned {
        partition_key: record.partition_key().to_string(),
        explicit_hash_key: record.explicit_hash_key(),
        data: record.data().to_vec(),
        tags: record.tags().map(tag).collect(),
    });
    records.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_as_it_was(written in vec(owned(), 1..40)) {
        let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, u64::MAX).unwrap();
        for record in &written {
            let tags: Vec<Tag<'_>> =
                record.tags.iter().map(|(key, value)| Tag { key, value: value.as_deref() }).collect();
            let added = aggregator.add(&NewUserRecord {
                partition_key: &record.partition_key,
                explicit_hash_key: record.explicit_hash_key,
                data: &record.data,
                tags: &tags,
            });
            prop_assert_eq!(added.unwrap(), Addition::Added);
        }
        let encoded = aggregator.encode();
        prop_assert_eq!(encoded.len(), aggregator.encoded_len());
        let Parsed::Aggregate(aggregate) = Aggregate::parse(&encoded) else {
            return Err(TestCaseError::fail("not an aggregate"));
        };
        prop_assert_eq!(aggregate.user_record_count(), written.len() as u64);
        prop_assert_eq!(read_back(&aggregate), written);
    }
}
