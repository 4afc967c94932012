//! What a well-formed aggregate says.

use bytes::Bytes;
use kcl_core::aggregation::{Aggregate, Parsed, Tag, UserRecord, hash_key_of};

use super::aggregate;
use super::wire::{
    bytes, explicit_hash_key, key, number, partition_key, plain_record, record, sealed, varint,
};

fn data_of(aggregate: &Aggregate) -> Vec<Bytes> {
    aggregate.user_records().map(|record| record.data()).collect()
}

#[test]
fn user_records_have_what_their_tables_say() {
    let data = sealed(&[
        partition_key("apple"),
        partition_key("pear"),
        explicit_hash_key("7"),
        explicit_hash_key(u128::MAX.to_string()),
        plain_record(1, b"first"),
        record(&[number(1, 0), number(2, 1), bytes(3, "second")]),
        record(&[number(1, 0), number(2, 0), bytes(3, "")]),
    ]);
    let aggregate = aggregate(&data);
    let what = |record: UserRecord<'_>| {
        let key = record.partition_key().to_string();
        (record.sub_sequence_number(), key, record.explicit_hash_key(), record.data())
    };
    assert_eq!(aggregate.user_record_count(), 3);
    assert_eq!(
        aggregate.user_records().map(what).collect::<Vec<_>>(),
        [
            (0, "pear".to_owned(), None, "first".into()),
            (1, "apple".to_owned(), Some(u128::MAX), "second".into()),
            (2, "apple".to_owned(), Some(7), "".into()),
        ]
    );
    let hash_keys: Vec<u128> = aggregate.user_records().map(|record| record.effective_hash_key()).collect();
    assert_eq!(hash_keys, [hash_key_of("pear"), u128::MAX, 7]);
}

#[test]
fn keys_and_data_share_the_memory_of_their_aggregate() {
    let data = sealed(&[
        partition_key("key"),
        partition_key("long".repeat(100)),
        plain_record(0, b"data"),
        plain_record(1, b"more"),
    ]);
    let memory = data.as_ptr_range();
    for record in aggregate(&data).user_records() {
        assert!(memory.contains(&record.data().as_ptr()));
        assert!(memory.contains(&record.partition_key().as_ptr()));
    }
}

#[test]
fn fields_may_come_in_any_order() {
    let data = sealed(&[
        record(&[bytes(3, "a"), number(2, 0), number(1, 1)]),
        partition_key("zero"),
        plain_record(0, b"b"),
        explicit_hash_key("5"),
        partition_key("one"),
    ]);
    let records: Vec<_> = aggregate(&data)
        .user_records()
        .map(|record| (record.partition_key().to_string(), record.explicit_hash_key(), record.data()))
        .collect();
    assert_eq!(records, [("one".to_owned(), Some(5), "a".into()), ("zero".to_owned(), None, "b".into())]);
}

#[test]
fn the_last_of_a_field_counts() {
    let twice = |field, first: &str, last: &str| [bytes(field, first), bytes(field, last)].concat();
    let tag = bytes(4, [twice(1, "k", "key"), twice(2, "v", "value")].concat());
    let data = sealed(&[
        partition_key("zero"),
        partition_key("one"),
        explicit_hash_key("5"),
        explicit_hash_key("6"),
        // What is overwritten may even refer to nothing.
        record(&[
            number(1, 99),
            number(2, 0),
            bytes(3, "old"),
            tag,
            number(1, 1),
            number(2, 1),
            bytes(3, "new"),
        ]),
    ]);
    let aggregate = aggregate(&data);
    let record = aggregate.user_records().next().unwrap();
    assert_eq!(record.partition_key(), "one".into());
    assert_eq!(record.explicit_hash_key(), Some(6));
    assert_eq!(record.data(), "new");
    assert_eq!(record.tags().collect::<Vec<_>>(), [Tag { key: "key", value: Some("value") }]);
}

/// Fields that the format does not have, of every wire type whose length is known, and known ones of another type.
fn unknown_fields() -> Vec<Vec<u8>> {
    vec![
        number(5, 0),
        number(15, u64::MAX),
        [key(16, 1), vec![0xff; 8]].concat(),
        bytes(1000, "skipped"),
        bytes((1 << 29) - 1, ""),
        [key(17, 5), vec![0xff; 4]].concat(),
        [key(1, 5), vec![0; 4]].concat(),
        [key(3, 1), vec![0; 8]].concat(),
    ]
}

