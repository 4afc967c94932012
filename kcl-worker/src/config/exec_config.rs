use std::time::Duration;

/// The program that is run for each shard, with [`ProcessorKind::Exec`](super::ProcessorKind::Exec).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecConfig {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The names of the variables that it gets of the worker's environment, beside a few that are safe.
    pub environment: Vec<String>,
    /// How long it may take for an answer. Default: no limit.
    pub timeout: Option<Duration>,
    /// How long it may take to exit once its standard input is closed.
    pub exit_grace: Duration,
    /// The longest line that is read from it.
    pub line_bytes_max: usize,
    /// How many bytes of records are kept for each shard, to give them to a fresh child.
    pub redelivery_bytes_max: usize,
    /// True if an exception that the child's library reports and swallows has failed the call; or else it is counted.
    pub swallowed_exceptions_fail: bool,
}

impl Default for ExecConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            environment: Vec::new(),
            timeout: None,
            exit_grace: Duration::from_secs(5),
            line_bytes_max: 64 * 1024,
            redelivery_bytes_max: 64 * 1024 * 1024,
            swallowed_exceptions_fail: false,
        }
    }
}
