//! The promises of [`Kinesis`], one named case each.
//!
//! A case makes the streams that it needs through its [`KinesisFixture`], so one service may serve all cases. It waits
//! at most some seconds for what must come, and some milliseconds where two records must differ in time. A case about
//! what minutes or hours bring lets its fixture pass them, and fails at once where that is not possible: such a service
//! lists it as a departure.

mod consumers;
mod expiry;
mod fan_out_limits;
mod filters;
mod limits;
mod listing;
mod pages;
mod positions;
mod reading;
mod refusals;
mod reshard;
mod retention;
mod shard_reader;
mod subscriber;
mod subscription_ends;
mod subscription_life;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::conformance::{Case, CaseResult, check, check_eq, fail};
use crate::error::{ErrorKind, Result};
use crate::model::{Record, SequenceNumber, Shard, ShardId, ShardKey, StreamId};
use crate::stream::{Kinesis, list_all_shards};

/// How often a throttled call is made again: with the pause, for two seconds, longer than a second's quota lasts.
const THROTTLED_CALLS_MAX: usize = 20;

const THROTTLED_PAUSE: Duration = Duration::from_millis(100);

/// What a case needs beside the port: a producer and an operator.
///
/// # To ensure correctness
/// Each method returns when its effect can be seen through the port, with the stream ready for the next one.
#[async_trait]
pub trait KinesisFixture: Send + Sync {
    /// The implementation under test.
    fn kinesis(&self) -> Arc<dyn Kinesis>;

    /// Creates a stream with a name of its own and evenly divided hash ranges.
    async fn create_stream(&self, shard_count: usize) -> Result<StreamId>;

    /// Puts a record; says which shard took it, and its number there. Fails as the service does: cases put what it refuses.
    async fn put(
        &self,
        stream: &StreamId,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: Bytes,
    ) -> Result<(ShardId, SequenceNumber)>;

    /// Splits a shard in two, the second from `new_starting_hash_key` on.
    async fn split(&self, stream: &StreamId, shard: &ShardId, new_starting_hash_key: u128) -> Result<()>;

    /// Merges two adjacent shards, the one with the lower hash keys first.
    async fn merge(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Result<()>;

    /// The longest time that [`pass`](Self::pass) lets go by. Cases that need more fail, and say so.
    ///
    /// Default: two seconds, for a service whose time goes by as it does. On virtual time, [`Duration::MAX`].
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Lets time go by, for the service as for the case. Default: sleeps on Tokio's clock.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// How many shards one page of a listing holds. Default: `None`, if no stream of more shards than that can be made.
    fn shards_per_page(&self) -> Option<usize> {
        None
    }
}

/// Every case, for [`run_suite`](super::run_suite).
pub fn cases() -> Vec<Case<dyn KinesisFixture>> {
    [
        listing::cases(),
        filters::cases(),
        pages::cases(),
        positions::cases(),
        reading::cases(),
        reshard::cases(),
        refusals::cases(),
        consumers::cases(),
        subscriptions::cases(),
        subscription_life::cases(),
        subscription_ends::cases(),
        limits::cases(),
        fan_out_limits::cases(),
        expiry::cases(),
        retention::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a case runs on.
type Fixture = Arc<dyn KinesisFixture>;

/// Fails unless the fixture can let so much time go by.
fn needs(fixture: &Fixture, time: Duration) -> CaseResult {
    let patience = fixture.patience();
    check(time <= patience, || {
        format!("this case needs {time:?} to go by, and its fixture lets {patience:?} go by at most")
    })
}

/// Makes a call again until no limit refuses it: for cases that are about something else.
async fn unthrottled<T, C>(call: impl Fn() -> C) -> Result<T>
where
    C: Future<Output = Result<T>>,
{
    for _ in 0..THROTTLED_CALLS_MAX {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Throttled => tokio::time::sleep(THROTTLED_PAUSE).await,
            outcome => return outcome,
        }
    }
    call().await
}

async fn shards(fixture: &Fixture, stream: &StreamId) -> CaseResult<Vec<Shard>> {
    Ok(list_all_shards(&*fixture.kinesis(), stream).await?)
}

/// A new stream of one shard.
async fn one_shard(fixture: &Fixture) -> CaseResult<ShardKey> {
    let stream = fixture.create_stream(1).await?;
    match &shards(fixture, &stream).await?[..] {
        [only] => Ok(ShardKey::new(stream, only.shard_id.clone())),
        others => fail(format!("a stream of one shard lists {others:?}")),
    }
}

/// Puts one record for each label, in this order, into the shard that takes `hash_key`.
async fn put_at(
    fixture: &Fixture,
    stream: &StreamId,
    hash_key: u128,
    labels: &[&str],
) -> CaseResult<Vec<SequenceNumber>> {
    let mut sequence_numbers = Vec::new();
    for label in labels {
        let data = Bytes::copy_from_slice(label.as_bytes());
        let (_, number) = fixture.put(stream, "key", Some(hash_key), data).await?;
        sequence_numbers.push(number);
    }
    Ok(sequence_numbers)
}

/// Puts one record for each label into a stream of one shard.
async fn put(fixture: &Fixture, shard: &ShardKey, labels: &[&str]) -> CaseResult<Vec<SequenceNumber>> {
    put_at(fixture, &shard.stream, 0, labels).await
}

/// The records must be those that were put with these labels.
fn check_labels<L: AsRef<str>>(records: &[Record], expected: &[L]) -> CaseResult {
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    let labels = labels(records);
    check_eq("the records", &labels.iter().map(String::as_str).collect(), &expected)
}

fn labels(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}
