//! A worker that is killed leaves no child behind, nor what a child has started.

use std::fs;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::child_log::file;
use crate::backend::{WAIT_MAX, until};

#[tokio::test]
async fn children_and_theirs_die_with_a_worker_that_is_killed() {
    let pids = file("pids");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_exec-worker"));
    worker.args([env!("CARGO_BIN_EXE_fake-child"), &format!("initialize=spawn:{}", pids.display())]);
    let mut worker = worker.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    until("the child has started another", || async { read_pids(&pids).len() == 2 }).await;
    let pids = read_pids(&pids);
    assert!(pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    worker.start_kill().unwrap();
    timeout(WAIT_MAX, worker.wait()).await.unwrap().unwrap();
    until("nothing of the child is left", || async { !pids.iter().any(|pid| is_alive(pid)) }).await;
}

pub(super) fn read_pids(path: &std::path::Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Whoever adopts a process may be slow to reap it, so a zombie is dead.
pub(super) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}
