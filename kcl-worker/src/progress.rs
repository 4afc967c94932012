//! What long work says on standard error while it goes on: on a terminal one line that is drawn anew, elsewhere a line now
//! and then. Never a word on standard output, and none of work that is soon done.

use std::io::{IsTerminal, Write, stderr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until};

/// Four times a second: more often nobody can read it.
const REDRAW_INTERVAL: Duration = Duration::from_millis(250);

/// A log gets a line as often, and so a thousand in three hours.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Back to the beginning of the line, and all of it away.
const CLEAR: &str = "\r\x1b[2K";

/// A terminal that does not say how wide it is.
const COLUMNS_USUAL: usize = 80;

/// The terminal's last line is the one that is drawn, and whatever else is written must clear it first. One process has one
/// standard error.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);

/// Does `work`, and says what `text` says of it.
pub(crate) async fn with_progress<T>(text: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    let is_terminal = stderr().is_terminal();
    Progress::new(stderr(), is_terminal, Instant::now()).during(text, work).await
}

/// To be called before anything else is written to the terminal.
pub(crate) fn make_way() {
    if IS_DRAWN.swap(false, Ordering::Relaxed) {
        write_to(&mut stderr(), CLEAR);
    }
}

/// Says how far one piece of work is.
#[derive(Debug)]
struct Progress<W> {
    out: W,
    is_terminal: bool,
    next_at: Instant,
    has_said: bool,
}

impl<W: Write> Progress<W> {
    fn new(out: W, is_terminal: bool, now: Instant) -> Self {
        let mut progress = Self { out, is_terminal, next_at: now, has_said: false };
        progress.next_at = now + progress.interval();
        progress
    }

    async fn during<T>(mut self, text: impl Fn() -> String, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            select! {
                biased;
                outcome = &mut work => {
                    self.end(&text);
                    return outcome;
                }
                () = sleep_until(self.next_at) => self.say(Instant::now(), &text),
            }
        }
    }

    fn say(&mut self, now: Instant, text: impl Fn() -> String) {
        self.next_at = now + self.interval();
        self.has_said = true;
        let text = text();
        if self.is_terminal {
            let line: String = text.chars().take(columns().saturating_sub(1)).collect();
            write_to(&mut self.out, &format!("{CLEAR}{line}"));
            IS_DRAWN.store(true, Ordering::Relaxed);
        } else {
            write_to(&mut self.out, &format!("{text}\n"));
        }
    }

    /// The last word, if there was a first one: a terminal has its line back.
    fn end(&mut self, text: impl Fn() -> String) {
        if self.is_terminal {
            make_way();
        } else if self.has_said {
            write_to(&mut self.out, &format!("{}\n", text()));
        }
    }

    fn interval(&self) -> Duration {
        if self.is_terminal { REDRAW_INTERVAL } else { LINE_INTERVAL }
    }
}

/// Standard error may be full or closed; the work goes on all the same.
fn write_to(out: &mut impl Write, text: &str) {
    let _nobody_reads = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn columns() -> usize {
    terminal_size::terminal_size_of(stderr()).map_or(COLUMNS_USUAL, |(width, _)| width.0.into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::sleep;

    use super::*;

    /// What is written of work that takes so long, and counts each second.
    async fn written(is_terminal: bool, secs: u64) -> String {
        let mut out = Vec::new();
        let done = Cell::new(0_u64);
        let work = async {
            for _ in 0..secs {
                sleep(Duration::from_secs(1)).await;
                done.set(done.get() + 1);
            }
        };
        let progress = Progress::new(&mut out, is_terminal, Instant::now());
        progress.during(|| format!("{} of {secs}", done.get()), work).await;
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_gets_a_line_now_and_then_and_one_at_the_end() {
        assert_eq!(written(false, 25).await, "10 of 25\n20 of 25\n25 of 25\n");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_soon_done_leaves_no_word() {
        assert_eq!(written(false, 9).await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_has_one_line_that_is_drawn_a_few_times_a_second() {
        let written = written(true, 2).await;
        let drawn: Vec<&str> = written.split(CLEAR).skip(1).collect();
        assert!((7..=8).contains(&drawn.len()), "{drawn:?}");
        assert!(!written.contains('\n') && drawn[0] == "0 of 2" && drawn[5] == "1 of 2", "{drawn:?}");
    }

    #[test]
    fn a_line_is_no_wider_than_the_terminal() {
        let (mut out, now) = (Vec::new(), Instant::now());
        Progress::new(&mut out, true, now).say(now, || "é".repeat(500));
        let drawn = String::from_utf8(out).unwrap();
        assert!(drawn.chars().filter(|letter| *letter == 'é').count() < 500);
    }
}
