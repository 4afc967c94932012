//! No subscription holds up another, or a call; and a connection for each costs no more than itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::{self, ProvideCredentials};
use aws_sdk_kinesis::config::Credentials;
use bytes::Bytes;
use integration_tests::wire::Transport;
use kcl_core::aws::{AwsKinesis, kinesis_client};
use kcl_core::model::ShardKey;
use kcl_core::stream::{IteratorPosition, Kinesis, Subscription};

use super::world::{Wire, quick, subscribe, take};
use crate::backend::{dummy_credentials, until};

const UNREAD: usize = 8;

/// What each unread subscription has taken in before it is full: several such would fill a connection, whose window is
/// 5 MiB in all.
const UNREAD_BYTES: usize = 3 * 512 * 1024;

const RECORD_BYTES: usize = 512 * 1024;

const LIVE_EVENTS: usize = 40;

/// Fills as many subscriptions as would stall a connection that they share, and reads none of them. Then everything else
/// must go on as if they were not there.
pub(crate) async fn unread_subscriptions_hold_up_nothing_else(wire: &Wire, kinesis: &AwsKinesis) {
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        let shard = wire.one_shard();
        for _ in 0..10 {
            wire.put_data(&shard.stream, Bytes::from(vec![0; RECORD_BYTES]));
        }
        let consumer = wire.consumer(&shard.stream).await;
        unread.push(subscribe(kinesis, &consumer, &shard).await.unwrap());
    }
    let filled = || async { wire.front.counts().streamed_bytes >= UNREAD * UNREAD_BYTES };
    until("the unread subscriptions are full", filled).await;

    let (shard, mut live) = live_subscription(wire, kinesis).await;
    for number in 0..LIVE_EVENTS {
        wire.put(&shard.stream, number..number + 1);
        assert_eq!(take(&mut *live, 1).await, [number.to_string()]);
    }
    kinesis.get_shard_iterator(&shard, &IteratorPosition::Latest).await.unwrap();
    live_subscription(wire, kinesis).await;
}

async fn live_subscription(wire: &Wire, kinesis: &AwsKinesis) -> (ShardKey, Box<dyn Subscription>) {
    let shard = wire.one_shard();
    let consumer = wire.consumer(&shard.stream).await;
    let live = subscribe(kinesis, &consumer, &shard).await.unwrap();
    (shard, live)
}

#[tokio::test]
async fn unread_subscriptions_hold_up_nothing_over_http_2() {
    let wire = Wire::with(quick(), Transport::Tls).await;
    unread_subscriptions_hold_up_nothing_else(&wire, &wire.kinesis()).await;
}

#[tokio::test]
async fn unread_subscriptions_hold_up_nothing_over_http_1() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    unread_subscriptions_hold_up_nothing_else(&wire, &wire.kinesis()).await;
}

#[tokio::test]
async fn a_subscription_that_is_dropped_closes_its_connection() {
    let wire = Wire::with(quick(), Transport::Tls).await;
    let kinesis = wire.kinesis();
    let (_, one) = live_subscription(&wire, &kinesis).await;
    let before = wire.front.counts().open_connections;
    let (_, other) = live_subscription(&wire, &kinesis).await;
    drop(other);
    let closed = || async {
        let counts = wire.front.counts();
        counts.open_streams == 1 && counts.open_connections <= before
    };
    until("the other connection is closed", closed).await;
    drop(one);
}

/// Else a worker with a thousand shards would ask for its role's credentials a thousand times.
#[tokio::test]
async fn all_subscriptions_share_their_credentials() {
    let wire = Wire::with(quick(), Transport::Plain).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let config = wire.config().credentials_provider(Counted(Arc::clone(&asked)));
    let kinesis = AwsKinesis::new(kinesis_client(config));
    for _ in 0..5 {
        live_subscription(&wire, &kinesis).await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

/// A user's HTTP client may be there for a proxy, so it carries everything unless the user says how to make another.
#[tokio::test]
async fn an_http_client_of_the_user_carries_its_subscriptions() {
    let wire = Wire::with(quick(), Transport::Tls).await;
    let config = wire.config().http_client(wire.http_client());
    let kinesis = AwsKinesis::new(kinesis_client(config));
    let (shard, mut live) = live_subscription(&wire, &kinesis).await;
    wire.put(&shard.stream, 0..1);
    assert_eq!(take(&mut *live, 1).await, ["0"]);
}

/// Credentials that count how often they are asked for.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl ProvideCredentials for Counted {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::Relaxed);
        let credentials: Credentials = dummy_credentials();
        provider::future::ProvideCredentials::ready(Ok(credentials))
    }
}
