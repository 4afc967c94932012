//! Whatever happens to the bytes of a stream, what is delivered is a beginning of what was sent.

use std::fs;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use integration_tests::wire::{event, initial_response};
use proptest::prelude::*;
use proptest::sample::Index;

use super::any_body::{Body, Reader, judge};

/// What happens to the bytes of a body.
#[derive(Debug, Clone)]
enum Mutation {
    None,
    FlipBit(Index),
    CutAt(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
    /// All bytes arrive, and then the connection breaks.
    Reset,
}

/// The frames of a stream.
#[derive(Debug)]
struct Sent {
    frames: Vec<Bytes>,
}

impl Sent {
    /// An event for each entry, with so many records; all records are numbered.
    fn new(records_of_events: &[usize]) -> Self {
        let mut frames = vec![initial_response()];
        let mut number = 0;
        for records in records_of_events {
            let range = number..number + records;
            frames.push(event("SubscribeToShardEvent", body(range)));
            number += records;
        }
        Self { frames }
    }

    /// True if a frame begins or the last one ends here: bytes between two such places are whole frames, whose absence or
    /// repetition no checksum tells.
    fn is_boundary(&self, place: usize) -> bool {
        let mut end = 0;
        let mut ends = self.frames.iter().map(|frame| {
            end += frame.len();
            end
        });
        place == 0 || ends.any(|end| end == place)
    }

    fn mutated(&self, mutation: &Mutation) -> Option<Vec<u8>> {
        let mut bytes = self.frames.concat();
        let len = bytes.len();
        match mutation {
            Mutation::None | Mutation::Reset => {}
            Mutation::FlipBit(bit) => {
                let bit = bit.index(len * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            Mutation::CutAt(place) => bytes.truncate(place.index(len)),
            Mutation::Remove(place, count) => {
                let range = self.torn(place.index(len), *count, len)?;
                bytes.drain(range);
            }
            Mutation::Repeat(place, count) => {
                let range = self.torn(place.index(len), *count, len)?;
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Mutation::Insert(place, new) => {
                let place = place.index(len);
                bytes.splice(place..place, new.iter().copied());
            }
        }
        Some(bytes)
    }

    /// A range that does not consist of whole frames.
    fn torn(&self, start: usize, count: usize, len: usize) -> Option<Range<usize>> {
        let end = (start + count).min(len);
        (!(self.is_boundary(start) && self.is_boundary(end))).then_some(start..end)
    }
}

fn body(numbers: Range<usize>) -> String {
    let record = |number| {
        format!(
            r#"{{"SequenceNumber":"{number}","ApproximateArrivalTimestamp":1.7e9,"PartitionKey":"k","Data":"AAAA"}}"#
        )
    };
    let continuation = numbers.end + 1;
    let records: Vec<String> = numbers.map(|number| record(number + 1)).collect();
    format!(
        r#"{{"Records":[{}],"ContinuationSequenceNumber":"{continuation}","MillisBehindLatest":0}}"#,
        records.join(",")
    )
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::None),
        any::<Index>().prop_map(Mutation::FlipBit),
        any::<Index>().prop_map(Mutation::CutAt),
        (any::<Index>(), 1..200_usize).prop_map(|(place, count)| Mutation::Remove(place, count)),
        (any::<Index>(), 1..200_usize).prop_map(|(place, count)| Mutation::Repeat(place, count)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(place, bytes)| Mutation::Insert(place, bytes)),
        Just(Mutation::Reset),
    ]
}

proptest! {
    #[test]
    fn what_is_delivered_is_a_beginning_of_what_was_sent(
        records_of_events in prop::collection::vec(0..4_usize, 0..6),
        mutation in mutation(),
        pieces in prop::collection::vec(1..300_usize, 1..5),
    ) {
        let sent = Sent::new(&records_of_events);
        let Some(bytes) = sent.mutated(&mutation) else {
            return Ok(());
        };
        let breaks = matches!(mutation, Mutation::Reset);
        let (events, in_order) = Reader::new().deliver(&Body { bytes, pieces, breaks });
        let records = events.iter().flat_map(|event| &event.records);
        let numbers: Vec<usize> = records
            .map(|record| record.position.sequence_number.as_str().parse::<usize>().unwrap() - 1)
            .collect();
        let all: Vec<usize> = (0..records_of_events.iter().sum()).collect();
        prop_assert!(all.starts_with(&numbers), "{:?} of {} records", numbers, all.len());
        match mutation {
            Mutation::None => prop_assert!(in_order && numbers == all),
            Mutation::Reset => prop_assert!(!in_order && numbers == all),
            Mutation::FlipBit(_) => prop_assert!(!in_order, "nobody noticed"),
            // A body that ends between two frames looks as if it ended in good order, and to the SDK so does one that ends
            // 12 bytes into a frame. The reader goes on from there.
            _ => {}
        }
    }
}

/// What the fuzzer starts from.
#[test]
fn the_corpus_of_the_fuzzer_is_delivered_as_it_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kcl-core/fuzz/corpus/event_streams");
    let mut judged = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        judge(&fs::read(entry.unwrap().path()).unwrap());
        judged += 1;
    }
    assert!(judged > 20, "only {judged} files");
}

/// The corpus must show the reader more than errors.
#[test]
fn a_body_of_the_corpus_delivers_its_events() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kcl-core/fuzz/corpus/event_streams");
    let bytes = fs::read(corpus.join("whole")).unwrap();
    let (events, in_order) = Reader::new().deliver(&Body { pieces: vec![bytes.len()], bytes, breaks: false });
    assert_eq!((events.len(), in_order), (3, true));
    assert!(events[2].is_shard_end);
}
