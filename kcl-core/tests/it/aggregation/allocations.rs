//! What reading an aggregate takes of memory, counted by an allocator that counts for each thread.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use kcl_core::aggregation::{Aggregate, Expansion, OutsideRange, Parsed, Seal};
use kcl_core::model::{HashKeyRange, Record, RecordPosition, Timestamp};

use super::aggregate;
use super::wire::{bytes, explicit_hash_key, number, partition_key, plain_record, record, sealed};

/// The documented bound, of an aggregate's own bytes.
const TIMES_ITS_BYTES_MAX: u64 = 6;

/// What is taken however small the aggregate is.
const BASE_BYTES: u64 = 1_000;

/// As many keys, half of the user records with an explicit hash key, and all with 1 KiB of data.
fn aggregate_of(records: u64) -> Bytes {
    let keys = (0..records).flat_map(|index| {
        [
            partition_key(format!("partition-key-{index:018}")),
            explicit_hash_key((u128::from(index) << 121).to_string()),
        ]
    });
    let records = (0..records).map(|index| {
        let hash_key = if index % 2 == 0 { number(2, index) } else { Vec::new() };
        record(&[number(1, index), hash_key, bytes(3, [7; 1024])])
    });
    sealed(&keys.chain(records).collect::<Vec<_>>())
}

fn expand(data: &Bytes, outside: OutsideRange) -> Expansion {
    let sequence_number = "49546986683135544286507457936321625675700192471156785154".parse().unwrap();
    let container = Record {
        position: RecordPosition { sequence_number, sub_sequence_number: 0 },
        partition_key: "a".into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data: data.clone(),
    };
    let half = HashKeyRange { start: 0, end: u128::MAX / 2 };
    Expansion::new(container, Seal::of(data), half, outside)
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_max), (1, 100));
}

#[test]
fn a_user_record_is_read_without_an_allocation() {
    let aggregate = aggregate(&aggregate_of(100));
    let mut read = 0;
    let counted = measure(|| {
        for record in aggregate.user_records() {
            read += record.partition_key().len() + record.data().len();
            read += usize::from(record.explicit_hash_key().is_some()) + record.tags().count();
        }
    });
    assert_eq!(counted, AllocationInfo::default());
    assert_eq!(read, 100 * (1024 + 32) + 50);
}

#[test]
fn a_user_record_is_delivered_without_an_allocation() {
    for outside in [OutsideRange::Deliver, OutsideRange::Filter] {
        let mut expansion = expand(&aggregate_of(100), outside);
        // The first share of a buffer makes its count of shares, which all others use.
        let first = expansion.next();
        let mut delivered = 0;
        let counted = measure(|| delivered = expansion.by_ref().count());
        assert_eq!(counted, AllocationInfo::default(), "{outside:?}");
        assert!(first.is_some() && delivered > 20, "{outside:?}: {delivered}");
    }
}

/// Ten times as many user records take a larger table, and not one allocation more.
#[test]
fn the_number_of_allocations_does_not_depend_on_that_of_user_records() {
    let counted = |records| {
        let data = aggregate_of(records);
        measure(|| assert_eq!(expand(&data, OutsideRange::Deliver).count() as u64, records)).count_total
    };
    assert_eq!(counted(10), counted(100));
}

/// The most bytes held while all of it is read, beside the data itself.
fn bytes_held(data: &Bytes) -> u64 {
    let parse = measure(|| drop(Aggregate::parse(data)));
    let all = [OutsideRange::Deliver, OutsideRange::Filter, OutsideRange::FilterWhole]
        .map(|outside| measure(|| assert!(expand(data, outside).count() < usize::MAX)).bytes_max);
    all.into_iter().fold(parse.bytes_max, u64::max)
}

#[test]
fn no_aggregate_takes_more_than_a_few_times_its_own_bytes() {
    let key = partition_key("");
    let one_record = plain_record(0, b"");
    let repeat = |field: Vec<u8>, times: usize| [key.clone(), field.repeat(times), one_record.clone()];
    let bombs = [
        ("empty partition keys", sealed(&repeat(key.clone(), 50_000))),
        ("short explicit hash keys", sealed(&repeat(explicit_hash_key("1"), 30_000))),
        ("empty user records", sealed(&[key.clone(), plain_record(0, b"").repeat(17_500)])),
        (
            "a key for each user record",
            sealed(
                &(0..10_000)
                    .map(|index| [key.clone(), plain_record(index, b"")].concat())
                    .collect::<Vec<_>>(),
            ),
        ),
        ("long keys", sealed(&repeat(partition_key("k".repeat(257)), 400))),
        (
            "tags",
            sealed(&[key, record(&[number(1, 0), bytes(3, ""), bytes(4, bytes(1, "")).repeat(10_000)])]),
        ),
    ];
    for (name, data) in bombs {
        assert!(matches!(Aggregate::parse(&data), Parsed::Aggregate(_)), "{name}");
        let (held, own) = (bytes_held(&data), data.len() as u64);
        assert!(held <= TIMES_ITS_BYTES_MAX * own + BASE_BYTES, "{name}: {held} bytes for {own}");
    }
}

/// Nothing is taken for what a message claims, or before all of it has been read.
#[test]
fn a_malformed_aggregate_takes_next_to_nothing() {
    let keys = partition_key("").repeat(50_000);
    for last in [vec![0], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], plain_record(u64::MAX, b""), Vec::new()] {
        let data = sealed(&[keys.clone(), last]);
        assert!(bytes_held(&data) < BASE_BYTES);
    }
}
