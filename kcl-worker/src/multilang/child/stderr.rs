use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kcl_core::model::ShardKey;
use metrics::counter;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::line_cutter::{Line, LineCutter};
use super::{READ_BYTES, shown};

/// What the libraries for Python and Ruby print of an exception that they pass over: the first two are Python's, the last
/// is a line of every backtrace through the Ruby library's loop.
const SWALLOWED: [&[u8]; 3] = [
    b"Caught exception from action dispatch",
    b"Traceback (most recent call last)",
    b"aws/kclrb/kcl_process.rb",
];

/// Sends a child's standard error to the log, and looks for exceptions that its library passes over.
pub(super) struct StderrReader {
    pub(super) stderr: ChildStderr,
    pub(super) shard: ShardKey,
    pub(super) pid: u32,
    pub(super) line_bytes_max: usize,
    /// How many lines were signs of such an exception.
    pub(super) signs: Arc<AtomicU64>,
}

impl StderrReader {
    /// Reads until the child closes it. Each of `drains` is answered once everything is read that was written before.
    pub(super) async fn run(mut self, mut drains: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut cutter = LineCutter::new(self.line_bytes_max);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            select! {
                biased;
                Some(drained) = drains.recv() => {
                    self.read_what_is_there(&mut cutter, &mut buffer);
                    // Whoever asked may have given up.
                    let _told = drained.send(());
                }
                read = self.stderr.read(&mut buffer) => match read {
                    Ok(read @ 1..) => cutter.push(&buffer[..read], |line| self.note(&line)),
                    _ => break,
                },
            }
        }
        cutter.finish(|line| self.note(&line));
    }

    /// Asks the system rather than the runtime, which may not know yet that there is something to read. The pipe is
    /// non-blocking, so this ends where there is nothing more.
    fn read_what_is_there(&self, cutter: &mut LineCutter, buffer: &mut [u8]) {
        for _ in 0..DRAIN_READS_MAX {
            match rustix::io::read(&self.stderr, &mut *buffer) {
                Ok(read @ 1..) => cutter.push(&buffer[..read], |line| self.note(&line)),
                _ => return,
            }
        }
    }

    fn note(&self, line: &Line<'_>) {
        counter!("kcl_exec_stderr_lines_total").increment(1);
        if SWALLOWED.iter().any(|sign| line.text.windows(sign.len()).any(|part| part == *sign)) {
            self.signs.fetch_add(1, Ordering::Relaxed);
        }
        let (shard, pid) = (&self.shard, self.pid);
        if line.is_overlong() {
            info!(%shard, pid, bytes = line.bytes, "child: {} ... (cut)", shown(line.text));
        } else {
            info!(%shard, pid, "child: {}", shown(line.text));
        }
    }
}

/// A pipe holds 64 KiB; a child that writes all the time must not be listened to for ever.
const DRAIN_READS_MAX: usize = 32;
