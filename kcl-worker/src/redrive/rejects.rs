use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use kcl_core::processor::{FailedBatch, OnFailureDestination, Sent};
use kcl_core::{Error, ErrorKind, Result};
use tokio::task::spawn_blocking;

use crate::Failure;

/// A new file for what was not processed, in the form of the letters, and for its owner alone (on Unix). Without a line in it
/// the file goes with this.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    file: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    bytes: u64,
}

impl Rejects {
    /// Makes the file. It must not exist: what is in it may be all that is left of something.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            Failure::usage(format!("--rejects: cannot make the file '{}': {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(Written { file, bytes: 0 }) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns once the batch is a line on the disk. What broke off is taken away again.
    pub(super) fn append(&self, batch: &FailedBatch) -> Result<()> {
        let mut line = batch.to_json()?;
        line.push('\n');
        let mut written = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = written.bytes;
        // First what broke off and could not be taken away: this would be the rest of its line.
        let appended = written
            .take_back(before)
            .and_then(|()| written.file.write_all(line.as_bytes()))
            .and_then(|()| written.file.sync_data());
        if let Err(error) = appended {
            let _or_next_time = written.take_back(before);
            let message = format!("cannot write rejects to '{}': {error}", self.path.display());
            return Err(Error::new(ErrorKind::Transient, message));
        }
        written.bytes += line.len() as u64;
        Ok(())
    }

    /// True if anything was rejected.
    pub(super) fn has_lines(&self) -> bool {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).bytes > 0
    }
}

impl Drop for Rejects {
    /// Takes the file away if nothing was rejected.
    fn drop(&mut self) {
        if !self.has_lines() {
            // An empty file does no harm.
            let _stays = fs::remove_file(&self.path);
        }
    }
}

impl Written {
    fn take_back(&mut self, bytes: u64) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(bytes)?;
        self.file.seek(io::SeekFrom::Start(bytes)).map(drop)
    }
}

/// Where records go that have failed again, while the others go on.
#[derive(Debug)]
pub(super) struct ToRejects(pub(super) Arc<Rejects>);

#[async_trait]
impl OnFailureDestination for ToRejects {
    async fn send(&self, batch: &FailedBatch) -> Result<Sent> {
        let (rejects, batch) = (Arc::clone(&self.0), batch.clone());
        let appending = spawn_blocking(move || rejects.append(&batch));
        let appended = appending.await.map_err(|error| Error::new(ErrorKind::Transient, error.to_string()));
        appended.flatten().map(|()| Sent::Taken)
    }
}
