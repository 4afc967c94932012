//! The frames of an event stream (Kinesis API reference, `SubscribeToShard`; the Amazon event stream encoding).

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

/// The frame that opens a stream.
pub fn initial_response() -> Bytes {
    event("initial-response", "{}".to_owned())
}

/// An event with a JSON body.
pub fn event(event_type: &str, body: String) -> Bytes {
    frame("event", ":event-type", event_type, body)
}

/// The event that ends a stream with an exception of the service.
pub fn error_event(exception_type: &str, message: &str) -> Bytes {
    let body: Value = json!({ "message": message });
    frame("exception", ":exception-type", exception_type, body.to_string())
}

/// The same frame with one bit of its body flipped, so that its checksum is wrong.
pub(super) fn corrupted(frame: &Bytes) -> Bytes {
    /// The last bytes of a frame are the checksum of the others (Amazon event stream encoding).
    const CHECKSUM_BYTES: usize = 4;
    let mut bytes = frame.to_vec();
    if let Some(byte) = bytes.iter_mut().nth_back(CHECKSUM_BYTES) {
        *byte ^= 1;
    }
    bytes.into()
}

fn frame(message_type: &str, type_header: &'static str, type_name: &str, body: String) -> Bytes {
    let header =
        |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let message = Message::new(body)
        .add_header(header(":message-type", message_type))
        .add_header(header(type_header, type_name))
        .add_header(header(":content-type", "application/json"));
    let mut bytes = BytesMut::new();
    write_message_to(&message, &mut bytes).expect("a frame of a few short headers has no limit to break");
    bytes.freeze()
}
