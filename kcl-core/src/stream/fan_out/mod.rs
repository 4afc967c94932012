//! Enhanced fan-out: the service pushes a shard's records to a registered consumer, 2 MB a second for each consumer, whoever
//! else reads the stream.
//!
//! The [`Registration`] finds or makes the consumer, once for a worker; a [`FanOutSource`] keeps one shard subscribed.
//! Nothing here may leave a subscription open without reading from it, but for a moment: unread ones hold up others.

mod last_read;
mod registration;
mod settings;
mod source;
mod subscribe_schedule;

pub(crate) use registration::Registration;
pub use settings::{FanOutConsumer, FanOutSettings};
pub(super) use source::FanOutSource;
