//! What a worker gave up, put through processors again by commands that have neither a stream nor a table nor AWS.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use kcl_core::processor::FailedBatch;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::worker_process::WorkerProcess;
use crate::backend::{WAIT_MAX, unique_name, until};
use crate::fleet::Fleet;

const WORKER: &str = env!("CARGO_BIN_EXE_kcl-worker-under-test");
const OWN: &str = env!("CARGO_BIN_EXE_own-worker-under-test");

/// Records on which the child of the first worker dies.
const BAD: usize = 6;

/// A folder with the letters of a worker.
struct Scene {
    place: PathBuf,
    stream: String,
    letters: PathBuf,
}

/// How a command ended.
struct Ended {
    status: Option<i32>,
    out: String,
    log: String,
}

impl Scene {
    async fn new() -> Self {
        let fleet: Fleet = Fleet::new(2).await;
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique_name("redrive"));
        let directory = place.join("letters");
        let destination = format!("file:{}", directory.display());
        let command = format!("{} data:bad=exit processRecords=checkpoint", env!("CARGO_BIN_EXE_fake-child"));
        let settings = [
            ["--processor", "exec"],
            ["--exec-command", &command],
            ["--maximum-retry-attempts", "1"],
            ["--bisect-batch-on-error=true", "--retry-delay-max-ms=50"],
            ["--retry-delay-initial-ms", "10"],
            ["--when-exhausted", "on-failure-destination"],
            ["--on-failure-destination", &destination],
        ];
        let worker = WorkerProcess::start(&fleet, "ada", settings.as_flattened());
        for number in 0..BAD * 3 {
            let data: &[u8] = if number % 3 == 0 { b"bad" } else { b"good" };
            fleet.backend.put(&fleet.stream, &format!("key {number}"), data).await;
        }
        let given_up =
            || records(&directory.join(only_name(&directory))).values().map(Vec::len).sum::<usize>();
        until("everything bad is given up", || async { directory.exists() && given_up() == BAD }).await;
        let ended = worker.terminate().await;
        assert!(ended.status.success(), "{ended:?}");
        let letters = directory.join(only_name(&directory));
        Self { place, stream: fleet.stream.name().to_owned(), letters }
    }

    fn path(&self, name: &str) -> String {
        self.place.join(name).to_str().unwrap().to_owned()
    }

    fn letters(&self) -> &str {
        self.letters.to_str().unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.place);
    }
}

fn only_name(directory: &Path) -> String {
    let mut files = fs::read_dir(directory).into_iter().flatten();
    files.next().map_or_else(String::new, |file| file.unwrap().file_name().into_string().unwrap())
}

/// The sequence numbers in a file, by shard and in the order of the file.
fn records(file: &Path) -> BTreeMap<String, Vec<String>> {
    let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        // The last may be on its way.
        let Ok(batch) = FailedBatch::from_json(line.as_bytes()) else { continue };
        let numbers = batch.records.iter().map(|record| record.position.sequence_number.to_string());
        records.entry(batch.shard.shard_id.to_string()).or_default().extend(numbers);
    }
    records
}

