//! What a Kinesis record is delivered as.

use bytes::Bytes;
use kcl_core::aggregation::{Expansion, OutsideRange, Seal, hash_key_of};
use kcl_core::model::{HashKeyRange, Record, RecordPosition, Timestamp};

use super::wire::{bytes, explicit_hash_key, number, partition_key, plain_record, record, sealed};

const RANGE: HashKeyRange = HashKeyRange { start: 100, end: 199 };

fn kinesis_record(data: Bytes) -> Record {
    Record {
        position: position(0),
        partition_key: "of the container".into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::from_millis(1_700_000_000_000),
        data,
    }
}

fn position(sub_sequence_number: u64) -> RecordPosition {
    let sequence_number = "49546986683135544286507457936321625675700192471156785154".parse().unwrap();
    RecordPosition { sequence_number, sub_sequence_number }
}

fn expand(data: &Bytes, range: HashKeyRange, outside: OutsideRange) -> Expansion {
    Expansion::new(kinesis_record(data.clone()), Seal::of(data), range, outside)
}

/// An aggregate of user records with these explicit hash keys, whose data is their number.
fn with_hash_keys(hash_keys: &[u128]) -> Bytes {
    let entries = hash_keys.iter().map(|hash_key| explicit_hash_key(hash_key.to_string()));
    let records = (0..).zip(hash_keys).map(|(index, _)| {
        record(&[number(1, 0), number(2, index), bytes(3, [u8::try_from(index).unwrap()])])
    });
    sealed(&[partition_key("key")].into_iter().chain(entries).chain(records).collect::<Vec<_>>())
}

/// Sub-sequence number and data of what is delivered.
fn delivered(expansion: Expansion) -> Vec<(u64, u8)> {
    expansion.map(|record| (record.position.sub_sequence_number, record.data[0])).collect()
}

#[test]
fn a_plain_record_is_delivered_as_it_came() {
    let record = kinesis_record("text".into());
    for outside in [OutsideRange::Deliver, OutsideRange::Filter, OutsideRange::FilterWhole] {
        let seal = Seal::of(&record.data);
        let mut expansion = Expansion::new(record.clone(), seal, RANGE, outside);
        assert_eq!((expansion.left_out(), expansion.malformation()), (0, None));
        assert_eq!(expansion.next().as_ref(), Some(&record));
        assert_eq!(expansion.next(), None);
    }
}

#[test]
fn a_malformed_aggregate_is_delivered_as_it_came_and_says_why() {
    let broken = sealed(&[partition_key("key"), plain_record(7, b"data")]);
    for outside in [OutsideRange::Deliver, OutsideRange::Filter, OutsideRange::FilterWhole] {
        let expansion = expand(&broken, RANGE, outside);
        assert!(expansion.malformation().is_some());
        assert_eq!(expansion.left_out(), 0);
        assert_eq!(expansion.collect::<Vec<_>>(), [kinesis_record(broken.clone())]);
    }
}

/// Java numbers the user records that it delivers, from 0, and gives each the rest of its container.
#[test]
fn user_records_have_the_position_and_the_time_of_their_container() {
    let data = sealed(&[
        partition_key("apple"),
        partition_key("pear"),
        explicit_hash_key("5"),
        plain_record(0, b"a"),
        plain_record(1, b"b"),
        record(&[number(1, 1), number(2, 0), bytes(3, "c")]),
        plain_record(0, b"d"),
    ]);
    let user_record = |sub_sequence_number, key: &str, explicit_hash_key, data: &'static str| Record {
        position: position(sub_sequence_number),
        partition_key: key.into(),
        explicit_hash_key,
        approximate_arrival: Timestamp::from_millis(1_700_000_000_000),
        data: data.into(),
    };
    let expansion = expand(&data, HashKeyRange::FULL, OutsideRange::Deliver);
    assert_eq!(expansion.left_out(), 0);
    assert_eq!(
        expansion.collect::<Vec<_>>(),
        [
            user_record(0, "apple", None, "a"),
            user_record(1, "pear", None, "b"),
            user_record(2, "pear", Some(5), "c"),
            user_record(3, "apple", None, "d"),
        ]
    );
}

