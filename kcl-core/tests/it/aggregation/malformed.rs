//! Every way in which an aggregate can be wrong, and what is said of it.

use std::slice;

use bytes::Bytes;
use kcl_core::aggregation::{MAGIC, Malformation};

use super::wire::{
    bytes, explicit_hash_key, key, number, partition_key, plain_record, record, sealed, varint,
};
use super::{aggregate, malformation};

/// What is said of the aggregate of these fields.
fn said_of(fields: &[Vec<u8>]) -> String {
    malformation(&sealed(fields)).to_string()
}

#[test]
fn a_wrong_digest() {
    let whole = sealed(&[partition_key("key"), plain_record(0, b"data")]);
    for place in MAGIC.len()..whole.len() {
        let mut flipped = whole.to_vec();
        flipped[place] ^= 0x40;
        assert!(matches!(malformation(&flipped.into()), Malformation::Digest { .. }), "byte {place}");
    }
    let mut stated_wrong = sealed(&[number(7, 0)]).to_vec();
    *stated_wrong.last_mut().unwrap() ^= 1;
    assert_eq!(
        malformation(&stated_wrong.into()).to_string(),
        "the digest at its end is 34f1bcfc647cfa2931f5b1e78d8011d3, but its message digests to \
         34f1bcfc647cfa2931f5b1e78d8011d2"
    );
}

#[test]
fn a_part_that_is_missing() {
    let whole = sealed(&[partition_key("key"), plain_record(0, b"data")]);
    for length in MAGIC.len() + 17..whole.len() {
        assert!(
            matches!(malformation(&whole.slice(..length)), Malformation::Digest { .. }),
            "{length} bytes"
        );
    }
}

/// Wherever the message is cut between two fields of its own, it is well-formed; everywhere else it is not.
#[test]
fn a_message_that_ends_too_soon() {
    let fields = [
        partition_key("key"),
        plain_record(0, b"data"),
        explicit_hash_key("12"),
        number(300, 1 << 40),
        [key(16, 1), vec![0; 8]].concat(),
        [key(17, 5), vec![0; 4]].concat(),
        record(&[number(1, 0), number(2, 0), bytes(3, "data"), bytes(4, bytes(1, "tag"))]),
    ];
    let ends: Vec<usize> = (1..=fields.len()).map(|count| fields[..count].concat().len()).collect();
    let message = fields.concat();
    for length in 1..message.len() {
        let cut = sealed(&[message[..length].to_vec()]);
        if length == ends[0] {
            assert_eq!(malformation(&cut), Malformation::NoUserRecord);
        } else if ends.contains(&length) {
            aggregate(&cut);
        } else {
            let malformation = malformation(&cut);
            let is_cut =
                matches!(malformation, Malformation::VarintCut { .. } | Malformation::ValueCut { .. });
            assert!(is_cut, "{length} bytes: {malformation}");
        }
    }
}

#[test]
fn bytes_behind_the_last_field() {
    let whole = [partition_key("key"), plain_record(0, b"data")].concat();
    assert_eq!(
        said_of(&[whole.clone(), vec![0]]),
        "the field at byte 15 has the number 0; from 1 to 536870911 is allowed"
    );
    assert_eq!(said_of(&[whole, vec![0x80]]), "the number at byte 15 goes on where its message ends");
}

#[test]
fn a_number_that_is_too_long() {
    let overlong = [vec![0x80; 10], vec![0]].concat();
    let overflowing = [vec![0xff; 9], vec![2]].concat();
    let endless = vec![0xff; 100];
    for number in [overlong, overflowing, endless] {
        let said = |at| format!("the number at byte {at} has more than 64 bits");
        assert_eq!(said_of(&[key(9, 0), number.clone()]), said(1));
        // As the length of a value, and as a key.
        assert_eq!(said_of(&[key(9, 2), number.clone()]), said(1));
        assert_eq!(said_of(&[number]), said(0));
    }
}

#[test]
fn a_length_beyond_the_end() {
    assert_eq!(
        said_of(&[partition_key("key"), key(3, 2), varint(u64::MAX), vec![1, 2]]),
        "the value at byte 16 needs 18446744073709551615 bytes, but its message has 2 left"
    );
    assert_eq!(
        said_of(&[key(1, 2), varint(3), vec![b'a'; 2]]),
        "the value at byte 2 needs 3 bytes, but its message has 2 left"
    );
    // The user record is whole, but the data inside of it goes beyond.
    let data = [number(1, 0), key(3, 2), varint(5), b"data".to_vec()].concat();
    assert_eq!(
        said_of(&[partition_key("key"), bytes(3, data), bytes(99, "more")]),
        "the value at byte 11 needs 5 bytes, but its message has 4 left"
    );
}