/// `records redrive` with nothing of this machine's environment.
async fn redrive(program: &str, words: &[&str], input: &[u8]) -> Ended {
    let mut command = Command::new(program);
    command.env_clear().args(["records", "redrive"]).args(words).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that wants none may have ended.
    let _unread = child.stdin.take().unwrap().write_all(input).await;
    let output = timeout(WAIT_MAX, child.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status.code(), out: text(output.stdout), log: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_children_failed_on_is_rejected_again_or_processed() {
    let scene = Scene::new().await;
    let before = fs::read(&scene.letters).unwrap();
    let plan = redrive(WORKER, &[scene.letters()], b"").await;
    assert_eq!(plan.status, Some(0), "{}", plan.log);
    for part in [&scene.stream, "6 records of 2 shards", "6 RetryAttemptsExhausted", "without --apply"] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }

    let failing = format!("{} data:bad=exit", env!("CARGO_BIN_EXE_fake-child"));
    let rejects = scene.path("rejects");
    let exec = ["--apply", "--rejects", &rejects, "--processor", "exec", "--exec-command"];
    let words = [&[scene.letters()], &exec[..], &[&failing, "--maximum-retry-attempts", "0"]].concat();
    let failed = redrive(WORKER, &words, b"").await;
    assert_eq!((failed.status, failed.out.as_str()), (Some(1), ""), "{}", failed.log);
    assert!(failed.log.contains("0 of 6 records processed, 6 rejected; '"), "{}", failed.log);
    assert_eq!(records(Path::new(&rejects)), records(&scene.letters));
    let refused = redrive(WORKER, &words, b"").await;
    assert_eq!(refused.status, Some(2), "rejects are not written over: {}", refused.log);

    let log = scene.path("log");
    let taking = format!("{} log:{log} shardEnded=checkpoint", env!("CARGO_BIN_EXE_fake-child"));
    let none = scene.path("none");
    let exec = ["--apply", "--rejects", &none, "--processor", "exec", "--exec-command", &taking];
    let done = redrive(WORKER, &[&[rejects.as_str()], &exec[..]].concat(), b"").await;
    assert_eq!(done.status, Some(0), "{}", done.log);
    assert!(done.log.ends_with("6 of 6 records processed\n"), "{}", done.log);
    assert!(!Path::new(&none).exists());
    let taken = fs::read_to_string(log).unwrap();
    let all = records(&scene.letters);
    assert!(all.values().flatten().all(|number| taken.matches(number.as_str()).count() == 1), "{taken}");
    assert_eq!(taken.matches("\"shardEnded\"").count(), 2, "{taken}");
    assert_eq!(fs::read(&scene.letters).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_are_those_of_a_worker_and_the_processor_may_be_a_programs_own() {
    let scene = Scene::new().await;
    let (rejects, settings) = (scene.path("rejects"), scene.path("worker.toml"));
    let stream = &scene.stream;
    // What would give them up untried, or leave them out, or send them where they come from.
    let file = format!(
        "stream = '{stream}'\napplication = 'billing'\nworker_id = 'ada'\nmaximum_record_age_ms = 1\nwhen_exhausted = 'skip'\n"
    );
    fs::write(&settings, &file).unwrap();
    let words = ["-", "--apply", "--rejects", &rejects, "--config", &settings];
    let printed = redrive(WORKER, &words, &fs::read(&scene.letters).unwrap()).await;
    assert_eq!(printed.status, Some(0), "{}", printed.log);
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in printed.out.lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        assert_eq!((text("stream"), text("data")), (stream.clone(), "bad".to_owned()));
        seen.entry(text("shardId")).or_default().push(text("sequenceNumber"));
    }
    assert_eq!(seen, records(&scene.letters));

    let own = redrive(OWN, &[&[scene.letters()], &words[1..]].concat(), b"").await;
    assert_eq!(own.status, Some(0), "{}", own.log);
    assert_eq!(own.out.matches(" says 'bad'\n").count(), BAD, "{}", own.out);
    let choice = redrive(OWN, &[scene.letters(), "--processor", "print"], b"").await;
    assert_eq!(choice.status, Some(2), "{}", choice.log);

    fs::write(&settings, file.replace(stream, "another")).unwrap();
    let refused = redrive(WORKER, &words, &fs::read(&scene.letters).unwrap()).await;
    assert_eq!((refused.status, refused.out.as_str()), (Some(2), ""), "{}", refused.log);
    assert!(refused.log.contains("the settings are for 'another'"), "{}", refused.log);
    let broken = redrive(WORKER, &["-"], b"\n{\"version\":\"1.0\"}\nnonsense\n").await;
    assert_eq!((broken.status, broken.out.as_str()), (Some(2), ""), "{}", broken.log);
    assert!(broken.log.contains("line 2: ") && broken.log.contains("line 3: "), "{}", broken.log);
}
