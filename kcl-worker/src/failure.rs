use std::fmt;

use crate::signals::STATUS_INTERRUPTED;

/// Why a command could not do what it was asked to: a message for a person, and an exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The command line, a setting or the input is not acceptable. Status 2, as for an unknown option.
    Usage(String),
    /// Something did not work. Status 1.
    Runtime(String),
    /// It was stopped by a signal before it was done. Status 130, as of a program that Ctrl-C ended.
    Interrupted(String),
}

impl Failure {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Runtime(_) => 1,
            Self::Interrupted(_) => STATUS_INTERRUPTED,
        }
    }

    pub(crate) fn usage(problem: impl fmt::Display) -> Self {
        Self::Usage(problem.to_string())
    }

    pub(crate) fn interrupted(problem: impl fmt::Display) -> Self {
        Self::Interrupted(problem.to_string())
    }

    pub(crate) fn runtime(problem: impl fmt::Display) -> Self {
        Self::Runtime(problem.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Runtime(message) | Self::Interrupted(message) => {
                f.write_str(message)
            }
        }
    }
}

impl std::error::Error for Failure {}
