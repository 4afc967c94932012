//! One child process: started in a clean environment and a group of its own, spoken to by lines, and ended so that
//! nothing of it is left. Knows nothing of what the lines mean for a shard.

mod group;
mod line_cutter;
mod stderr;
mod stdout;

use std::borrow::Cow;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kcl_core::model::ShardKey;
use metrics::counter;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::messages::FromChild;
use super::{ExecSettings, SAFE_ENVIRONMENT};
use group::Group;
use stderr::StderrReader;

/// What is read at once: far more than a message.
const READ_BYTES: usize = 4 * 1024;

/// How much of a line the log shows.
const SHOWN_BYTES_MAX: usize = 1_000;

/// Lines on their way to a child, beside the one that is being written: nothing is sent to it before it has answered.
const LINES_QUEUED_MAX: usize = 1;

/// Messages of a child that nobody has listened to yet. It waits for an answer to most of what it says.
const MESSAGES_QUEUED_MAX: usize = 16;

/// How long after the exit of a child its last words are waited for; they are in a pipe already.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long a child may take to exit after SIGTERM.
const TERMINATION_GRACE: Duration = Duration::from_secs(2);

/// A running child. Dropping it kills it and whatever it has started.
#[derive(Debug)]
pub(super) struct Child {
    shard: ShardKey,
    pid: u32,
    process: tokio::process::Child,
    group: Group,
    /// Dropping it closes the child's standard input.
    lines: mpsc::Sender<Vec<u8>>,
    messages: mpsc::Receiver<FromChild>,
    drains: mpsc::Sender<oneshot::Sender<()>>,
    swallowed_signs: Arc<AtomicU64>,
    stdin: AbortOnDropHandle<()>,
    stdout: AbortOnDropHandle<()>,
    stderr: AbortOnDropHandle<()>,
}

/// What has become of a child that can no longer be spoken to.
#[derive(Debug)]
pub(super) enum ChildFailure {
    /// It could not be started.
    NotStarted(String),
    /// It has exited, or closed its output.
    Ended(Option<ExitStatus>),
    /// It has not said anything for so long.
    Silent(Duration),
    /// Its guard has ended.
    Unguarded,
}

