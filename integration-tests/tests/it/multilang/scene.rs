use std::time::Duration;

use kcl_core::processor::FailurePolicy;
use kcl_core::testing::Rehearsal;
use kcl_core::{Checkpointing, RetryDelays};
use kcl_worker::multilang::{ExecFactory, ExecSettings};
use tokio::time::timeout;

use super::child_log::ChildLog;
use super::death::is_alive;
use crate::backend::{WAIT_MAX, until};

/// A worker on the in-memory backend, and its children.
pub(super) struct Scene {
    pub(super) log: ChildLog,
    pub(super) rehearsal: Rehearsal,
}

impl Scene {
    /// Fake children with these habits.
    pub(super) fn new(habits: &[&str]) -> Self {
        Self::with(habits, |_| {})
    }

    pub(super) fn with(habits: &[&str], adjust: impl FnOnce(&mut ExecSettings)) -> Self {
        let log = ChildLog::new();
        let mut command = vec![env!("CARGO_BIN_EXE_fake-child").to_owned(), log.argument()];
        command.extend(habits.iter().map(|habit| (*habit).to_owned()));
        Self::of(log, command, adjust)
    }

    /// Children that are written in the language of the shell.
    pub(super) fn shell(script: &str, adjust: impl FnOnce(&mut ExecSettings)) -> Self {
        Self::of(ChildLog::new(), ["sh", "-c", script].map(str::to_owned).to_vec(), adjust)
    }

    fn of(log: ChildLog, command: Vec<String>, adjust: impl FnOnce(&mut ExecSettings)) -> Self {
        let mut settings = ExecSettings::new(command);
        settings.guard = env!("CARGO_BIN_EXE_exec-worker").into();
        adjust(&mut settings);
        let mut rehearsal = Rehearsal::new(ExecFactory::new(settings).unwrap()).unwrap();
        let worker = rehearsal.settings();
        worker.checkpointing = Checkpointing::Manual;
        worker.polling.idle_time_between_reads = Duration::from_millis(200);
        worker.lease_scan_interval = Duration::from_millis(100);
        worker.shard_sync_interval = Duration::from_millis(500);
        let retry_delays =
            RetryDelays { initial: Duration::from_millis(20), max: Duration::from_millis(100) };
        worker.failure_policy = FailurePolicy { retry_delays, ..FailurePolicy::default() };
        Self { log, rehearsal }
    }

    pub(super) async fn committed(&mut self) {
        timeout(WAIT_MAX, self.rehearsal.until_committed()).await.unwrap().unwrap();
    }

    /// Lets the worker work until the children have read what satisfies a condition.
    pub(super) async fn until(&mut self, what: &str, condition: impl Fn(&ChildLog) -> bool) {
        self.rehearsal.pass(Duration::ZERO).await.unwrap();
        until(what, || async { condition(&self.log) }).await;
    }

    /// Waits until a worker has reported what has this part.
    pub(super) async fn until_event(&mut self, part: &str) {
        self.rehearsal.pass(Duration::ZERO).await.unwrap();
        until(part, || async { self.has_event(part) }).await;
    }

    /// Waits until a process has ended, without a worker.
    pub(super) async fn until_gone(&self, pid: u32) {
        until("the process has ended", || async { !is_alive(&pid.to_string()) }).await;
    }

    pub(super) async fn stop(&mut self) {
        timeout(WAIT_MAX, self.rehearsal.stop()).await.unwrap().unwrap();
    }

    pub(super) fn has_event(&self, part: &str) -> bool {
        self.rehearsal.events().iter().any(|event| event.contains(part))
    }
}
