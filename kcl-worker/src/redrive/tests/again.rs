//! Records that fail again, sessions that are interrupted, and files that cannot be redriven.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::future::pending;
use std::io::Write;

use kcl_core::processor::{ShardStart, for_each_record, for_each_shard};
use proptest::prelude::*;
use tokio::time::sleep;

use super::*;
use crate::cli::{Cli, Command};
use crate::config::Schema;
use crate::redrive::plan;
use crate::redrive::session::settings_of;

/// Two shards of ten batches of three records, one of them inside of an aggregate.
fn twenty() -> Vec<FailedBatch> {
    let records =
        |number: u64| vec![record(number * 10, 0), record(number * 10, 4), record(number * 10 + 1, 0)];
    (0..20_u64)
        .map(|number| batch(["a", "b"][usize::try_from(number % 2).unwrap()], records(number + 1)))
        .collect()
}

/// Notes what it takes, and fails on one record of shard `a`.
fn failing_at(bad: RecordPosition, delivered: &Delivered, lanes: usize) -> impl ProcessorFactory + use<> {
    let delivered = delivered.clone();
    for_each_shard(move |start: &ShardStart| {
        let (delivered, shard, bad) = (delivered.clone(), start.shard.clone(), bad.clone());
        let handler = for_each_record(move |record: Record| {
            let fails = shard.shard_id.as_str() == "a" && record.position == bad;
            if !fails {
                delivered.note(&shard, &record);
            }
            async move { if fails { Err("still bad".into()) } else { Ok(()) } }
        });
        if lanes > 1 { handler.concurrency(lanes) } else { handler }
    })
}

fn positions_of(delivered: &Delivered) -> BTreeSet<(ShardId, RecordPosition)> {
    let records = delivered.records();
    let pairs = records.iter().flat_map(|(shard, records)| {
        records.iter().map(move |record| (shard.clone(), record.position.clone()))
    });
    pairs.collect()
}

fn read_batches(path: &Path) -> Vec<FailedBatch> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| FailedBatch::from_json(line.as_bytes()).unwrap()).collect()
}

