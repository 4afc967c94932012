mod append;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use self::append::Series;
use super::{FailedBatch, OnFailureDestination, Sent};
use crate::error::{Error, ErrorKind, Result};

/// When a file is full, unless [`JsonLinesFile::with_file_bytes_max`] says otherwise: small enough to open in an editor, and
/// large enough that a million small records fill some ten files.
pub const JSON_LINES_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Appends each batch as one line of JSON to a file, and begins another file when it is full.
///
/// Files are named `WORKER.MILLISECONDS.jsonl`, by the worker and the time of their first batch, and readable by their owner
/// alone (on Unix). They are **never deleted**: that is for whoever deals with the records. A file may be moved away or
/// deleted at any moment, also one that is written; whoever holds its lock (`flock`, `LockFileEx`) is alone with it, and the
/// worker waits.
///
/// A batch is taken once its line is on the disk. A line that broke off in a crash is left as it is; the next begins on a
/// line of its own. The batch of such a line was not taken, so it comes again.
///
/// Clones write in turn. It takes batches of every size.
#[derive(Debug, Clone)]
pub struct JsonLinesFile {
    directory: PathBuf,
    file_bytes_max: u64,
    /// Held by whoever writes, also where the future that waits for it is dropped. So at most one thread is at the disk.
    turn: Arc<Mutex<()>>,
}

impl JsonLinesFile {
    /// Writes to files in `directory`, which is made when the first batch comes, for its owner alone (on Unix).
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), file_bytes_max: JSON_LINES_FILE_BYTES_MAX, turn: Arc::default() }
    }

    /// Begins another file where a line would make one larger than this. A line that alone is larger has a file of its own.
    /// The default is [`JSON_LINES_FILE_BYTES_MAX`].
    pub fn with_file_bytes_max(mut self, bytes: u64) -> Self {
        self.file_bytes_max = bytes;
        self
    }
}

#[async_trait]
impl OnFailureDestination for JsonLinesFile {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let mut line = batch.to_json()?;
        line.push('\n');
        let series = Series::new(self.directory.clone(), &batch.worker, self.file_bytes_max);
        let now = batch.given_up_at;
        // No await between here and the turn: a send that is dropped has written nothing, or writes to the end.
        let appending = spawn_blocking(move || {
            let appended = series.append(line.as_bytes(), now);
            drop(turn);
            appended
        });
        appending.await.map_err(|error| {
            Error::new(ErrorKind::Transient, "writing a failed batch ended early").with_source(error)
        })??;
        Ok(Sent::Taken)
    }
}

#[cfg(test)]
mod tests;
