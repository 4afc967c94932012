use bytes::Bytes;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::aggregation::{Aggregator, MAGIC, NewUserRecord, OutsideRange, Seal};
use crate::model::{HashKeyRange, RecordPosition, Timestamp};
use crate::stream::fetch_budget::FetchBudget;

/// What a Kinesis record of a page is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    /// An aggregate of so many user records.
    Aggregate(u64),
    Malformed,
}

fn position(number: usize, sub_sequence_number: u64) -> RecordPosition {
    RecordPosition { sequence_number: number.to_string().parse().unwrap(), sub_sequence_number }
}

fn record(number: usize, kind: Kind) -> Record {
    let data = match kind {
        Kind::Plain => Bytes::from_static(b"plain"),
        Kind::Malformed => [&MAGIC[..], b"sixteen bytes and a few"].concat().into(),
        Kind::Aggregate(count) => {
            let mut aggregator = Aggregator::default();
            for _ in 0..count {
                aggregator.add(&NewUserRecord { partition_key: "key", ..NewUserRecord::default() }).unwrap();
            }
            aggregator.encode()
        }
    };
    Record {
        position: position(number, 0),
        partition_key: "key".into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::default(),
        data,
    }
}

fn page(kinds: &[Kind], room: Option<Room>) -> FetchedBatch {
    let records: Vec<Record> = kinds.iter().enumerate().map(|(number, kind)| record(number, *kind)).collect();
    let unpacked = if kinds.iter().all(|kind| matches!(kind, Kind::Plain)) {
        Unpacked::plain(records)
    } else {
        let seals = Seal::of_page(records.iter().map(|record| &record.data[..]));
        let expansions = records
            .into_iter()
            .zip(seals)
            .map(|(record, seal)| Expansion::new(record, seal, HashKeyRange::FULL, OutsideRange::Deliver));
        Unpacked::aggregated(expansions.collect())
    };
    FetchedBatch::new(unpacked, 0, None, room)
}

/// Where each record of such a page lies, and whether it cannot be delivered.
fn expected(kinds: &[Kind]) -> Vec<(RecordPosition, bool)> {
    let of_one = |(number, kind): (usize, &Kind)| {
        let (count, is_malformed) = match kind {
            Kind::Plain => (1, false),
            Kind::Malformed => (1, true),
            Kind::Aggregate(count) => (*count, false),
        };
        (0..count).map(move |sub| (position(number, sub), is_malformed))
    };
    kinds.iter().enumerate().flat_map(of_one).collect()
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let mixed = prop_oneof![
        3 => Just(Kind::Plain),
        2 => (1..40_u64).prop_map(Kind::Aggregate),
        1 => Just(Kind::Malformed),
    ];
    prop_oneof![proptest::collection::vec(Just(Kind::Plain), 0..600), proptest::collection::vec(mixed, 0..60)]
}

proptest! {
    /// Whatever the page, the bound, and the room for more than the page.
    #[test]
    fn parts_of_a_page_are_its_records_in_order_and_none_is_beyond_the_bound(
        kinds in kinds(),
        records_max in prop_oneof![1..8_usize, 1..700_usize],
        room_bytes in proptest::option::of(0..40_000_usize),
    ) {
        let shard = room_bytes.map(|bytes| FetchBudget::new(2 * bytes).join());
        let room = shard.as_ref().and_then(|shard| shard.reserve(0, None).now_or_never());
        let mut page = page(&kinds, room);
        let mut delivered = Vec::new();
        loop {
            let NextRecords { records, malformed } = page.next_records(records_max);
            if records.is_empty() {
                prop_assert!(malformed.is_empty());
                break;
            }
            prop_assert!(records.len() <= records_max, "{} records", records.len());
            prop_assert!(malformed.keys().all(|index| *index < records.len()), "{malformed:?}");
            delivered.extend(
                records.into_iter().enumerate().map(|(index, record)| (record.position, malformed.contains_key(&index))),
            );
        }
        prop_assert_eq!(delivered, expected(&kinds));
        prop_assert!(page.is_empty());
    }
}

#[test]
fn a_plain_page_that_fits_is_given_away_without_a_copy() {
    let records: Vec<Record> = (0..100).map(|number| record(number, Kind::Plain)).collect();
    let at = records.as_ptr();
    let mut page = FetchedBatch::new(Unpacked::plain(records), 0, None, None);
    assert_eq!(page.next_records(100).records.as_ptr(), at);
    assert!(page.next_records(100).records.is_empty());
}

/// With little room parts are smaller, but not much too small, and never larger than is asked for.
#[test]
fn a_page_is_given_in_parts_as_large_as_there_is_room_for() {
    let plain = [Kind::Plain; 1_000];
    let parts = |records_max: usize, room_for: usize| {
        let shard = FetchBudget::new(2 * room_for * size_of::<Record>()).join();
        let mut page = page(&plain, shard.reserve(0, None).now_or_never());
        let lens = std::iter::from_fn(|| Some(page.next_records(records_max).records.len()));
        lens.take_while(|len| *len > 0).collect::<Vec<_>>()
    };
    assert_eq!(parts(400, 1_000), [400, 400, 200]);
    assert!((200..300).contains(&parts(400, 300)[0]), "{:?}", parts(400, 300));
    assert_eq!(parts(400, 0)[..3], [100, 100, 100]);
    assert_eq!(parts(30, 0)[..3], [30, 30, 30]);
}
