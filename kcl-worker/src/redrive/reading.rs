use std::fs::File;
use std::io::{self, BufRead, BufReader, stdin};
use std::path::Path;

use kcl_core::processor::FailedBatch;
use tokio::select;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::letters::{BadLine, Letters};
use crate::Failure;

/// What is read is held in memory until all of it is processed. More is a matter for several files, which can be cut
/// between any two lines.
const INPUT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The most of a problem that is told: a line may be of any length, and the problem may quote it.
const PROBLEM_CHARS_MAX: usize = 300;

/// Reads all letters of a file, or of standard input if it is called `-`; nothing if it is stopped meanwhile.
pub(super) async fn read(path: &Path, stop: &CancellationToken) -> Result<Option<Letters>, Failure> {
    let (path, is_input) = (path.to_owned(), path.as_os_str() == STANDARD_INPUT);
    let name = if is_input { "standard input".to_owned() } else { format!("'{}'", path.display()) };
    // Whoever types at standard input may never come to an end.
    let reading = spawn_blocking(move || {
        if is_input {
            return read_lines(stdin().lock(), INPUT_BYTES_MAX);
        }
        File::open(path).and_then(|file| read_lines(BufReader::new(file), INPUT_BYTES_MAX))
    });
    let read = select! {
        biased;
        () = stop.cancelled() => return Ok(None),
        read = reading => read.unwrap_or_else(|error| Err(io::Error::other(error))),
    };
    let (letters, bad) = read.map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    if bad.is_empty() { Ok(Some(letters)) } else { Err(refused(&name, &bad)) }
}

/// The letters, and the lines that are none. Blank lines are nothing.
fn read_lines(input: impl BufRead, bytes_max: u64) -> io::Result<(Letters, Vec<BadLine>)> {
    let mut input = input.take(bytes_max.saturating_add(1));
    let (mut letters, mut bad) = (Letters::default(), Vec::new());
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let added = match FailedBatch::from_json(&text) {
            Ok(batch) => letters.add(line, batch),
            Err(error) => Err(BadLine { line, problem: error.to_string() }),
        };
        bad.extend(added.err());
    }
    if input.limit() == 0 {
        return Err(io::Error::other(format!(
            "it has more than {bytes_max} bytes, which are held in memory; split it between two lines"
        )));
    }
    bad.extend(letters.sort());
    Ok((letters, bad))
}

fn refused(name: &str, bad: &[BadLine]) -> Failure {
    let lines: Vec<String> =
        bad.iter().map(|bad| format!("\n  {bad}").chars().take(PROBLEM_CHARS_MAX).collect()).collect();
    Failure::usage(format!(
        "{} lines of {name} cannot be redriven, so nothing is; a line that broke off in a crash of its worker was written \
         again, and can be taken out:{}",
        bad.len(),
        lines.concat()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_is_too_large_is_not_read_in_part() {
        let blank = &b"\n\n\n\n"[..];
        assert!(read_lines(blank, 4).is_ok());
        let error = read_lines(blank, 3).unwrap_err().to_string();
        assert!(error.contains("more than 3 bytes"), "{error}");
    }
}
