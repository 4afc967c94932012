//! Files of lines, on a thread that may block.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Timestamp, WorkerId};

/// How often a file is opened that is moved away, or filled by another process, before it is locked. Nobody does that so
/// often.
const OPENINGS_MAX: usize = 10;

/// The most characters of a worker's name in the name of a file: with the rest of it less than the 255 that file systems
/// allow.
const WORKER_CHARS_MAX: usize = 128;

/// For their owner alone: records may be secret.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;

/// What others than the owner may do.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// The files of one worker, in the order of the numbers in their names.
#[derive(Debug)]
pub(super) struct Series {
    directory: PathBuf,
    worker: String,
    file_bytes_max: u64,
}

impl Series {
    /// Names of workers that differ only in characters that file names do not allow share their files, which the lock
    /// permits.
    pub(super) fn new(directory: PathBuf, worker: &WorkerId, file_bytes_max: u64) -> Self {
        let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let letters = worker.as_str().chars().take(WORKER_CHARS_MAX);
        let worker = letters.map(|letter| if legal(letter) { letter } else { '_' }).collect();
        Self { directory, worker, file_bytes_max }
    }

    /// Returns once the line is on the disk.
    pub(super) fn append(&self, line: &[u8], now: Timestamp) -> Result<()> {
        let failed = |path: &Path, error: &io::Error| self.failed(path, error);
        create_directory(&self.directory).map_err(|error| failed(&self.directory, &error))?;
        for _ in 0..OPENINGS_MAX {
            let path = self.choose(line.len(), now).map_err(|error| failed(&self.directory, &error))?;
            let appended = append_to(&path, line, self.file_bytes_max);
            if appended.map_err(|error| failed(&path, &error))? {
                return sync_directory(&self.directory).map_err(|error| failed(&self.directory, &error));
            }
        }
        let moved =
            io::Error::other(format!("its files were moved away or filled {OPENINGS_MAX} times in a row"));
        Err(failed(&self.directory, &moved))
    }

    /// The newest file, or another if a line of `length` bytes has no room in it.
    ///
    /// Numbers are times, so that they are not used again when all files are moved away; and they ascend, even if the
    /// clock does not.
    fn choose(&self, length: usize, now: Timestamp) -> io::Result<PathBuf> {
        let number = u64::try_from(now.as_millis()).unwrap_or(0);
        let Some(newest) = self.newest()? else {
            return Ok(self.path(number));
        };
        let path = self.path(newest);
        let used = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let is_full = !has_room(used, length, self.file_bytes_max);
        Ok(if is_full { self.path(number.max(newest.saturating_add(1))) } else { path })
    }

    fn newest(&self) -> io::Result<Option<u64>> {
        let mut newest = None;
        for entry in fs::read_dir(&self.directory)? {
            newest = newest.max(entry?.file_name().to_str().and_then(|name| self.number(name)));
        }
        Ok(newest)
    }

    fn number(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&self.worker)?.strip_prefix('.')?.strip_suffix(".jsonl")?.parse().ok()
    }

    /// The number has the width that times have until the year 2286, so that names are in the same order.
    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{}.{number:013}.jsonl", self.worker))
    }

    fn failed(&self, path: &Path, error: &io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => ErrorKind::Refused,
            _ => ErrorKind::Transient,
        };
        let path = path.display();
        let advice = "The disk must have room, and the worker the right to write there.";
        Error::new(
            kind,
            format!("cannot write failed batches of worker '{}' to '{path}': {error}. {advice}", self.worker),
        )
    }
}

/// True if a line of `length` bytes goes into a file that has `used`.
fn has_room(used: u64, length: usize, file_bytes_max: u64) -> bool {
    used == 0 || used.saturating_add(length as u64) <= file_bytes_max
}

/// Appends on a line of its own, and returns once it is on the disk; or returns false if the file is no longer there, or has
/// no room any more.
fn append_to(path: &Path, line: &[u8], file_bytes_max: u64) -> io::Result<bool> {
    let mut file = open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        // Not waited for: a thread cannot be told to stop waiting, and the caller comes again.
        Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process holds its lock")),
        // Then the names of the files must keep workers apart.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if !is_at(&file, path)? {
        return Ok(false);
    }
    let before = file.metadata()?.len();
    // Another process may have filled it since it was chosen.
    if !has_room(before, line.len(), file_bytes_max) {
        return Ok(false);
    }
    let written = write_line(&mut file, before, line);
    if written.is_err() {
        // What there is of it goes again if it can, so that it fills no disk. If it stays, the next line begins anew.
        let _ = file.set_len(before);
    }
    written.map(|()| true)
}

fn write_line(file: &mut File, length: u64, line: &[u8]) -> io::Result<()> {
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    file.write_all(line)?;
    file.sync_all()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
    let file = options.open(path)?;
    keep_private(&file)?;
    Ok(file)
}

/// The mode of a file that is there already is left alone by opening it.
#[cfg(unix)]
fn keep_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = file.metadata()?.permissions();
    if permissions.mode() & OTHERS == 0 {
        return Ok(());
    }
    permissions.set_mode(FILE_MODE);
    file.set_permissions(permissions)
}

#[cfg(not(unix))]
fn keep_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// True if `path` names the file that is open: a line that goes elsewhere would be lost to its readers.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

fn create_directory(directory: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_directory)
}

/// A name in a directory outlives a crash once the directory is on the disk. Elsewhere than on Unix it cannot be opened.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(here)?.sync_all()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_another_filled_since_it_was_chosen_is_left_alone() {
        let directory = std::env::temp_dir().join(format!("kcl-append-{}-filled", std::process::id()));
        let series = Series::new(directory.clone(), &WorkerId::new("a").unwrap(), 4);
        let now = Timestamp::from_millis(1);
        series.append(b"1\n", now).unwrap();
        let chosen = series.choose(2, now).unwrap();
        series.append(b"2\n", now).unwrap();
        assert!(!append_to(&chosen, b"3\n", 4).unwrap());
        series.append(b"3\n", now).unwrap();
        let text = |number| fs::read_to_string(series.path(number)).unwrap();
        assert_eq!([text(1), text(2)], ["1\n2\n", "3\n"]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_others_may_read_is_theirs_no_longer() {
        use std::os::unix::fs::PermissionsExt;
        let directory = std::env::temp_dir().join(format!("kcl-append-{}-private", std::process::id()));
        let series = Series::new(directory.clone(), &WorkerId::new("a").unwrap(), 100);
        let path = series.path(1);
        create_directory(&directory).unwrap();
        fs::write(&path, "1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        series.append(b"2\n", Timestamp::from_millis(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_was_moved_or_replaced_is_not_at_its_path() {
        let path = std::env::temp_dir().join(format!("kcl-append-{}", std::process::id()));
        let file = open(&path).unwrap();
        assert!(is_at(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path).unwrap());
        let _replaced = open(&path).unwrap();
        assert!(!is_at(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
    }
}
