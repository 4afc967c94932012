use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;
use crate::model::{Record, RecordPosition, ShardId, ShardKey, StreamId, Timestamp, WorkerId};
use crate::processor::{FailureCondition, SpillToFile};

/// A directory that does not exist yet, and is gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let root = std::env::temp_dir().join(format!("kcl-json-lines-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        Self(root)
    }

    fn directory(&self) -> PathBuf {
        self.0.join("failed").join("records")
    }

    fn destination(&self) -> JsonLinesFile {
        JsonLinesFile::new(self.directory())
    }

    /// The names of the files, oldest first.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory().join(name)).unwrap()
    }

    fn batches(&self) -> Vec<FailedBatch> {
        let texts = self.names().into_iter().map(|name| self.text(&name));
        texts.flat_map(|text| text.lines().map(|line| read(line).unwrap()).collect::<Vec<_>>()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(line: &str) -> Result<FailedBatch> {
    FailedBatch::from_json(line.as_bytes())
}

fn record(number: usize) -> Record {
    Record {
        position: RecordPosition {
            sequence_number: number.to_string().parse().unwrap(),
            sub_sequence_number: 0,
        },
        partition_key: "key".into(),
        explicit_hash_key: None,
        approximate_arrival: Timestamp::from_millis(1_000),
        data: Bytes::from_static(b"data"),
    }
}

fn batch(number: usize) -> FailedBatch {
    FailedBatch {
        shard: ShardKey::new(StreamId::named("orders").unwrap(), ShardId::new("shardId-000000000002")),
        parents: Vec::new(),
        stream_arn: None,
        worker: WorkerId::new("host/1.example").unwrap(),
        fencing_token: 1,
        records: vec![record(number)],
        condition: FailureCondition::RetryAttemptsExhausted,
        attempts: 1,
        error: None,
        first_failed_at: None,
        given_up_at: Timestamp::from_millis(1_700_000_000_000),
    }
}

async fn send(destination: &JsonLinesFile, number: usize) {
    assert_eq!(destination.send(&batch(number)).await.unwrap(), Sent::Taken);
}

#[tokio::test]
async fn batches_are_lines_in_a_file_named_by_worker_and_time() {
    let place = Place::new("lines");
    for number in 1..=2 {
        send(&place.destination(), number).await;
    }
    assert_eq!(place.names(), ["host_1_example.1700000000000.jsonl"]);
    assert_eq!(place.batches(), [batch(1), batch(2)]);
    assert!(place.text(&place.names()[0]).ends_with("}\n"));
}

/// The data of users is nobody else's business.
#[cfg(unix)]
#[tokio::test]
async fn files_and_directories_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new("private");
    send(&place.destination(), 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.directory().join(&place.names()[0])), 0o600);
    assert_eq!(mode(&place.directory()), 0o700);
}

#[tokio::test]
async fn a_full_file_is_followed_by_another_and_kept() {
    let line = batch(1).to_json().unwrap().len() as u64 + 1;
    // Room for two lines to the byte, and for three but for a byte.
    for bytes in [2 * line, 3 * line - 1] {
        let place = Place::new(&format!("rotation-{bytes}"));
        let destination = place.destination().with_file_bytes_max(bytes);
        for number in 1..=5 {
            send(&destination, number).await;
        }
        let expected = [1_700_000_000_000_u64, 1_700_000_000_001, 1_700_000_000_002]
            .map(|number| format!("host_1_example.{number}.jsonl"));
        assert_eq!(place.names(), expected);
        let lines: Vec<usize> = place.names().iter().map(|name| place.text(name).lines().count()).collect();
        assert_eq!(lines, [2, 2, 1]);
        assert_eq!(place.batches(), [1, 2, 3, 4, 5].map(batch));
    }
}

#[tokio::test]
async fn a_line_larger_than_a_file_has_one_of_its_own() {
    let place = Place::new("large");
    let destination = place.destination().with_file_bytes_max(1);
    for number in 1..=2 {
        send(&destination, number).await;
    }
    assert_eq!(place.names().len(), 2);
    assert_eq!(place.batches(), [batch(1), batch(2)]);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_off_spoils_no_other() {
    let place = Place::new("torn");
    send(&place.destination(), 1).await;
    let path = place.directory().join(&place.names()[0]);
    let torn = batch(2).to_json().unwrap();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&torn.as_bytes()[..100]).unwrap();
    drop(file);
    for number in 2..=3 {
        send(&place.destination(), number).await;
    }
    let text = place.text(&place.names()[0]);
    let lines: Vec<Option<FailedBatch>> = text.lines().map(|line| read(line).ok()).collect();
    assert_eq!(lines, [Some(batch(1)), None, Some(batch(2)), Some(batch(3))]);
}

