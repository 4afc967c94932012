//! What a worker does with a child that keeps the protocol, and with one that does not. On the in-memory backend, with real
//! processes and so in real time.

use std::fs;
use std::time::Duration;

use kcl_core::Checkpointing;
use kcl_worker::multilang::{SAFE_ENVIRONMENT, SwallowedExceptions};
use serde_json::Value;

use super::child_log::file;
use super::death::{is_alive, read_pids};
use super::scene::Scene;

#[tokio::test]
async fn a_child_is_asked_in_order_commits_and_is_told_how_it_ends() {
    let mut scene = Scene::new(&["processRecords=checkpoint", "shutdownRequested=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    scene.stop().await;
    let expected =
        ["initialize", "processRecords", "checkpoint", "shutdownRequested", "checkpoint", "leaseLost"];
    assert_eq!(scene.log.actions(), expected);
    let first = &scene.log.entries()[0].message;
    assert_eq!(
        (&first["sequenceNumber"], &first["subSequenceNumber"]),
        (&Value::from("TRIM_HORIZON"), &Value::from(0))
    );
    assert_eq!(scene.log.answers(), [Value::Null, Value::Null]);
    assert!(!is_alive(&scene.log.pids()[0].to_string()));
}

#[tokio::test]
async fn checkpoints_that_cannot_be_are_answered_by_the_names_of_java() {
    let beyond = format!("processRecords=checkpoint:{}", "9".repeat(100));
    let habits = [
        "initialize=checkpoint",
        &beyond,
        "processRecords=checkpoint:x",
        "processRecords=checkpoint",
        "leaseLost=checkpoint",
    ];
    let mut scene = Scene::new(&habits);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    scene.stop().await;
    let answers = scene.log.answers();
    let [initialize, beyond, nonsense, good, lease_lost] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(
        (initialize, lease_lost),
        (&Value::from("InvalidStateException"), &Value::from("InvalidStateException"))
    );
    assert_eq!(
        (beyond, nonsense),
        (&Value::from("IllegalArgumentException"), &Value::from("IllegalArgumentException"))
    );
    assert_eq!(good, &Value::Null);
}

#[tokio::test]
async fn a_fresh_child_is_given_what_a_dead_one_had_taken_and_not_committed() {
    let once = format!("data:two=exit-once:{}", file("died").display());
    let mut scene = Scene::new(&[&once, "data:three=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("one is taken", |log| log.actions().contains(&"processRecords".to_owned())).await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.until("another child has begun", |log| log.pids().len() == 2).await;
    scene.rehearsal.put("key", "three").unwrap();
    scene.committed().await;
    let [dead, fresh] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
    assert_eq!(scene.log.data(dead), ["one", "two"]);
    assert_eq!(scene.log.data(fresh), ["one", "two", "three"]);
    assert!(scene.has_event("exit status: 7"), "{:?}", scene.rehearsal.events());
    scene.stop().await;
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_with_all_that_it_started() {
    let pids = file("pids");
    let spawn = format!("processRecords=spawn:{}", pids.display());
    let mut scene = Scene::with(&[&spawn, "data:one=hang"], |settings| {
        settings.message_timeout = Some(Duration::from_secs(2));
    });
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("it has started another", |_| read_pids(&pids).len() == 2).await;
    let first = read_pids(&pids);
    scene.until("another child was tried", |log| log.pids().len() >= 2).await;
    assert!(!first.iter().any(|pid| is_alive(pid)), "{first:?}");
    assert!(scene.has_event("did not answer within 2s"), "{:?}", scene.rehearsal.events());
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn noise_is_skipped_and_a_wrong_status_is_a_failure() {
    let mut scene = Scene::new(&[
        "initialize=noise",
        "processRecords=noise",
        "processRecords=checkpoint",
        "data:two=wrong",
    ]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    assert_eq!(scene.log.pids().len(), 1);
    scene.rehearsal.put("key", "two").unwrap();
    scene.until("another child was tried", |log| log.pids().len() >= 2).await;
    assert!(scene.has_event("has done somethingElse"), "{:?}", scene.rehearsal.events());
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn an_environment_has_nothing_but_what_was_asked_for() {
    let names = file("environment");
    let mut scene = Scene::with(
        &[&format!("initialize=environment:{}", names.display()), "processRecords=checkpoint"],
        |settings| {
            settings.environment = vec!["CARGO_PKG_NAME".to_owned()];
        },
    );
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    let names = fs::read_to_string(&names).unwrap();
    assert!(names.contains("CARGO_PKG_NAME"), "{names}");
    let unasked: Vec<&str> =
        names.lines().filter(|name| *name != "CARGO_PKG_NAME" && !SAFE_ENVIRONMENT.contains(name)).collect();
    assert!(unasked.is_empty(), "{unasked:?}");
    scene.stop().await;
}

#[tokio::test]
async fn a_child_whose_lease_is_lost_is_told_and_ends() {
    let mut scene = Scene::new(&["processRecords=checkpoint"]);
    scene.rehearsal.settings().failover_time = Duration::from_secs(1);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    let first = scene.log.pids()[0];
    scene.rehearsal.lose_leases().await.unwrap();
    scene.until("it is told", |log| log.actions().contains(&"leaseLost".to_owned())).await;
    scene.until("it has ended", |_| !is_alive(&first.to_string())).await;
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn the_end_of_a_shard_needs_a_checkpoint_of_the_child_that_has_taken_more() {
    let mut scene = Scene::new(&["data:last=checkpoint"]);
    scene.rehearsal.put("key", "held back").unwrap();
    scene.until("it is taken", |log| log.actions().contains(&"processRecords".to_owned())).await;
    scene.rehearsal.split().unwrap();
    scene.until("another child was tried", |log| log.pids().len() >= 2).await;
    assert!(scene.has_event("did not checkpoint when the shard ended"), "{:?}", scene.rehearsal.events());
    assert!(!scene.has_event("ShardEnded"), "{:?}", scene.rehearsal.events());
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn a_child_that_fails_at_the_end_of_its_shard_is_replaced_by_one_that_gets_everything_again() {
    let once = format!("shardEnded=exit-once:{}", file("died").display());
    let mut scene = Scene::new(&["data:two=checkpoint", &once]);
    for data in ["one", "two", "held back"] {
        scene.rehearsal.put("key", data).unwrap();
        scene
            .until("it is taken", |log| {
                log.pids().first().is_some_and(|pid| log.data(*pid).contains(&data.to_owned()))
            })
            .await;
    }
    scene.rehearsal.split().unwrap();
    scene.until("another child was asked for the end", |log| log.count("shardEnded") >= 2).await;
    assert_eq!(scene.log.data(scene.log.pids()[1]), ["held back"]);
    assert!(!scene.has_event("ShardEnded"), "{:?}", scene.rehearsal.events());
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn a_split_is_followed_when_the_child_has_checkpointed() {
    let mut scene = Scene::new(&["processRecords=checkpoint", "shardEnded=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    scene.rehearsal.split().unwrap();
    scene.rehearsal.put("key", "two").unwrap();
    scene.committed().await;
    assert!(scene.log.actions().contains(&"shardEnded".to_owned()));
    scene.stop().await;
}

#[tokio::test]
async fn a_swallowed_exception_fails_the_call_if_it_is_to() {
    for (choice, raise, children) in [
        (SwallowedExceptions::Count, "python-raise", 1),
        (SwallowedExceptions::Fail, "python-raise", 2),
        (SwallowedExceptions::Fail, "ruby-raise", 2),
    ] {
        let once = format!("data:one={raise}:{}", file("raised").display());
        let mut scene = Scene::with(&[&once, "processRecords=bare-checkpoint"], |settings| {
            settings.swallowed_exceptions = choice;
        });
        scene.rehearsal.put("key", "one").unwrap();
        scene.committed().await;
        scene.rehearsal.put("key", "two").unwrap();
        scene.committed().await;
        assert_eq!(scene.log.pids().len(), children, "{choice:?} {raise}");
        scene.stop().await;
    }
}

#[tokio::test]
async fn a_child_that_never_checkpoints_is_committed_for_by_the_framework_if_that_is_chosen() {
    let once = format!("data:two=exit-once:{}", file("died").display());
    let mut scene = Scene::new(&[&once]);
    scene.rehearsal.settings().checkpointing = Checkpointing::AfterEachBatch;
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.committed().await;
    let [dead, fresh] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
    assert_eq!(scene.log.data(dead), ["one", "two"]);
    assert_eq!(scene.log.data(fresh), ["two"], "what is committed is not given again");
    scene.rehearsal.split().unwrap();
    scene.rehearsal.put("key", "three").unwrap();
    scene.committed().await;
    assert!(scene.has_event("ShardEnded"), "{:?}", scene.rehearsal.events());
    scene.stop().await;
}
