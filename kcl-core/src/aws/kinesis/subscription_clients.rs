//! Who carries a subscription: a client of its own, so that no reader can hold up another.
//!
//! The events of one SDK client share one HTTP/2 connection, whose window is 5 MiB, and each stream may fill 2 MiB of
//! it. Three subscriptions that are not read for a while fill it, and then no other subscription of the client gets an
//! event, and no call of it an answer (docs/adr/0012).

use std::fmt;
use std::sync::Arc;

use aws_sdk_kinesis::config::SharedHttpClient;
use aws_sdk_kinesis::{Client, Config};

/// Gives each subscription its client.
#[derive(Clone)]
pub(super) enum SubscriptionClients {
    /// A connection of its own for each, from the SDK's default HTTP client.
    Default(Config),
    /// A connection of its own for each, from an HTTP client that this makes.
    Made(Config, Arc<MakeHttpClient>),
    /// The client of all other calls: its HTTP client is the user's, of which we cannot make another.
    Shared(Client),
}

pub(super) type MakeHttpClient = dyn Fn() -> SharedHttpClient + Send + Sync;

impl SubscriptionClients {
    pub(super) fn of(client: &Client) -> Self {
        match client.config().http_client() {
            None => Self::Default(client.config().clone()),
            Some(_) => Self::Shared(client.clone()),
        }
    }

    /// A client for one subscription, which may drop it as soon as its stream is open.
    pub(super) fn client(&self) -> Client {
        match self {
            Self::Default(config) => Client::from_conf(config.clone()),
            Self::Made(config, make) => Client::from_conf(config.to_builder().http_client(make()).build()),
            Self::Shared(client) => client.clone(),
        }
    }
}

impl fmt::Debug for SubscriptionClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default(_) => "Default",
            Self::Made(..) => "Made",
            Self::Shared(_) => "Shared",
        })
    }
}