#[tokio::test]
async fn a_file_may_be_moved_away() {
    let place = Place::new("moved");
    let destination = place.destination();
    send(&destination, 1).await;
    fs::rename(place.directory().join(&place.names()[0]), place.0.join("mine")).unwrap();
    send(&destination, 2).await;
    assert_eq!(place.batches(), [batch(2)]);
}

#[tokio::test]
async fn whoever_holds_the_lock_is_alone_with_the_file() {
    let place = Place::new("locked");
    let destination = place.destination();
    send(&destination, 1).await;
    let file = File::open(place.directory().join(&place.names()[0])).unwrap();
    file.lock().unwrap();
    let error = destination.send(&batch(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("holds its lock"), "{error}");
    file.unlock().unwrap();
    send(&destination, 2).await;
    assert_eq!(place.batches(), [batch(1), batch(2)]);
}

/// Shards share it, on real threads.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_sent_at_once_are_all_there() {
    const SENDERS: usize = 40;
    let place = Place::new("at-once");
    let destination = place.destination().with_file_bytes_max(3_000);
    join_all((0..SENDERS).map(|number| {
        tokio::spawn({
            let destination = destination.clone();
            async move { send(&destination, number).await }
        })
    }))
    .await
    .into_iter()
    .for_each(|sender| sender.unwrap());
    let mut batches = place.batches();
    batches.sort_by(|one, other| one.records[0].position.cmp(&other.records[0].position));
    assert_eq!(batches, (0..SENDERS).map(batch).collect::<Vec<_>>());
}

/// Two workers of one name, in two processes as far as locks can tell: each has a turn of its own. One of them does not wait
/// for the lock of the other, so it comes again, as the framework does.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_do_not_know_of_each_other_write_and_rotate_without_a_line_torn_or_lost() {
    const EACH: usize = 60;
    let line = batch(10).to_json().unwrap().len() as u64 + 1;
    let place = Place::new("two-handles");
    let writers = [10, 10 + EACH].map(|first| {
        let destination = place.destination().with_file_bytes_max(3 * line);
        tokio::spawn(async move {
            for number in first..first + EACH {
                while let Err(error) = destination.send(&batch(number)).await {
                    assert!(error.to_string().contains("holds its lock"), "{error}");
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|writer| writer.unwrap());
    let sizes: Vec<u64> = place.names().iter().map(|name| place.text(name).len() as u64).collect();
    assert!(sizes.iter().all(|bytes| *bytes <= 3 * line), "{sizes:?}");
    let mut batches = place.batches();
    batches.sort_by(|one, other| one.records[0].position.cmp(&other.records[0].position));
    assert_eq!(batches, (10..10 + 2 * EACH).map(batch).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_send_that_is_dropped_leaves_whole_lines() {
    let place = Place::new("dropped");
    let destination = place.destination();
    // One poll starts it, and the future is dropped.
    let started = destination.send(&batch(1)).now_or_never();
    assert!(started.is_none_or(|sent| sent.is_ok()));
    send(&destination, 2).await;
    assert_eq!(place.batches(), [batch(1), batch(2)]);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_by_name() {
    let place = Place::new("no-directory");
    fs::create_dir_all(&place.0).unwrap();
    let file = place.0.join("failed");
    File::create(&file).unwrap();
    let error = place.destination().send(&batch(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

/// Takes records up to number 1.
#[derive(Debug)]
struct Small;

#[async_trait]
impl OnFailureDestination for Small {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let fits = batch.records.iter().all(|of| of.position <= record(1).position);
        Ok(if fits { Sent::Taken } else { Sent::TooLarge { limit_bytes: 7 } })
    }
}

#[tokio::test]
async fn only_single_records_that_are_too_large_spill() {
    let place = Place::new("spill");
    let spilling = SpillToFile::new(Small, place.destination());
    let several = FailedBatch { records: vec![record(1), record(2)], ..batch(1) };
    assert_eq!(spilling.send(&several).await.unwrap(), Sent::TooLarge { limit_bytes: 7 });
    assert_eq!(spilling.send(&batch(1)).await.unwrap(), Sent::Taken);
    assert!(!place.directory().exists(), "what fits does not go to the file");
    assert_eq!(spilling.send(&batch(2)).await.unwrap(), Sent::Taken);
    assert_eq!(place.batches(), [batch(2)]);
}
