//! Letters of real workers, and their way back, in virtual time.

mod again;
mod round_trip;
mod shards;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kcl_core::WorkerSettings;
use kcl_core::model::{Record, RecordPosition, ShardId, ShardKey, StreamId, Timestamp, WorkerId};
use kcl_core::processor::{
    FailedBatch, FailureCondition, FailurePolicy, OnFailureDestination, ProcessorFactory, WhenExhausted,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::letters::Letters;
use super::outcome::Outcome;
use super::reading;
use super::rejects::{Rejects, ToRejects};
use super::session::Session;

/// A folder for a test, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kcl-redrive-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of these batches.
    fn file(&self, name: &str, batches: &[FailedBatch]) -> PathBuf {
        let lines: Vec<String> = batches.iter().map(|batch| batch.to_json().unwrap() + "\n").collect();
        fs::write(self.path(name), lines.concat()).unwrap();
        self.path(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn stream() -> StreamId {
    StreamId::named("orders").unwrap()
}

fn position(number: u64, sub_sequence_number: u64) -> RecordPosition {
    RecordPosition { sequence_number: number.to_string().parse().unwrap(), sub_sequence_number }
}

fn record(number: u64, sub_sequence_number: u64) -> Record {
    Record {
        position: position(number, sub_sequence_number),
        partition_key: format!("key {}", number % 3).into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::from_millis(i64::try_from(number).unwrap()),
        data: Bytes::from(format!("{number}/{sub_sequence_number}")),
    }
}

fn batch(shard: &str, records: Vec<Record>) -> FailedBatch {
    FailedBatch {
        shard: ShardKey::new(stream(), ShardId::new(shard)),
        parents: Vec::new(),
        stream_arn: None,
        worker: WorkerId::new("ada").unwrap(),
        fencing_token: 41,
        records,
        condition: FailureCondition::RetryAttemptsExhausted,
        attempts: 3,
        error: Some("no".to_owned()),
        first_failed_at: None,
        given_up_at: Timestamp::from_millis(9),
    }
}

async fn read(path: &Path) -> Letters {
    reading::read(path, &CancellationToken::new()).await.unwrap().unwrap()
}

/// Two tries for each record.
fn settings(when_exhausted: WhenExhausted) -> WorkerSettings {
    let failure_policy =
        FailurePolicy { maximum_retry_attempts: Some(1), when_exhausted, ..FailurePolicy::default() };
    WorkerSettings { failure_policy, ..WorkerSettings::new(stream(), WorkerId::new("eve").unwrap()) }
}

fn session<D: OnFailureDestination>(
    letters: Letters,
    settings: WorkerSettings,
    destination: Option<D>,
) -> Session<D> {
    Session { letters: Arc::new(letters), settings, destination, clock: Timestamp::default }
}

/// Puts a file through processors, with the first record that fails as the end.
async fn redrive(path: &Path, processors: impl ProcessorFactory) -> Outcome {
    let letters = read(path).await;
    let session = session::<ToRejects>(letters, settings(WhenExhausted::StopWorker), None);
    ended(session.run(processors, CancellationToken::new())).await
}

/// The outcome of a session, of which every one here is done in a day.
async fn ended(session: impl Future<Output = Outcome>) -> Outcome {
    timeout(Duration::from_hours(24), session).await.unwrap()
}

/// Everything that processors were given, by shard and in order.
#[derive(Debug, Clone, Default)]
struct Delivered(Arc<Mutex<BTreeMap<ShardId, Vec<Record>>>>);

impl Delivered {
    fn note(&self, shard: &ShardKey, record: &Record) {
        self.0.lock().unwrap().entry(shard.shard_id.clone()).or_default().push(record.clone());
    }

    fn records(&self) -> BTreeMap<ShardId, Vec<Record>> {
        self.0.lock().unwrap().clone()
    }
}

fn positions(batches: &[FailedBatch]) -> BTreeSet<(ShardId, RecordPosition)> {
    let of = |batch: &FailedBatch| {
        let shard = batch.shard.shard_id.clone();
        batch.records.iter().map(move |record| (shard.clone(), record.position.clone())).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}
