//! A Kinesis over real sockets: the JSON protocol and the event stream of the service in front of an in-memory Kinesis.
//!
//! For what no emulator shows: the service's rules behind the SDK, on HTTP/1.1 and HTTP/2, and every way in which a
//! network or a service breaks a stream, at the moment that a test chooses. It must never repair, repeat or reorder what
//! the in-memory Kinesis says, nor fail unless it was told to.

mod answer;
mod certificate;
mod connection;
mod counts;
mod event_body;
mod fault;
mod frame;
mod front;
mod operations;
mod request;

pub use counts::WireCounts;
pub use fault::{StreamFault, WireCall, WireFault};
pub use frame::{error_event, event, initial_response};
pub use front::{Transport, WireFront};
