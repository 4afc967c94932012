use std::convert::Infallible;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::report::Report;
use super::stage::Stage;
use super::table::table;

/// How often the view is brought up to date: at once for an eye, seldom for a machine.
const VIEW_INTERVAL: Duration = Duration::from_millis(200);

/// The time over which a rate is taken, and from one progress line to the next.
const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// Log lines under the table.
const LIVE_LOG_LINES: usize = 8;

/// Clears from the start of the line to the end of the screen, and keeps long lines from wrapping, which would break
/// the count of lines that the next frame goes up.
const FRAME_START: &str = "\r\x1b[J\x1b[?7l";

/// Undoes that after each frame, so that the terminal is as it was whenever the demo ends.
const FRAME_END: &str = "\x1b[?7h";

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewMode {
    /// A table that is redrawn in place, for a terminal.
    Live,
    /// A line for each event, and one for the progress of each second.
    Plain {
        /// Show every batch and every checkpoint, too.
        verbose: bool,
    },
}

/// Shows the progress of a demo, and its verdict.
///
/// An output that cannot be written to does not stop the demo: the exit status still tells how it went.
pub struct View {
    mode: ViewMode,
    out: Box<dyn Write + Send>,
    /// How many lines the last frame left above the cursor.
    frame_lines: usize,
    /// The number of the first log line that is not printed yet.
    log_from: u64,
    rate: Rate,
}

#[derive(Debug)]
struct Rate {
    since: Option<Instant>,
    records: u64,
    per_second: u64,
}

impl View {
    /// A view that writes to `out`.
    pub fn new(mode: ViewMode, out: Box<dyn Write + Send>) -> Self {
        Self { mode, out, frame_lines: 0, log_from: 0, rate: Rate { since: None, records: 0, per_second: 0 } }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.mode == ViewMode::Plain { verbose: true }
    }

    /// Shows the demo for as long as it is polled.
    pub(super) async fn show(&mut self, stage: &Stage) -> Infallible {
        loop {
            self.update(stage);
            sleep(VIEW_INTERVAL).await;
        }
    }

    /// Shows how it stands at the end, and the verdict.
    pub(super) fn finish(&mut self, stage: &Stage, report: &Report) {
        self.update(stage);
        self.write(&report.to_string());
    }

    fn update(&mut self, stage: &Stage) {
        let has_new_rate = self.rate.update(stage.board.records(), Instant::now());
        match self.mode {
            ViewMode::Live => self.draw(stage),
            ViewMode::Plain { .. } => self.print(stage, has_new_rate),
        }
    }

    /// Replaces the last frame.
    fn draw(&mut self, stage: &Stage) {
        let (log, _) = stage.board.log_since(0);
        let log = &log[log.len().saturating_sub(LIVE_LOG_LINES)..];
        let frame =
            format!("{}\n{}\n\n{}\n", self.progress(stage), table(&stage.board.shards()), log.join("\n"));
        let up = match self.frame_lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        self.frame_lines = frame.lines().count();
        self.write(&format!("{up}{FRAME_START}{frame}{FRAME_END}"));
    }

    fn print(&mut self, stage: &Stage, with_progress: bool) {
        let (mut lines, next) = stage.board.log_since(self.log_from);
        self.log_from = next;
        if with_progress {
            lines.push(self.progress(stage));
        }
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        self.write(&text);
    }

    fn progress(&self, stage: &Stage) -> String {
        let elapsed = stage.started_at.elapsed().as_secs_f64();
        format!(
            "{elapsed:7.3} s  {} records processed, {}/s, {} to go",
            stage.board.records(),
            self.rate.per_second,
            stage.oracle.outstanding()
        )
    }

    fn write(&mut self, text: &str) {
        let _whoever_reads_may_be_gone = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

impl Rate {
    /// True if the rate was taken anew.
    fn update(&mut self, records: u64, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed < RATE_INTERVAL {
            return false;
        }
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.per_second = records.saturating_sub(self.records).saturating_mul(1_000) / elapsed_ms;
        (self.since, self.records) = (Some(now), records);
        true
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("mode", &self.mode).finish_non_exhaustive()
    }
}
