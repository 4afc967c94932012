//! What the fuzzer looks for, without the fuzzer: its corpus, and well-formed messages that something has happened to.

use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::judge::judge;
use super::wire::{bytes, explicit_hash_key, key, number, partition_key, record, varint};

#[test]
fn the_corpus_is_judged() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", "aggregates"].iter().collect();
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 50, "only {} files", files.len());
    for file in files {
        judge(&fs::read(file).unwrap());
    }
}

/// What can happen to a message.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A piece of it, put in somewhere else.
    Splice(Index, Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let inserted = prop_oneof![
        vec(any::<u8>(), 1..4),
        any::<u64>().prop_map(varint),
        (1_u64..20, 0_u64..8).prop_map(|(field, wire_type)| key(field, wire_type)),
        (0_u64..6, any::<u64>()).prop_map(|(field, value)| number(field, value)),
        (0_u64..6, vec(any::<u8>(), 0..10)).prop_map(|(field, content)| bytes(field, content)),
    ];
    prop_oneof![
        (any::<Index>(), 1_u8..).prop_map(|(place, bits)| Damage::Flip(place, bits)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), inserted).prop_map(|(place, content)| Damage::Insert(place, content)),
        (any::<Index>(), 1_usize..4).prop_map(|(place, length)| Damage::Remove(place, length)),
        (any::<Index>(), any::<Index>(), 1_usize..30)
            .prop_map(|(from, to, length)| Damage::Splice(from, to, length)),
    ]
}

fn apply(message: &mut Vec<u8>, damage: Damage) {
    let place = |index: Index, message: &[u8]| index.index(message.len() + 1);
    let piece = |start: usize, length: usize, message: &[u8]| start..(start + length).min(message.len());
    match damage {
        Damage::Flip(index, bits) => {
            let place = place(index, message);
            message.get_mut(place).into_iter().for_each(|byte| *byte ^= bits);
        }
        Damage::Cut(index) => message.truncate(place(index, message)),
        Damage::Insert(index, content) => {
            let place = place(index, message);
            message.splice(place..place, content);
        }
        Damage::Remove(index, length) => {
            let piece = piece(place(index, message), length, message);
            message.drain(piece);
        }
        Damage::Splice(from, to, length) => {
            let content = message[piece(place(from, message), length, message)].to_vec();
            let place = place(to, message);
            message.splice(place..place, content);
        }
    }
}

fn well_formed() -> impl Strategy<Value = Vec<u8>> {
    let a_record = (0_u64..3, proptest::option::of(0_u64..2), vec(any::<u8>(), 0..30)).prop_map(
        |(key, hash_key, data)| {
            let hash_key = hash_key.map(|index| number(2, index)).unwrap_or_default();
            record(&[number(1, key), hash_key, bytes(3, data), bytes(4, bytes(1, "tag"))])
        },
    );
    vec(a_record, 0..8).prop_map(|records| {
        let keys = [partition_key("a"), partition_key("\u{e9}"), partition_key("c".repeat(300))].concat();
        let hash_keys = [explicit_hash_key("7"), explicit_hash_key(u128::MAX.to_string())].concat();
        [keys, hash_keys, records.concat()].concat()
    })
}

proptest! {
    #[test]
    fn damaged_messages_are_judged(mut message in well_formed(), damages in vec(damage(), 0..4)) {
        for damage in damages {
            apply(&mut message, damage);
        }
        judge(&message);
    }
}
