//! Digests side by side say what digests one by one say.

use bytes::Bytes;
use kcl_core::aggregation::md5::{digests, digests_portable};
use kcl_core::aggregation::{Aggregate, Parsed, Seal};
use md5::{Digest, Md5};
use proptest::collection::vec;
use proptest::prelude::*;

use super::wire::{partition_key, plain_record, sealed};

fn one_by_one(messages: &[&[u8]]) -> Vec<[u8; 16]> {
    messages.iter().map(|message| Md5::digest(message).into()).collect()
}

/// Every length around those at which the padding takes another block, with every other.
#[test]
fn messages_of_all_lengths_are_digested() {
    let bytes: Vec<u8> = (0..300_u32).map(|number| number.to_le_bytes()[0]).collect();
    let messages: Vec<&[u8]> = (0..=bytes.len()).map(|length| &bytes[..length]).collect();
    let expected = one_by_one(&messages);
    assert_eq!(digests(&messages), expected);
    assert_eq!(digests_portable(&messages), expected);
}

#[test]
fn any_number_of_messages_is_digested() {
    let bytes = [7; 1000];
    for count in 0..50 {
        let messages: Vec<&[u8]> = (0..count).map(|index| &bytes[..index * 19]).collect();
        let expected = one_by_one(&messages);
        assert_eq!(digests(&messages), expected, "{count}");
        assert_eq!(digests_portable(&messages), expected, "{count}");
    }
}

#[test]
fn a_page_is_sealed_as_its_records_are() {
    let whole = sealed(&[partition_key("key"), plain_record(0, b"data")]);
    let mut broken = whole.to_vec();
    broken[5] ^= 1;
    let page: Vec<Bytes> =
        vec!["plain".into(), whole.clone(), broken.into(), Bytes::new(), whole.slice(..20), whole];
    let seals = Seal::of_page(page.iter().map(|data| &data[..]));
    let one_by_one: Vec<Seal> = page.iter().map(|data| Seal::of(data)).collect();
    assert_eq!(seals, one_by_one);
    let opened = page.iter().zip(seals).map(|(data, seal)| match Aggregate::open(data, seal) {
        Parsed::Plain => 'p',
        Parsed::Malformed(_) => 'm',
        Parsed::Aggregate(_) => 'a',
    });
    assert_eq!(opened.collect::<String>(), "pamppa");
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![0_usize..200, 0_usize..5_000, Just(0), Just(55), Just(56), Just(64)];
    length.prop_flat_map(|length| vec(any::<u8>(), length))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn side_by_side_is_one_by_one(messages in vec(message(), 0..60)) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let expected = one_by_one(&messages);
        prop_assert_eq!(digests(&messages), expected.clone());
        prop_assert_eq!(digests_portable(&messages), expected);
    }
}
