use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::report::Report;
use super::stage::Stage;
use super::table::table;
use super::terminal::TerminalSize;
use crate::Failure;

/// How often the view is brought up to date: at once for an eye, seldom for a machine.
const VIEW_INTERVAL: Duration = Duration::from_millis(200);

/// The time over which a rate is taken, and from one progress line to the next.
const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// Log lines under the table, if there is room.
const LIVE_LOG_LINES_MAX: usize = 8;

/// Goes to the start of the line, and keeps lines from wrapping if the terminal has become narrower meanwhile, which
/// would break the count of lines that the next frame goes up.
const FRAME_START: &str = "\r\x1b[?7l";

/// Clears what the last frame had to the right, so that no line is empty between two frames.
const LINE_END: &str = "\x1b[K\n";

/// Clears what the last frame had below, and leaves the terminal as it was, whenever the demo ends.
const FRAME_END: &str = "\x1b[J\x1b[?7h";

/// How progress is shown.
#[derive(Clone, Copy)]
enum Mode {
    /// A table that is redrawn in place, on a terminal of this size.
    Live { size: fn() -> TerminalSize },
    /// A line for each event, and one for the progress of each second.
    Plain { verbose: bool },
}

/// Shows the progress of a demo, and its verdict.
///
/// An output that cannot be written to does not stop the demo: the exit status still tells how it went.
pub struct View {
    mode: Mode,
    out: Box<dyn Write + Send>,
    /// Why nothing is written any more, if so.
    failure: Option<io::Error>,
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
    /// A table that is redrawn in place, for a terminal whose size is asked before each frame.
    pub fn live(out: Box<dyn Write + Send>, size: fn() -> TerminalSize) -> Self {
        Self::new(Mode::Live { size }, out)
    }

    /// A line for each event, and one for the progress of each second; with `verbose`, also one for each batch and each
    /// checkpoint.
    pub fn plain(out: Box<dyn Write + Send>, verbose: bool) -> Self {
        Self::new(Mode::Plain { verbose }, out)
    }

    fn new(mode: Mode, out: Box<dyn Write + Send>) -> Self {
        let rate = Rate { since: None, records: 0, per_second: 0 };
        Self { mode, out, failure: None, frame_lines: 0, log_from: 0, rate }
    }

    pub(super) fn is_verbose(&self) -> bool {
        matches!(self.mode, Mode::Plain { verbose: true })
    }

    /// Why not all could be shown, if so.
    pub(super) fn failure(&self) -> Option<Failure> {
        let failure = |error| Failure::runtime(format!("cannot write to standard output: {error}"));
        self.failure.as_ref().map(failure)
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
            Mode::Live { size } => self.draw(stage, size()),
            Mode::Plain { .. } => self.print(stage, has_new_rate),
        }
    }

    /// Replaces the last frame. All of the new one is on the screen, with the line of the cursor below it.
    fn draw(&mut self, stage: &Stage, size: TerminalSize) {
        let lines_max = size.lines.saturating_sub(1);
        let mut lines = vec![self.progress(stage)];
        lines.extend(table(&stage.board.shards()).lines().map(str::to_owned));
        lines.push(String::new());
        let (log, _) = stage.board.log_since(0);
        let log_lines = lines_max.saturating_sub(lines.len()).min(LIVE_LOG_LINES_MAX).min(log.len());
        lines.extend_from_slice(&log[log.len() - log_lines..]);
        lines.truncate(lines_max);
        let up = match self.frame_lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        self.frame_lines = lines.len();
        let cut = |line: &String| line.chars().take(size.columns).collect::<String>() + LINE_END;
        let frame: String = lines.iter().map(cut).collect();
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
        if self.failure.is_none() {
            self.failure = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).err();
        }
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
        f.debug_struct("View").field("failure", &self.failure).finish_non_exhaustive()
    }
}
