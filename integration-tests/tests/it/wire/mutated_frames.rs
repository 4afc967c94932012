//! Whatever happens to the bytes of a stream, what is delivered is a beginning of what was sent.

use std::io;
use std::ops::Range;

use aws_config::Region;
use aws_sdk_kinesis::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use integration_tests::wire::{event, initial_response};
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::model::{ShardId, ShardKey, StreamId};
use kcl_core::stream::{IteratorPosition, Kinesis};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::backend::dummy_credentials;

const CONSUMER: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/billing:1700000000";

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

/// A network that answers every request with this body, in pieces of these lengths, and ends with an error if it must.
#[derive(Debug, Clone)]
struct Network {
    body: Vec<u8>,
    pieces: Vec<usize>,
    breaks: bool,
}

impl HttpConnector for Network {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let (mut rest, mut chunks) = (&self.body[..], Vec::new());
        let mut pieces = self.pieces.iter().cycle();
        while !rest.is_empty() {
            let length = pieces.next().map_or(rest.len(), |piece| *piece).clamp(1, rest.len());
            let (piece, more) = rest.split_at(length);
            chunks.push(Ok(Frame::data(Bytes::copy_from_slice(piece))));
            rest = more;
        }
        if self.breaks {
            chunks.push(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        }
        let body = SdkBody::from_body_1_x(StreamBody::new(stream::iter(chunks)));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body)))
    }
}

impl HttpClient for Network {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The numbers that a subscription over this network delivers, in order, and whether it ended in good order.
async fn delivered(network: Network) -> (Vec<usize>, bool) {
    let config = aws_sdk_kinesis::config::Builder::new()
        .region(Region::new("eu-west-1"))
        .credentials_provider(dummy_credentials())
        .http_client(network);
    let kinesis = AwsKinesis::new(kinesis_client(config));
    let shard = ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000000"));
    let consumer = CONSUMER.parse().unwrap();
    let opened = kinesis.subscribe_to_shard(&consumer, &shard, &IteratorPosition::TrimHorizon).await;
    let Ok(mut subscription) = opened else {
        return (Vec::new(), false);
    };
    let mut numbers = Vec::new();
    let in_order = loop {
        match subscription.next_event().await {
            Ok(Some(event)) => numbers.extend(
                event
                    .records
                    .iter()
                    .map(|record| record.position.sequence_number.as_str().parse::<usize>().unwrap() - 1),
            ),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    for _ in 0..3 {
        assert!(matches!(subscription.next_event().await, Ok(None)), "it went on after its end");
    }
    (numbers, in_order)
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
        let Some(body) = sent.mutated(&mutation) else {
            return Ok(());
        };
        let breaks = matches!(mutation, Mutation::Reset);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (numbers, in_order) = runtime.block_on(delivered(Network { body, pieces, breaks }));
        let all: Vec<usize> = (0..records_of_events.iter().sum()).collect();
        prop_assert!(all.starts_with(&numbers), "{:?} of {} records", numbers, all.len());
        match mutation {
            Mutation::None => prop_assert!(in_order && numbers == all),
            Mutation::Reset => prop_assert!(!in_order && numbers == all),
            // Bytes that end between two frames look like an end in good order, and the reader goes on from there.
            Mutation::CutAt(_) => {}
            _ => prop_assert!(!in_order, "nobody noticed"),
        }
    }
}
