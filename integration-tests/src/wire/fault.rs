use std::time::Duration;

use serde_json::Value;

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct WireCall<'a> {
    /// The operation, such as `GetRecords`.
    pub operation: &'a str,
    /// Its arguments.
    pub arguments: &'a Value,
    /// How many requests for this operation came before.
    pub nth: usize,
}

/// What happens to a request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    /// Nothing: it is carried out and answered.
    None,
    /// It is not carried out, and answered with this HTTP status and code of the service.
    Refuse(u16, &'static str),
    /// It is not carried out, and never answered.
    Hang,
    /// It is not carried out, and its connection is closed with all that it carries.
    DropConnection,
    /// It is carried out, and the first frame of its event stream comes this much later than the head of the answer.
    LateStream(Duration),
    /// It is carried out, and its event stream has this fault at the event with this number, counted from 0.
    AtEvent(usize, StreamFault),
}

/// What happens to an event of a stream, at the moment when it would be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// The body ends in good order in the middle of its frame.
    CutMidFrame,
    /// A bit of it is flipped. What follows arrives whole.
    CorruptFrame,
    /// An exception of this type comes in its place, and the stream ends.
    ErrorEvent(&'static str),
    /// It comes twice.
    DuplicateEvent,
    /// An event of a type that no client knows comes before it.
    UnknownEvent,
    /// It never comes, and nothing else does: the stream stays open.
    Silence,
    /// The stream breaks off in its place, by a reset of the stream over HTTP/2 and of the connection over HTTP/1.1.
    Reset,
    /// The connection closes in its place, with all that it carries.
    DropConnection,
    /// The server says before it that the connection takes no further requests (GOAWAY over HTTP/2).
    GoAway,
    /// The stream ends in good order in its place.
    End,
}
