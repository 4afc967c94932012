//! Where the demo's records come from. Input is read by a thread of its own, and never far ahead of the producer.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::generator::Generator;
use crate::Failure;
use crate::cli::DEMO_RECORDS_MAX;

/// The most bytes of a line: the service's limit for a record, which its partition key shares.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes of all lines: the demo keeps every record in memory until its verdict.
const INPUT_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Lines read ahead of the producer. Enough to keep it busy, little enough to hold when all are of full length.
const LINES_AHEAD_MAX: usize = 256;

/// The service's limit for a partition key.
const PARTITION_KEY_CHARS_MAX: usize = 256;

/// The partition key of a line without a word; the service takes no empty one.
const BLANK_LINE_KEY: &str = "-";

/// A record to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the input, from 1.
    pub(super) number: u64,
    pub(super) partition_key: String,
    pub(super) data: Bytes,
}

/// The input, in order. An error ends it.
#[derive(Debug)]
pub(super) enum Lines {
    Generated(Generator),
    Read(mpsc::Receiver<Result<Line, Failure>>),
}

impl Lines {
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Failure> {
        match self {
            Self::Generated(events) => Ok(events.next()),
            Self::Read(lines) => lines.recv().await.transpose(),
        }
    }

    /// How many lines are still to come; `None` while the end is not in sight.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Generated(events) => Some(events.left()),
            Self::Read(lines) => lines.is_closed().then_some(lines.len() as u64),
        }
    }
}

type LineSender = mpsc::Sender<Result<Line, Failure>>;

/// Begins to read a file, or standard input for `-`.
pub(super) fn open(path: &Path) -> Result<Lines, Failure> {
    if path == Path::new("-") {
        return Ok(read_ahead(|sender| {
            read_lines(io::stdin().lock(), "standard input", &sender);
        }));
    }
    let path = path.to_owned();
    let name = format!("'{}'", path.display());
    if !may_block(&path) {
        let file = open_file(&path, &name)?;
        return Ok(read_ahead(move |sender| read_lines(BufReader::new(file), &name, &sender)));
    }
    Ok(read_ahead(move |sender| match open_file(&path, &name) {
        Ok(file) => read_lines(BufReader::new(file), &name, &sender),
        Err(failure) => {
            let _nobody_waits = sender.blocking_send(Err(failure));
        }
    }))
}

/// True for a pipe, which opens only when somebody writes to it, and perhaps for a device. All else is opened before
/// the start, so that a mistake shows at once.
fn may_block(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn open_file(path: &Path, name: &str) -> Result<File, Failure> {
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    opened.map_err(|error| {
        Failure::usage(format!(
            "cannot open {name}: {error}; --input takes a readable file, or - for standard input"
        ))
    })
}

fn read_ahead(read: impl FnOnce(LineSender) + Send + 'static) -> Lines {
    let (sender, lines) = mpsc::channel(LINES_AHEAD_MAX);
    spawn_blocking(move || read(sender));
    Lines::Read(lines)
}

fn read_lines(mut input: impl BufRead, name: &str, sender: &LineSender) {
    let mut bytes = 0;
    for number in 1.. {
        let line = match read_line(&mut input) {
            Ok(None) => return,
            Ok(Some(data)) => {
                bytes += data.len();
                check_size(name, number, data.len(), bytes).map(|()| Line::new(number, data))
            }
            Err(error) => Err(Failure::usage(format!("cannot read line {number} of {name}: {error}"))),
        };
        let at_end = line.is_err();
        if sender.blocking_send(line).is_err() || at_end {
            return;
        }
    }
}

/// The next line without its line feed; longer than permitted, but never by much, if it is too long.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let enough = LINE_BYTES_MAX as u64 + 2;
    if input.take(enough).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    line.pop_if(|last| *last == b'\n');
    Ok(Some(line))
}

fn check_size(name: &str, number: u64, line_bytes: usize, bytes: usize) -> Result<(), Failure> {
    if line_bytes > LINE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "line {number} of {name} is longer than {LINE_BYTES_MAX} bytes, the most that a record can hold; cut it"
        )));
    }
    if number > DEMO_RECORDS_MAX || bytes > INPUT_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{name} is too large at line {number}: the demo keeps all of it in memory, and takes at most \
             {DEMO_RECORDS_MAX} lines and {INPUT_BYTES_MAX} bytes; feed it a part"
        )));
    }
    Ok(())
}

impl Line {
    pub(super) fn new(number: u64, data: Vec<u8>) -> Self {
        Self { number, partition_key: partition_key(&data), data: data.into() }
    }
}

/// The line's first word.
fn partition_key(line: &[u8]) -> String {
    let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
    match word {
        // A character has at most four bytes: more of a word of a megabyte need not be looked at.
        Some(word) => String::from_utf8_lossy(&word[..word.len().min(4 * PARTITION_KEY_CHARS_MAX)])
            .chars()
            .take(PARTITION_KEY_CHARS_MAX)
            .collect(),
        None => BLANK_LINE_KEY.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the producer gets of an input. The channel holds all of a short one.
    fn read(input: &[u8]) -> Vec<Result<Line, Failure>> {
        let (sender, mut lines) = mpsc::channel(LINES_AHEAD_MAX);
        read_lines(input, "the test", &sender);
        std::iter::from_fn(|| lines.try_recv().ok()).collect()
    }

    fn contents(input: &[u8]) -> Vec<Vec<u8>> {
        read(input).into_iter().map(|line| line.unwrap().data.to_vec()).collect()
    }

    #[test]
    fn a_line_is_a_record_with_or_without_a_line_feed_at_the_end() {
        assert_eq!(contents(b""), Vec::<Vec<u8>>::new());
        assert_eq!(contents(b"a\n\nb\n"), [&b"a"[..], b"", b"b"]);
        assert_eq!(contents(b"a\n\nb"), [&b"a"[..], b"", b"b"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_passed_on() {
        let lines = read(b"\xff\xfe rest\n");
        let line = lines[0].as_ref().unwrap();
        assert_eq!(line.data, &b"\xff\xfe rest"[..]);
        assert_eq!(line.partition_key, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_partition_key_is_the_first_word_within_the_limit_of_the_service() {
        assert_eq!(partition_key(b"  user-1\tpaid 7"), "user-1");
        assert_eq!(partition_key(b" \t "), "-");
        assert_eq!(partition_key("é".repeat(300).as_bytes()), "é".repeat(256));
    }

    #[test]
    fn a_line_of_the_longest_size_is_read_and_a_longer_one_ends_the_input_with_its_number() {
        let mut input = b"a\n".to_vec();
        input.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX));
        input.extend(b"\nb\n");
        assert_eq!(contents(&input).len(), 3);
        input.insert(2, b'x');
        let lines = read(&input);
        assert_eq!(lines.len(), 2);
        let error = lines[1].as_ref().unwrap_err();
        assert_eq!(error.status(), 2);
        assert!(error.to_string().contains("line 2 of the test is longer"), "{error}");
    }

    #[test]
    fn an_input_that_does_not_fit_is_refused_where_it_becomes_too_large() {
        assert_eq!(check_size("x", DEMO_RECORDS_MAX, 1, INPUT_BYTES_MAX), Ok(()));
        assert!(check_size("x", DEMO_RECORDS_MAX + 1, 1, 1).is_err());
        assert!(check_size("x", 1, 1, INPUT_BYTES_MAX + 1).is_err());
    }
}