#[test]
fn unknown_fields_are_passed_over_wherever_they_are() {
    // A field is unknown, too, if its number is known by another wire type.
    let of_other_type = [number(1, 3), number(2, 3), number(3, 3)].concat();
    let in_record = [bytes(1, "x"), bytes(2, "x"), number(3, 1), number(4, 1)].concat();
    let in_tag = [number(1, 1), number(2, 1)].concat();
    for unknown in unknown_fields() {
        let tag = bytes(4, [unknown.clone(), in_tag.clone(), bytes(1, "t"), unknown.clone()].concat());
        let first = record(&[
            unknown.clone(),
            number(1, 0),
            in_record.clone(),
            unknown.clone(),
            bytes(3, "data"),
            tag,
            unknown.clone(),
        ]);
        let data = sealed(&[
            unknown.clone(),
            partition_key("key"),
            of_other_type.clone(),
            unknown.clone(),
            first,
            unknown.clone(),
            plain_record(0, b"last"),
            unknown.clone(),
        ]);
        let aggregate = aggregate(&data);
        assert_eq!(data_of(&aggregate), ["data", "last"], "{unknown:?}");
        let first = aggregate.user_records().next().unwrap();
        assert_eq!(first.tags().collect::<Vec<_>>(), [Tag { key: "t", value: None }], "{unknown:?}");
    }
}

#[test]
fn numbers_may_be_written_longer_than_need_be() {
    let padded = |field, value: u8| {
        [key(field, 0), vec![value | 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat()
    };
    let data =
        sealed(&[partition_key("zero"), partition_key("one"), record(&[padded(1, 1), bytes(3, "data")])]);
    assert_eq!(aggregate(&data).user_records().next().unwrap().partition_key(), "one".into());
}

#[test]
fn the_largest_number_is_read() {
    let data = sealed(&[number(9, u64::MAX), partition_key("key"), plain_record(0, b"data")]);
    assert_eq!(varint(u64::MAX).len(), 10);
    assert_eq!(data_of(&aggregate(&data)), ["data"]);
}

#[test]
fn tags_are_shown_in_order() {
    let tag = |key: &str, value: Option<&str>| {
        bytes(4, [bytes(1, key), value.map(|value| bytes(2, value)).unwrap_or_default()].concat())
    };
    let tags = [tag("a", Some("1")), tag("b", None), tag("", Some("")), tag("a", Some("2"))];
    let data = sealed(&[partition_key("key"), record(&[number(1, 0), tags.concat(), bytes(3, "data")])]);
    let aggregate = aggregate(&data);
    let shown: Vec<_> =
        aggregate.user_records().flat_map(|record| record.tags()).map(|tag| (tag.key, tag.value)).collect();
    assert_eq!(shown, [("a", Some("1")), ("b", None), ("", Some("")), ("a", Some("2"))]);
}

#[test]
fn any_place_can_be_gone_to() {
    let records = (0..10_u8).map(|number| plain_record(0, &[number]));
    let data = sealed(&[vec![partition_key("key")], records.collect()].concat());
    let aggregate = aggregate(&data);
    for place in 0..12 {
        let mut left = aggregate.user_records().skip(place);
        assert_eq!(left.len(), 10_usize.saturating_sub(place));
        let next = left.next().map(|record| (record.sub_sequence_number(), record.data()[0]));
        assert_eq!(next, (place < 10).then_some((place as u64, u8::try_from(place).unwrap())));
    }
    let mut every_third = aggregate.user_records().step_by(3).map(|record| record.data()[0]);
    assert_eq!(every_third.by_ref().collect::<Vec<_>>(), [0, 3, 6, 9]);
    assert!(every_third.next().is_none());
}

#[test]
fn what_does_not_begin_as_an_aggregate_is_none() {
    let whole = sealed(&[partition_key("key"), plain_record(0, b"data")]);
    let mut other_magic = whole.to_vec();
    other_magic[3] ^= 1;
    for data in [Bytes::new(), "text".into(), whole.slice(..3), whole.slice(1..), other_magic.into()] {
        assert!(matches!(Aggregate::parse(&data), Parsed::Plain), "{data:?}");
    }
}

#[test]
fn an_aggregate_has_more_than_16_bytes_behind_its_magic() {
    // The digest of nothing is right, and yet Java does not take it for an aggregate.
    assert!(matches!(Aggregate::parse(&sealed(&[])), Parsed::Plain));
    assert!(matches!(Aggregate::parse(&sealed(&[number(7, 0)])), Parsed::Malformed(_)));
}