#[test]
fn by_default_user_records_outside_the_range_are_delivered() {
    let data = with_hash_keys(&[0, 100, 199, 200]);
    let expansion = expand(&data, RANGE, OutsideRange::default());
    assert_eq!(expansion.left_out(), 0);
    assert_eq!(delivered(expansion), [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

/// The numbers stay what they are when all is delivered: whoever takes over with another setting finds its place.
#[test]
fn filter_leaves_out_those_outside_and_keeps_the_numbers_of_the_others() {
    let data = with_hash_keys(&[99, 100, 150, 200, 199, u128::MAX]);
    let expansion = expand(&data, RANGE, OutsideRange::Filter);
    assert_eq!(expansion.left_out(), 3);
    assert_eq!(delivered(expansion), [(1, 1), (2, 2), (4, 4)]);

    let all_outside = expand(&with_hash_keys(&[1, 2]), RANGE, OutsideRange::Filter);
    assert_eq!(all_outside.left_out(), 2);
    assert_eq!(delivered(all_outside), []);
}

#[test]
fn filter_whole_leaves_out_all_if_one_is_outside() {
    for hash_keys in [[100, 199, 200], [99, 100, 100], [100, 0, 100]] {
        let expansion = expand(&with_hash_keys(&hash_keys), RANGE, OutsideRange::FilterWhole);
        assert_eq!(expansion.left_out(), 3, "{hash_keys:?}");
        assert_eq!(delivered(expansion), [], "{hash_keys:?}");
    }
    let all_inside = expand(&with_hash_keys(&[100, 150, 199]), RANGE, OutsideRange::FilterWhole);
    assert_eq!(all_inside.left_out(), 0);
    assert_eq!(delivered(all_inside), [(0, 0), (1, 1), (2, 2)]);
}

#[test]
fn without_an_explicit_hash_key_the_digest_of_the_partition_key_decides() {
    let range = HashKeyRange { start: hash_key_of("in"), end: hash_key_of("in") };
    let data = sealed(&[
        partition_key("out"),
        partition_key("in"),
        explicit_hash_key("1"),
        explicit_hash_key(hash_key_of("in").to_string()),
        plain_record(0, &[0]),
        plain_record(1, &[1]),
        record(&[number(1, 1), number(2, 0), bytes(3, [2])]),
        record(&[number(1, 0), number(2, 1), bytes(3, [3])]),
        plain_record(1, &[4]),
        plain_record(0, &[5]),
    ]);
    let expansion = expand(&data, range, OutsideRange::Filter);
    assert_eq!(expansion.left_out(), 3);
    assert_eq!(delivered(expansion), [(1, 1), (3, 3), (4, 4)]);
}

#[test]
fn a_reader_goes_on_inside_an_aggregate() {
    let data = with_hash_keys(&[100, 100, 0, 100, 100]);
    let after = |outside, sub_sequence_number| {
        let mut expansion = expand(&data, RANGE, outside);
        expansion.skip_through(sub_sequence_number);
        delivered(expansion)
    };
    assert_eq!(after(OutsideRange::Deliver, 0), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(after(OutsideRange::Deliver, 2), [(3, 3), (4, 4)]);
    assert_eq!(after(OutsideRange::Filter, 1), [(3, 3), (4, 4)]);
    assert_eq!(after(OutsideRange::Filter, 2), [(3, 3), (4, 4)]);
    assert_eq!(after(OutsideRange::Filter, 3), [(4, 4)]);
    for end in [4, 5, u64::MAX] {
        assert_eq!(after(OutsideRange::Deliver, end), []);
    }
}

#[test]
fn skipping_counts_from_the_start_wherever_it_stands() {
    let mut expansion = expand(&with_hash_keys(&[100; 5]), RANGE, OutsideRange::Deliver);
    assert_eq!(expansion.next().unwrap().position, position(0));
    expansion.skip_through(0);
    assert_eq!(expansion.next().unwrap().position, position(1));
    expansion.skip_through(2);
    expansion.skip_through(1);
    assert_eq!(delivered(expansion), [(3, 3), (4, 4)]);
}

#[test]
fn a_record_that_was_delivered_as_it_came_is_not_delivered_again() {
    let malformed = sealed(&[plain_record(7, b"data")]);
    for data in [Bytes::from("text"), malformed] {
        let mut expansion = expand(&data, RANGE, OutsideRange::Deliver);
        expansion.skip_through(0);
        assert_eq!(expansion.next(), None);
        // Somebody has stopped inside of it, so there was more in it than we can see.
        let mut expansion = expand(&data, RANGE, OutsideRange::Deliver);
        expansion.skip_through(3);
        assert_eq!(expansion.next(), Some(kinesis_record(data)));
    }
}
