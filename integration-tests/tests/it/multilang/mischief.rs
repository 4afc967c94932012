//! Children that do what no library does. Nothing of it may lose a record, hang a shard without a word, or leave anything
//! behind.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::child_log::{ChildLog, file};
use super::death::{is_alive, read_pids};
use super::scene::Scene;
use crate::backend::until;

/// Or the second status would be that of the next batch, which nobody has processed by then.
#[tokio::test]
async fn a_child_that_is_done_twice_is_not_given_the_next_batch() {
    let mut scene = Scene::new(&["processRecords=status-twice"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("one is taken", |log| log.count("processRecords") == 1).await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.until("another child is given both", |log| log.pids().len() == 2).await;
    assert!(scene.has_event("asked for nothing more"), "{:?}", scene.rehearsal.events());
    let first = scene.log.pids()[0];
    assert_eq!(scene.log.data(first), ["one"]);
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn a_checkpoint_between_two_batches_commits_what_was_given_by_then() {
    let mut scene = Scene::new(&["processRecords=late-checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("one is taken", |log| log.count("processRecords") == 1).await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.until("two is taken", |log| log.count("processRecords") == 2).await;
    assert_eq!(scene.log.answers(), [Value::Null]);
    let one = scene.log.entries()[1].message["records"][0]["sequenceNumber"].clone();
    scene.rehearsal.crash().await;
    scene.until("another child has begun", |log| log.count("initialize") == 2).await;
    let entries = scene.log.entries();
    let fresh = entries.iter().rfind(|entry| entry.message["action"] == "initialize").unwrap();
    assert_eq!(fresh.message["sequenceNumber"], one);
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn a_checkpoint_of_a_child_that_exits_before_the_answer_holds() {
    let once = format!("data:one=checkpoint-and-exit:{}", file("died").display());
    let mut scene = Scene::new(&[&once, "data:two=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    scene.rehearsal.put("key", "two").unwrap();
    scene.committed().await;
    let [dead, fresh] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
    assert_eq!(scene.log.data(dead), ["one"]);
    assert_eq!(scene.log.data(fresh), ["two"]);
    scene.stop().await;
}

#[tokio::test]
async fn a_child_that_closes_its_output_and_lives_is_ended() {
    let pid = file("pid");
    let script = format!("echo $$ >{}; exec >&-; while :; do sleep 1; done", pid.display());
    let mut scene = Scene::shell(&script, |_| {});
    scene.until_event("has closed its standard output").await;
    let pids = read_pids(&pid);
    scene.rehearsal.crash().await;
    scene.until_gone(pids[0].parse().unwrap()).await;
}

#[tokio::test]
async fn a_child_that_never_reads_is_silent_and_ended() {
    let script = r#"printf '{"action":"status","responseFor":"initialize"}\n'; while :; do sleep 1; done"#;
    let mut scene = Scene::shell(script, |settings| settings.message_timeout = Some(Duration::from_secs(1)));
    // More than its pipe holds.
    scene.rehearsal.put("key", "x".repeat(500_000)).unwrap();
    scene.until_event("did not answer within 1s").await;
    scene.rehearsal.crash().await;
}

#[tokio::test]
async fn a_flood_of_standard_error_holds_up_nothing() {
    let mut scene = Scene::new(&["processRecords=flood", "processRecords=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.committed().await;
    assert_eq!(scene.log.pids().len(), 1);
    scene.stop().await;
}

/// What it has started keeps its pipes open.
#[tokio::test]
async fn a_child_that_exits_and_leaves_another_behind_has_ended_with_it() {
    let pids = file("pids");
    let spawn = format!("data:one=spawn:{}", pids.display());
    let once = format!("data:one=exit-once:{}", file("died").display());
    let mut scene = Scene::new(&[&spawn, &once, "data:one=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("it has started another", |_| read_pids(&pids).len() == 2).await;
    let first = read_pids(&pids);
    scene.committed().await;
    assert!(!first.iter().any(|pid| is_alive(pid)), "{first:?}");
    scene.stop().await;
}

#[tokio::test]
async fn a_child_whose_guard_is_gone_is_replaced_by_a_guarded_one() {
    let mut scene = Scene::new(&["data:two=checkpoint"]);
    scene.rehearsal.put("key", "one").unwrap();
    scene.until("one is taken", |log| log.count("processRecords") == 1).await;
    let first = scene.log.pids()[0];
    let guard = group_of(first);
    assert_ne!(guard, first.to_string(), "the guard leads the group");
    assert!(Command::new("kill").args(["-KILL", &guard]).status().await.unwrap().success());
    scene.rehearsal.put("key", "two").unwrap();
    scene.committed().await;
    assert!(scene.has_event("the guard of the child has ended"), "{:?}", scene.rehearsal.events());
    let [_, fresh] = scene.log.pids()[..] else { panic!("{:?}", scene.log.pids()) };
    assert_eq!(scene.log.data(fresh), ["one", "two"]);
    assert!(!is_alive(&first.to_string()) && is_alive(&group_of(fresh)));
    scene.stop().await;
}

fn group_of(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().to_owned()
}

/// Enough that one descriptor or process left behind by each shows.
const RESTARTS: usize = 100;

/// A child that is about to start or to end has some.
const IN_PASSING_MAX: usize = 20;

#[tokio::test]
async fn children_without_end_cost_neither_descriptors_nor_processes() {
    let log = ChildLog::new();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_exec-worker"));
    worker.args([env!("CARGO_BIN_EXE_fake-child"), &log.argument(), "initialize=exit"]);
    let mut worker = worker.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let pid = worker.id().unwrap();
    until("the first have come", || async { log.pids().len() >= 10 }).await;
    let before = descriptors(pid) + children(pid);
    until("the last have come", || async { log.pids().len() >= 10 + RESTARTS }).await;
    let after = descriptors(pid) + children(pid);
    assert!(after <= before + IN_PASSING_MAX, "{before} grew to {after}");
    worker.kill().await.unwrap();
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Those that nobody has reaped, too.
fn children(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.map(|task| of_task(task.unwrap()).split_whitespace().count()).sum()
}
