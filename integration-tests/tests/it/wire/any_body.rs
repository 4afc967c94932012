//! What must be true of the body of a subscription, whatever its bytes: for the fuzzer, and for tests of its corpus.
//!
//! A body is a row of frames, each with two checksums. What is delivered must be what each frame says when it comes alone,
//! up to the first frame that is not sound or not understood, and nothing after it.

use std::cell::LazyCell;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::config::{Credentials, Region, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::model::{ShardId, ShardKey, StreamId};
use kcl_core::stream::{IteratorPosition, Kinesis, SubscriptionEvent};
use tokio::runtime::Runtime;

const CONSUMER: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/billing:1700000000";

/// The lengths of the frame and of its headers, and their checksum (Amazon event stream encoding).
const PRELUDE_BYTES: usize = 12;

/// The last bytes of a frame are the checksum of the others.
const CHECKSUM_BYTES: usize = 4;

/// Lengths of the pieces in which a body arrives a second time: within a prelude, a header, and a frame.
const PIECES: [usize; 4] = [1, 7, 64, 300];

thread_local! {
    /// One for all bodies, since a client takes longer to make than a body to read.
    static READER: LazyCell<Reader> = LazyCell::new(Reader::new);
}

/// Panics unless what arrives of these bytes, and of the same with right checksums, is what they say.
pub(crate) fn judge(bytes: &[u8]) {
    READER.with(|reader| {
        judge_body(reader, bytes);
        judge_body(reader, &sealed(bytes));
    });
}

fn judge_body(reader: &Reader, body: &[u8]) {
    let frames = sound_frames(body);
    let (mut expected, mut is_understood) = (Vec::new(), true);
    for (index, frame) in frames.iter().enumerate() {
        // The first frame of a body is read by the call itself.
        let first = if index == 0 { &[] } else { frames[0] };
        let (events, in_order) = reader.deliver(&Body::whole([first, frame].concat()));
        // What the first frame says is said by now.
        let before = if index == 0 { 0 } else { reader.deliver(&Body::whole(first.to_vec())).0.len() };
        expected.extend(texts(&events[before..]));
        is_understood = in_order;
        if !in_order {
            break;
        }
    }
    for pieces in [vec![body.len()], PIECES.to_vec()] {
        let (events, in_order) = reader.deliver(&Body { bytes: body.to_vec(), pieces, breaks: false });
        assert_eq!(texts(&events), expected, "of {} sound frames", frames.len());
        assert!(is_understood || !in_order, "nobody noticed");
    }
}

fn texts(events: &[SubscriptionEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

/// The frames up to the first whose lengths or checksums are wrong.
fn sound_frames(body: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut frames) = (body, Vec::new());
    while let Some(length) = frame_length(rest) {
        let (frame, more) = rest.split_at(length);
        let end = length - CHECKSUM_BYTES;
        if number(&frame[8..]) != checksum(&frame[..8]) || number(&frame[end..]) != checksum(&frame[..end]) {
            break;
        }
        frames.push(frame);
        rest = more;
    }
    frames
}

/// The same frames with the checksums that they should have.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let (mut body, mut start) = (bytes.to_vec(), 0);
    while let Some(length) = frame_length(&body[start..]) {
        let frame = &mut body[start..start + length];
        let prelude = checksum(&frame[..8]);
        frame[8..PRELUDE_BYTES].copy_from_slice(&prelude.to_be_bytes());
        let end = length - CHECKSUM_BYTES;
        let message = checksum(&frame[..end]);
        frame[end..].copy_from_slice(&message.to_be_bytes());
        start += length;
    }
    body
}

/// The length of the frame that these bytes begin with, if it is all there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(number(bytes.get(..PRELUDE_BYTES)?)).ok()?;
    (PRELUDE_BYTES + CHECKSUM_BYTES..=bytes.len()).contains(&length).then_some(length)
}

fn number(bytes: &[u8]) -> u32 {
    bytes[..4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// CRC-32 as in gzip, bit by bit: not the SDK's.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

/// What the network answers, in pieces of these lengths, with an error at its end if it must.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: Vec<usize>,
    pub(crate) breaks: bool,
}

impl Body {
    fn whole(bytes: Vec<u8>) -> Self {
        Self { pieces: vec![bytes.len()], bytes, breaks: false }
    }
}

/// A subscriber to a network without sockets.
#[derive(Debug)]
pub(crate) struct Reader {
    runtime: Runtime,
    network: Network,
    kinesis: AwsKinesis,
    shard: ShardKey,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let network = Network::default();
        let config = aws_sdk_kinesis::config::Builder::new()
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "fuzzing"))
            .http_client(network.clone());
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            network,
            kinesis: AwsKinesis::new(kinesis_client(config)),
            shard: ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000000")),
        }
    }

    /// What a subscription to this body delivers, and whether it ended in good order.
    pub(crate) fn deliver(&self, body: &Body) -> (Vec<SubscriptionEvent>, bool) {
        *self.network.body.lock().unwrap_or_else(PoisonError::into_inner) = body.clone();
        self.runtime.block_on(self.events())
    }

    async fn events(&self) -> (Vec<SubscriptionEvent>, bool) {
        let consumer = CONSUMER.parse().unwrap();
        let opened =
            self.kinesis.subscribe_to_shard(&consumer, &self.shard, &IteratorPosition::TrimHorizon).await;
        let Ok(mut subscription) = opened else {
            return (Vec::new(), false);
        };
        let mut events = Vec::new();
        let in_order = loop {
            match subscription.next_event().await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        for _ in 0..3 {
            assert!(matches!(subscription.next_event().await, Ok(None)), "it went on after its end");
        }
        (events, in_order)
    }
}

/// A network that answers every request with the same body.
#[derive(Debug, Clone, Default)]
struct Network {
    body: Arc<Mutex<Body>>,
}

impl HttpConnector for Network {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut rest, mut chunks) = (&body.bytes[..], Vec::new());
        let mut pieces = body.pieces.iter().cycle();
        while !rest.is_empty() {
            let length = pieces.next().map_or(rest.len(), |piece| *piece).clamp(1, rest.len());
            let (piece, more) = rest.split_at(length);
            chunks.push(Ok(Frame::data(Bytes::copy_from_slice(piece))));
            rest = more;
        }
        if body.breaks {
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
