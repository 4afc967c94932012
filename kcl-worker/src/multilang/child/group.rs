use std::path::Path;
use std::process::Stdio;

use kcl_core::model::ShardKey;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

use crate::multilang::guard::GUARD_ARGUMENT;

/// The process group of one child and of whatever it starts, led by a [guard](crate::multilang::guard_if_asked).
///
/// While the guard is not reaped, its process id, which is the group's, is nobody else's. So a signal sent through this
/// never meets a stranger.
#[derive(Debug)]
pub(super) struct Group {
    guard: Child,
    /// Ends when the guard does. Nothing is ever written to it.
    guard_output: ChildStdout,
    id: Pid,
}

impl Group {
    /// Starts the guard, which ends the group when this process ends, however it does: by then nobody holds the other end of
    /// its standard input.
    pub(super) fn start(guard: &Path, shard: &ShardKey) -> std::io::Result<Self> {
        let mut command = Command::new(guard);
        command.arg(GUARD_ARGUMENT).arg(shard.shard_id.as_str()).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut guard = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = guard.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.ok_or_else(|| std::io::Error::other("the guard has ended before it began"))?;
        let output = guard.stdout.take();
        let guard_output = output.ok_or_else(|| std::io::Error::other("the guard has no pipes"))?;
        Ok(Self { guard, guard_output, id })
    }

    /// What a process needs to start in this group.
    pub(super) fn id(&self) -> i32 {
        self.id.as_raw_nonzero().get()
    }

    /// Waits until the guard has ended, which it does by itself only with this process. It is not reaped by that, so that its
    /// process id stays the group's.
    pub(super) async fn guard_ended(&mut self) {
        while let Ok(1..) = self.guard_output.read(&mut [0]).await {}
    }

    /// Sends a signal to all that are left, but for the guard, which heeds only SIGKILL.
    pub(super) fn signal(&self, signal: Signal) {
        // A group that is empty has heard enough.
        let _sent = kill_process_group(self.id, signal);
    }

    /// Ends all that are left, and the guard.
    pub(super) async fn end(mut self) {
        self.signal(Signal::KILL);
        let _reaped = self.guard.wait().await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.guard.id().is_some() {
            self.signal(Signal::KILL);
        }
    }
}
