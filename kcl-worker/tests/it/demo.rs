//! The demo from its arguments to its verdict. Its clock is paused, so minutes of it take a moment.

use std::future::{pending, ready};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use kcl_worker::Failure;
use kcl_worker::cli::{Cli, Command, DemoArgs};
use kcl_worker::demo::{self, TerminalSize, View};
use kcl_worker::signals::STATUS_INTERRUPTED;

/// What a view writes, for a test to read.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn args(options: &str) -> DemoArgs {
    let words = ["kcl-worker", "demo"].into_iter().chain(options.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Demo(args) => args,
        _ => panic!("the command is demo"),
    }
}

async fn run(options: &str, interrupted: impl Future<Output = ()>) -> (Result<u8, Failure>, String) {
    let screen = Screen::default();
    let args = args(options);
    let view = View::plain(Box::new(screen.clone()), args.verbose);
    let status = demo::run(&args, view, interrupted).await;
    (status, screen.text())
}

#[track_caller]
fn check(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no '{part}' in: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_arrives_in_order_through_a_split_a_crash_and_a_merge() {
    for (shards, workers) in [(1, 2), (2, 5), (4, 3), (9, 2)] {
        let options = format!("--reshard --kill --shards {shards} --workers {workers}");
        let (status, text) = run(&options, pending()).await;
        check(
            &text,
            &[
                "SPLIT shard 0 into",
                "KILL worker-",
                ", before it could commit a batch",
                "MERGE shard ",
                "Verdict: GOOD",
                "records put      6000",
                "delivered        6000",
            ],
        );
        assert_eq!(text.matches(" finished shard ").count(), 3, "{text}");
        assert_eq!(status, Ok(0), "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_commit_shows_as_duplicates() {
    let (status, text) = run("--kill --shards 1 --workers 2", pending()).await;
    assert_eq!(status, Ok(0), "{text}");
    assert!(!text.contains("duplicates       0 "), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_short_demo_has_room_for_everything_too() {
    for records in [0, 1, 7] {
        let (status, text) = run(&format!("--reshard --kill --records {records}"), pending()).await;
        check(&text, &["SPLIT", "KILL", "MERGE", "Verdict: GOOD", &format!("delivered        {records}\n")]);
        assert_eq!(status, Ok(0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_record_comes_after_everything_else() {
    let (status, text) = run("--reshard --records 1 --verbose", pending()).await;
    assert_eq!(status, Ok(0), "{text}");
    assert!(text.find("MERGE").unwrap() < text.find("processed 1 records").unwrap(), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_demo_says_how_far_it_came_and_is_no_success() {
    let (status, text) = run("", ready(())).await;
    check(&text, &["Verdict: UNFINISHED: interrupted"]);
    assert_eq!(status, Ok(STATUS_INTERRUPTED));
}

#[tokio::test(start_paused = true)]
async fn a_crash_that_leaves_nobody_is_refused_before_the_start() {
    let (status, text) = run("--kill --workers 1", pending()).await;
    let failure = status.unwrap_err();
    assert_eq!((failure.status(), text.as_str()), (2, ""));
    check(&failure.to_string(), &["--workers is 1", "--workers 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_demo_in_which_nobody_dies_has_no_duplicates() {
    for (shards, workers) in [(1, 2), (4, 3), (9, 2), (3, 5)] {
        let options = format!("--records 2000 --shards {shards} --workers {workers}");
        let (status, text) = run(&options, pending()).await;
        assert_eq!(status, Ok(0), "{text}");
        check(&text, &["duplicates       0 "]);
    }
}

/// Narrow, and just high enough.
const SMALL: TerminalSize = TerminalSize { columns: 40, lines: 20 };

#[tokio::test(start_paused = true)]
async fn a_live_view_shows_the_shards_and_leaves_the_terminal_as_it_was() {
    let screen = Screen::default();
    let view = View::live(Box::new(screen.clone()), || SMALL);
    assert_eq!(demo::run(&args("--records 100 --shards 20"), view, pending()).await, Ok(0));
    let text = screen.text();
    check(&text, &["shard 3     worker-", "records processed", "Verdict: GOOD"]);
    assert_eq!(text.matches("\x1b[?7l").count(), text.matches("\x1b[?7h").count());
    for frame in text.split("\x1b[?7l").skip(1) {
        let (frame, _) = frame.split_once("\x1b[J\x1b[?7h").unwrap();
        let lines: Vec<&str> = frame.split_terminator('\n').collect();
        assert!(lines.len() < SMALL.lines, "{frame}");
        for line in lines {
            let shown = line.strip_suffix("\x1b[K").unwrap();
            assert!(shown.chars().count() <= SMALL.columns && !shown.contains('\x1b'), "{shown}");
        }
    }
}
