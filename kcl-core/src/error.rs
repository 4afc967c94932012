//! The one error type of the library.
//!
//! A kind says what the caller should do; the message says what was wrong, with which value, and what to try.
//! Losing a race for a lease is never an error: see [`Conditional`](crate::lease::Conditional).

use std::error::Error as StdError;
use std::fmt;

/// A result with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller should do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Passing trouble (time-out, connection reset, 5xx). Try again; a write may have been applied.
    Transient,
    /// The service asked for fewer calls. Try again, more slowly.
    Throttled,
    /// A shard iterator is older than its five minutes, or no longer valid. Get a new one and go on.
    IteratorExpired,
    /// Another subscription of the same consumer holds the shard, or did until seconds ago; or a stream or consumer is just
    /// being created. Expected after a move of a shard: wait some seconds and try again.
    InUse,
    /// The stream, shard or table does not exist, or no longer does.
    NotFound,
    /// The lease belongs to somebody else now. Stop working on the shard.
    LeaseLost,
    /// Credentials, permissions, settings or arguments are not acceptable. A person must mend them.
    Refused,
    /// Stored or received data does not have the form it must have.
    Corrupt,
}

/// An error of the library: a [kind](ErrorKind), a message, and the error that caused it, if any.
///
/// Both `Display` and `Debug` are for people, since a `main` that returns an error prints it by `Debug`.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. The message should name the value that was wrong and what to try.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Keeps the error that caused this one.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// True if the same call may succeed later without anybody's help.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Transient | ErrorKind::Throttled | ErrorKind::InUse)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.message, self.kind)?;
        match &self.source {
            Some(source) => write!(f, ", caused by: {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