#[test]
fn a_field_number_that_is_none() {
    for wire_type in [0, 1, 2, 5] {
        assert_eq!(
            said_of(&[key(0, wire_type), vec![0; 8]]),
            "the field at byte 0 has the number 0; from 1 to 536870911 is allowed"
        );
    }
    assert_eq!(
        said_of(&[number(1 << 29, 0)]),
        "the field at byte 0 has the number 536870912; from 1 to 536870911 is allowed"
    );
}

#[test]
fn a_wire_type_without_a_length() {
    for wire_type in [3, 4, 6, 7] {
        let said =
            |at| format!("the field at byte {at} has the wire type {wire_type}; 0, 1, 2 and 5 can be read");
        let group = [key(9, wire_type), key(9, 4)].concat();
        assert_eq!(said_of(slice::from_ref(&group)), said(0));
        assert_eq!(said_of(&[record(slice::from_ref(&group))]), said(2));
        assert_eq!(said_of(&[record(&[number(1, 0), bytes(3, ""), bytes(4, group)])]), said(8));
    }
}

#[test]
fn a_key_that_is_not_utf_8() {
    let bad = [b'a', 0xff];
    assert_eq!(
        said_of(&[partition_key("key"), partition_key(bad), plain_record(0, b"data")]),
        "partition key 1 of its table is not UTF-8"
    );
    let tag =
        |fields: Vec<u8>| [partition_key("key"), record(&[number(1, 0), bytes(3, ""), bytes(4, fields)])];
    assert_eq!(said_of(&tag(bytes(1, bad))), "a tag of user record 0 is not UTF-8");
    assert_eq!(
        said_of(&tag([bytes(1, "key"), bytes(2, bad)].concat())),
        "a tag of user record 0 is not UTF-8"
    );
}

#[test]
fn an_explicit_hash_key_that_is_no_number() {
    for text in ["", "abc", "-1", "340282366920938463463374607431768211456"] {
        assert_eq!(
            said_of(&[explicit_hash_key("1"), explicit_hash_key(text)]),
            format!("explicit hash key 1 of its table is '{text}', not a decimal number below 2^128")
        );
    }
    // What is shown of it has a bound, and need not be text.
    let long = said_of(&[explicit_hash_key(vec![0xff; 100_000])]);
    assert!(long.len() < 500, "{} bytes", long.len());
}

#[test]
fn a_field_that_is_missing() {
    let key = partition_key("key");
    let whole = plain_record(0, b"data");
    let said = |fields: &[Vec<u8>]| said_of(&[key.clone(), whole.clone(), record(fields)]);
    assert_eq!(said(&[]), "user record 1 has no partition_key_index");
    assert_eq!(said(&[bytes(3, "data")]), "user record 1 has no partition_key_index");
    assert_eq!(said(&[number(1, 0), number(2, 0)]), "user record 1 has no data");
    // Of another wire type it is not that field.
    assert_eq!(said(&[bytes(1, "0"), bytes(3, "data")]), "user record 1 has no partition_key_index");
    let tag = bytes(4, bytes(2, "value"));
    assert_eq!(said(&[number(1, 0), bytes(3, ""), tag]), "user record 1 has no key in one of its tags");
}

#[test]
fn an_index_beyond_its_table() {
    let keys = [partition_key("key"), explicit_hash_key("1"), explicit_hash_key("2")].concat();
    assert_eq!(
        said_of(&[keys.clone(), plain_record(0, b""), plain_record(1, b"")]),
        "user record 1 has the partition_key_index 1, but that table has 1 entries"
    );
    assert_eq!(
        said_of(&[keys, record(&[number(1, 0), number(2, 2), bytes(3, "")])]),
        "user record 0 has the explicit_hash_key_index 2, but that table has 2 entries"
    );
    assert_eq!(
        said_of(&[plain_record(0, b"")]),
        "user record 0 has the partition_key_index 0, but that table has 0 entries"
    );
    // Java cuts an index to 32 bits, and would find this one.
    assert_eq!(
        said_of(&[partition_key("key"), plain_record(1 << 32, b"")]),
        "user record 0 has the partition_key_index 4294967296, but that table has 1 entries"
    );
}

#[test]
fn no_user_record() {
    for fields in [vec![number(7, 0)], vec![partition_key("key"), explicit_hash_key("1")], vec![number(3, 0)]]
    {
        assert_eq!(said_of(&fields), "it has no user record");
    }
}

/// One in the middle is enough: nothing of the aggregate is delivered.
#[test]
fn one_bad_user_record_among_good_ones() {
    let good = plain_record(0, b"data");
    let data: Bytes = sealed(&[partition_key("key"), good.clone(), plain_record(1, b"bad"), good]);
    assert!(matches!(malformation(&data), Malformation::Index { record: 1, .. }));
}
