use std::time::Duration;

use kcl_core::model::ShardKey;
use metrics::counter;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use super::line_cutter::{Line, LineCutter};
use super::{READ_BYTES, shown};
use crate::multilang::messages::FromChild;

/// A child that prints in a loop must not fill the log: so many lines of noise are shown in [`NOISE_INTERVAL`].
const NOISE_LINES_SHOWN_MAX: u32 = 10;

/// See [`NOISE_LINES_SHOWN_MAX`].
const NOISE_INTERVAL: Duration = Duration::from_mins(1);

/// Hands on the messages of a child until it closes its standard output or nobody listens; everything else is noise.
///
/// A child that speaks without listening waits for room among the messages.
pub(super) async fn read(
    mut stdout: ChildStdout,
    messages: mpsc::Sender<FromChild>,
    shard: ShardKey,
    pid: u32,
    line_bytes_max: usize,
) {
    let mut cutter = LineCutter::new(line_bytes_max);
    let mut noise = Noise { shard, pid, since: Instant::now(), lines: 0 };
    let mut buffer = vec![0; READ_BYTES];
    let mut heard = Vec::new();
    let mut is_open = true;
    while is_open {
        let read = stdout.read(&mut buffer).await.unwrap_or(0);
        is_open = read > 0;
        let each = |line: Line<'_>| match message(&line) {
            Some(message) => heard.push(message),
            None => noise.note(&line),
        };
        if is_open {
            cutter.push(&buffer[..read], each);
        } else {
            cutter.finish(each);
        }
        for message in heard.drain(..) {
            if messages.send(message).await.is_err() {
                return;
            }
        }
    }
}

fn message(line: &Line<'_>) -> Option<FromChild> {
    if line.is_overlong() { None } else { FromChild::parse(line.text) }
}

/// What a child prints that is no message.
struct Noise {
    shard: ShardKey,
    pid: u32,
    since: Instant,
    lines: u32,
}

impl Noise {
    fn note(&mut self, line: &Line<'_>) {
        if line.text.trim_ascii().is_empty() && !line.is_overlong() {
            return;
        }
        counter!("kcl_exec_stdout_lines_skipped_total").increment(1);
        if line.is_overlong() {
            counter!("kcl_exec_stdout_lines_overlong_total").increment(1);
        }
        if self.since.elapsed() >= NOISE_INTERVAL {
            self.report_hidden();
            (self.since, self.lines) = (Instant::now(), 0);
        }
        self.lines += 1;
        if self.lines <= NOISE_LINES_SHOWN_MAX {
            let (shard, pid, bytes) = (&self.shard, self.pid, line.bytes);
            warn!(%shard, pid, bytes, line = %shown(line.text), "skipped a line of the child's standard output that is no message");
        }
    }

    fn report_hidden(&self) {
        let hidden = self.lines.saturating_sub(NOISE_LINES_SHOWN_MAX);
        if hidden > 0 {
            let (shard, pid) = (&self.shard, self.pid);
            warn!(%shard, pid, lines = hidden, "skipped more lines of the child's standard output, which are not shown");
        }
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.report_hidden();
    }
}