/// Whichever record fails: what is processed and what is rejected is everything, and the rejects can be redriven.
async fn fails_and_is_redriven(bad: RecordPosition, lanes: usize) {
    let place = Place::new(&format!("fails-{}-{lanes}", bad.to_string().replace('/', "-")));
    let file = place.file("f", &twenty());
    let before = fs::read(&file).unwrap();
    let delivered = Delivered::default();
    let outcome = redrive(&file, failing_at(bad.clone(), &delivered, lanes)).await;
    assert!(outcome.trouble.as_ref().unwrap().contains("still bad"), "{outcome:?}");
    let rejects = Rejects::create(&place.path("rejects")).unwrap();
    outcome.reject(&rejects).unwrap();
    let left = read_batches(&place.path("rejects"));
    let rejected = positions(&left);
    assert!(rejected.contains(&(ShardId::new("a"), bad)));
    let union: BTreeSet<_> = positions_of(&delivered).union(&rejected).cloned().collect();
    assert_eq!(union, positions(&twenty()));
    if lanes == 1 {
        assert!(positions_of(&delivered).is_disjoint(&rejected), "what is committed is not rejected");
    }
    assert!(left.iter().all(|batch| batch.worker.as_str() == "ada" && batch.fencing_token == 41));
    let verdict = outcome.verdict(&rejects);
    assert!(verdict.starts_with(&format!("{} of 60 records processed", 60 - rejected.len())), "{verdict}");
    assert!(verdict.contains(&format!("{} rejected; ", rejected.len())), "{verdict}");

    let again = Delivered::default();
    let nowhere = position(0, 0);
    assert!(redrive(&place.path("rejects"), failing_at(nowhere, &again, lanes)).await.is_complete());
    assert_eq!(positions_of(&again), rejected);
    assert_eq!(fs::read(&file).unwrap(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_wherever_a_record_fails_again(number in 0_u64..10, place in 0_usize..3, lanes in 1_usize..4) {
        let first = (number * 2 + 1) * 10;
        let bad = [position(first, 0), position(first, 4), position(first + 1, 0)][place].clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(fails_and_is_redriven(bad, lanes));
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn the_others_go_on_where_the_policy_gives_up_and_rejects_are_private() {
    use std::os::unix::fs::PermissionsExt;
    for lanes in [1, 4] {
        let place = Place::new(&format!("goes-on-{lanes}"));
        let letters = read(&place.file("f", &twenty())).await;
        let rejects = Arc::new(Rejects::create(&place.path("rejects")).unwrap());
        let destination = Some(ToRejects(Arc::clone(&rejects)));
        let session = session(letters, settings(WhenExhausted::SendToDestination), destination);
        let (delivered, bad) = (Delivered::default(), position(50, 4));
        let outcome =
            ended(session.run(failing_at(bad.clone(), &delivered, lanes), CancellationToken::new())).await;
        assert_eq!((outcome.given_up, outcome.left.len()), (1, 0), "{outcome:?}");
        assert!(!outcome.is_complete() && outcome.trouble.is_none());
        assert_eq!(delivered.records().values().map(Vec::len).sum::<usize>(), 59);
        let left = read_batches(&place.path("rejects"));
        assert_eq!(positions(&left), BTreeSet::from([(ShardId::new("a"), bad)]));
        assert_eq!((left[0].worker.as_str(), left[0].error.as_deref()), ("eve", Some("still bad")));
        let mode = fs::metadata(place.path("rejects")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(Rejects::create(&place.path("rejects")).is_err(), "it is never written over");
    }
}

#[test]
fn a_line_of_rejects_is_never_the_rest_of_one_that_broke_off() {
    let place = Place::new("broken-off");
    let rejects = Rejects::create(&place.path("rejects")).unwrap();
    let one = batch("a", vec![record(1, 0)]);
    rejects.append(&one).unwrap();
    let mut broken = OpenOptions::new().append(true).open(rejects.path()).unwrap();
    broken.write_all(&[b'{'; 10_000]).unwrap();
    rejects.append(&one).unwrap();
    assert_eq!(read_batches(rejects.path()), [one.clone(), one]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_session_rejects_what_it_did_not_finish() {
    let place = Place::new("interrupted");
    let file = place.file("f", &twenty());
    let delivered = Delivered::default();
    let note = delivered.clone();
    let processors = for_each_shard(move |start: &ShardStart| {
        let (note, shard) = (note.clone(), start.shard.clone());
        for_each_record(move |record: Record| {
            let (note, shard) = (note.clone(), shard.clone());
            async move {
                sleep(Duration::from_secs(1)).await;
                note.note(&shard, &record);
                Ok(())
            }
        })
        .concurrency(2)
    });
    let stop = CancellationToken::new();
    let session = session::<ToRejects>(read(&file).await, settings(WhenExhausted::StopWorker), None);
    let (outcome, ()) = tokio::join!(ended(session.run(processors, stop.clone())), async {
        sleep(Duration::from_secs(7)).await;
        stop.cancel();
    });
    let left = positions(&outcome.left);
    assert!(outcome.trouble.is_none() && !left.is_empty() && left.len() < 60, "{}", left.len());
    let union: BTreeSet<_> = positions_of(&delivered).union(&left).cloned().collect();
    assert_eq!(union, positions(&twenty()));
    assert!(positions_of(&delivered).is_disjoint(&left), "what had begun is finished and committed");
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_hangs_or_cannot_begin_does_not_hold_the_command_for_ever() {
    let place = Place::new("hangs");
    let file = place.file("f", &twenty());
    let mut hanging = settings(WhenExhausted::SendToDestination);
    hanging.call_deadlines.process_records = Some(Duration::from_secs(1));
    let rejects = Arc::new(Rejects::create(&place.path("rejects")).unwrap());
    let to_rejects = || Some(ToRejects(Arc::clone(&rejects)));
    let never = for_each_record(|_: Record| pending());
    let hangs = session(read(&file).await, hanging, to_rejects());
    let outcome = ended(hangs.run(never, CancellationToken::new())).await;
    assert!(outcome.trouble.as_ref().unwrap().contains("process_records"), "{outcome:?}");
    assert_eq!(positions(&outcome.left), positions(&twenty()));

    for when_exhausted in [WhenExhausted::SendToDestination, WhenExhausted::StopWorker] {
        let destination = to_rejects().filter(|_| when_exhausted == WhenExhausted::SendToDestination);
        let session = session(read(&file).await, settings(when_exhausted), destination);
        let outcome = ended(session.run(|_: &ShardKey| NeverReady, CancellationToken::new())).await;
        assert!(outcome.trouble.as_ref().unwrap().contains("no database"), "{outcome:?}");
        assert_eq!(positions(&outcome.left), positions(&twenty()));
    }
}

/// A call past its deadline costs the shard, and whoever takes it next goes on at the record, not at the aggregate.
#[tokio::test(start_paused = true)]
async fn a_shard_that_is_taken_again_goes_on_inside_of_an_aggregate() {
    let place = Place::new("inside");
    let file = place.file("f", &[batch("a", vec![record(5, 0), record(5, 3), record(5, 4), record(6, 0)])]);
    let (delivered, tries) = (Delivered::default(), Arc::new(Mutex::new(0)));
    let note = delivered.clone();
    let processors = for_each_shard(move |start: &ShardStart| {
        let (note, shard, tries) = (note.clone(), start.shard.clone(), Arc::clone(&tries));
        for_each_record(move |record: Record| {
            let mut tries = tries.lock().unwrap();
            *tries += i32::from(record.position == position(5, 3));
            let (is_bad, tries) = (record.position == position(5, 3), *tries);
            if !is_bad || tries > 2 {
                note.note(&shard, &record);
            }
            async move {
                match (is_bad, tries) {
                    (true, 1) => Err("once".into()),
                    (true, 2) => pending().await,
                    _ => Ok(()),
                }
            }
        })
    });
    let mut settings = settings(WhenExhausted::StopWorker);
    settings.call_deadlines.process_records = Some(Duration::from_secs(1));
    let session = session::<ToRejects>(read(&file).await, settings, None);
    let outcome = ended(session.run(processors, CancellationToken::new())).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    let expected = [record(5, 0), record(5, 3), record(5, 4), record(6, 0)];
    assert_eq!(delivered.records()[&ShardId::new("a")], expected);
}

/// Letters are old, and their file may be called by the name of the worker.
#[tokio::test]
async fn what_a_workers_settings_say_of_age_name_and_blocking_is_not_meant_for_letters() {
    let place = Place::new("settings");
    let letters = read(&place.file("f", &twenty())).await;
    for (when_exhausted, expected) in [
        ("", WhenExhausted::StopWorker),
        ("when_exhausted = 'block'", WhenExhausted::StopWorker),
        ("when_exhausted = 'skip'", WhenExhausted::SendToDestination),
    ] {
        let file = format!(
            "worker_id = 'ada'\nmaximum_record_age_ms = 1\nmaximum_retry_attempts = 3\n\
             records_per_batch_max = 7\n{when_exhausted}"
        );
        fs::write(place.path("worker.toml"), file).unwrap();
        let path = place.path("worker.toml");
        let words = ["kcl-worker", "records", "redrive", "f", "--config", path.to_str().unwrap()];
        let Command::Redrive(args) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        let resolved = args.sources.resolve(&Schema::worker()).unwrap();
        let settings = settings_of(resolved.config_with(&[]).unwrap(), &letters).unwrap();
        let FailurePolicy { maximum_record_age, maximum_retry_attempts, when_exhausted, .. } =
            settings.failure_policy;
        assert_eq!((maximum_record_age, maximum_retry_attempts), (None, Some(3)));
        assert_eq!((when_exhausted, settings.stream), (expected, stream()));
        assert_eq!(settings.records_per_batch_max, 7);
        assert!(settings.worker_id.as_str().starts_with("redrive"), "{}", settings.worker_id);
    }
}

struct NeverReady;

#[async_trait::async_trait]
impl kcl_core::processor::RecordProcessor for NeverReady {
    async fn initialize(&mut self, _: &ShardStart) -> Result<(), kcl_core::processor::ProcessorError> {
        Err("no database".into())
    }

    async fn process_records(
        &mut self,
        _: &kcl_core::processor::RecordBatch,
        _: &kcl_core::processor::Checkpointer,
    ) -> Result<(), kcl_core::processor::ProcessorError> {
        Ok(())
    }
}

/// The error of a file with these lines.
async fn refused(place: &Place, lines: &[String]) -> String {
    fs::write(place.path("bad"), lines.join("\n")).unwrap();
    let failure = reading::read(&place.path("bad"), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(failure.status(), 2);
    failure.to_string()
}

#[tokio::test]
async fn every_line_that_cannot_be_redriven_is_named() {
    let place = Place::new("bad-lines");
    let good = batch("a", vec![record(1, 0)]);
    let other_stream = FailedBatch {
        shard: ShardKey::new(StreamId::named("payments").unwrap(), ShardId::new("a")),
        ..good.clone()
    };
    let mut differs = good.clone();
    differs.records[0].data = Bytes::from_static(b"else");
    let json = |batch: &FailedBatch| batch.to_json().unwrap();
    let broken_off = json(&good)[..200].to_owned();
    let lines =
        [json(&good), String::new(), broken_off, json(&other_stream), json(&differs), "{}".to_owned()];
    let error = refused(&place, &lines).await;
    assert!(error.starts_with("4 lines of"), "{error}");
    for part in [
        "line 3: this is not a failed batch",
        "line 4: it is of stream 'payments'",
        "line 5: its record 1/0 is not the one that line 1 has",
        "line 6: ",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("line 1:") && !error.contains("line 2:"), "{error}");
}

#[tokio::test]
async fn the_plan_says_what_there_is() {
    let place = Place::new("plan");
    let mut batches = twenty();
    batches[1].condition = FailureCondition::RecordAgeExceeded;
    batches[1].parents = vec![ShardId::new("a")];
    batches.push(batches[0].clone());
    let plan = plan::describe(&read(&place.file("f", &batches)).await);
    assert_eq!(
        plan,
        "21 batches of stream orders: 60 records of 2 shards, without 3 copies\n\
         given up: 3 RecordAgeExceeded, 57 RetryAttemptsExhausted\n\
         arrived: 1970-01-01T00:00:00.010Z to 1970-01-01T00:00:00.201Z\n  \
         a: 30 records\n  b: 30 records, after a\n"
    );
    assert_eq!(plan::describe(&read(&place.file("empty", &[])).await), "there are no letters\n");
}