impl Child {
    /// Starts the command for a shard.
    pub(super) fn start(settings: &ExecSettings, shard: &ShardKey) -> Result<Self, ChildFailure> {
        let not_started = |what: &str, error: std::io::Error| {
            ChildFailure::NotStarted(format!("cannot start {what}: {error}"))
        };
        let guard = &settings.guard;
        let group = Group::start(guard, shard)
            .map_err(|error| not_started(&format!("the guard '{}'", guard.display()), error))?;
        let program = settings.command.first().map_or("", String::as_str);
        let mut process = command(settings, program)
            .process_group(group.id())
            .spawn()
            .map_err(|error| not_started(&format!("'{program}'"), error))?;
        let pid = process.id().unwrap_or_default();
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(ChildFailure::NotStarted(format!("'{program}' has no pipes")));
        };
        let (lines, lines_to_write) = mpsc::channel(LINES_QUEUED_MAX);
        let (heard, messages) = mpsc::channel(MESSAGES_QUEUED_MAX);
        let (drains, drains_asked) = mpsc::channel(1);
        let swallowed_signs = Arc::new(AtomicU64::new(0));
        let reader = StderrReader {
            stderr,
            shard: shard.clone(),
            pid,
            line_bytes_max: settings.line_bytes_max,
            signs: Arc::clone(&swallowed_signs),
        };
        counter!("kcl_exec_children_started_total").increment(1);
        debug!(%shard, pid, program, "started a child");
        Ok(Self {
            shard: shard.clone(),
            pid,
            process,
            group,
            lines,
            messages,
            drains,
            swallowed_signs,
            stdin: AbortOnDropHandle::new(tokio::spawn(write(stdin, lines_to_write))),
            stdout: AbortOnDropHandle::new(tokio::spawn(stdout::read(
                stdout,
                heard,
                shard.clone(),
                pid,
                settings.line_bytes_max,
            ))),
            stderr: AbortOnDropHandle::new(tokio::spawn(reader.run(drains_asked))),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Hands a line over to be written, as soon as the one before is. That goes on if this future is dropped later.
    pub(super) async fn send(&mut self, line: Vec<u8>) -> Result<(), ChildFailure> {
        match self.lines.send(line).await {
            Ok(()) => Ok(()),
            Err(_closed) => Err(self.failure().await),
        }
    }

    /// A message that is there already.
    pub(super) fn received(&mut self) -> Option<FromChild> {
        self.messages.try_recv().ok()
    }

    /// The child's next message. Dropping the future loses none.
    pub(super) async fn receive(&mut self) -> Result<FromChild, ChildFailure> {
        let status = select! {
            biased;
            message = self.messages.recv() => match message {
                Some(message) => return Ok(message),
                None => return Err(self.failure().await),
            },
            status = self.process.wait() => status.ok(),
            () = self.group.guard_ended() => return Err(ChildFailure::Unguarded),
        };
        // Something else may hold the pipe open.
        match timeout(LAST_WORDS, self.messages.recv()).await {
            Ok(Some(message)) => Ok(message),
            _ => Err(ChildFailure::Ended(status)),
        }
    }

    /// How many signs of a swallowed exception there were among all that the child has written by now.
    pub(super) async fn swallowed_signs(&self) -> u64 {
        let (drained, is_drained) = oneshot::channel();
        if self.drains.send(drained).await.is_ok() {
            // Fails once standard error is closed, and then everything is read.
            let _all_read = is_drained.await;
        }
        self.swallowed_signs.load(Ordering::Relaxed)
    }

    /// Closes the child's standard input, and waits until it has exited; asks it to after `grace`, and then makes it.
    pub(super) async fn end(mut self, grace: Duration) {
        let (closed, _) = mpsc::channel(LINES_QUEUED_MAX);
        drop(std::mem::replace(&mut self.lines, closed));
        let (shard, pid) = (self.shard.clone(), self.pid);
        if timeout(grace, self.process.wait()).await.is_err() {
            warn!(%shard, pid, ?grace, "the child did not exit when its standard input was closed; it is sent SIGTERM");
            self.group.signal(Signal::TERM);
            let _exited_or_not = timeout(TERMINATION_GRACE, self.process.wait()).await;
        }
        self.kill().await;
    }

    /// Ends the child and whatever it has started.
    pub(super) async fn kill(mut self) {
        self.group.signal(Signal::KILL);
        let status = self.process.wait().await;
        debug!(shard = %self.shard, pid = self.pid, ?status, "the child has ended");
        // With all writers dead both end by themselves, unless one has left the group.
        let last_words = async { tokio::join!(&mut self.stdout, &mut self.stderr) };
        self.messages.close();
        let _read_or_not = timeout(LAST_WORDS, last_words).await;
        self.stdin.abort();
        self.group.end().await;
    }

    async fn failure(&mut self) -> ChildFailure {
        let status = timeout(LAST_WORDS, self.process.wait()).await;
        ChildFailure::Ended(status.ok().and_then(Result::ok))
    }
}

fn command(settings: &ExecSettings, program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(settings.command.iter().skip(1)).env_clear();
    let names = settings.environment.iter().map(String::as_str).chain(SAFE_ENVIRONMENT);
    command.envs(names.filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Writes lines until there are no more, and closes the pipe. A child that does not read is known by its silence, and one
/// that is gone by the end of its output.
async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// A line as the log shows it.
fn shown(line: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES_MAX)])
}

impl fmt::Display for ChildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(problem) => f.write_str(problem),
            Self::Ended(Some(status)) => {
                write!(f, "the child has ended: {status}; the log has its standard error")
            }
            Self::Ended(None) => f.write_str("the child has closed its standard output"),
            Self::Silent(timeout) => write!(
                f,
                "the child did not answer within {timeout:?} and was killed; a longer message_timeout gives it more time"
            ),
            Self::Unguarded => f.write_str(
                "the guard of the child has ended, and was to end the child when the worker is killed; both start anew",
            ),
        }
    }
}

impl std::error::Error for ChildFailure {}
