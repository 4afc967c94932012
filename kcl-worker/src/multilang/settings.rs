use std::path::PathBuf;
use std::time::Duration;

use kcl_core::{Error, ErrorKind, Result};

/// Names of variables that a child gets if the worker has them: what programs need to run at all, and no secret.
pub const SAFE_ENVIRONMENT: [&str; 7] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"];

/// A message of a child has some two hundred bytes; the rest is room for mistakes that are worth a look.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Half a minute of a shard that is written to at its limit of 1 MiB a second, and then some.
const REDELIVERY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How children are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSettings {
    /// The program and its arguments. Looked for in the worker's `PATH`.
    pub command: Vec<String>,
    /// The names of environment variables that are passed on to children if the worker has them, beside
    /// [`SAFE_ENVIRONMENT`]. Nothing else is, so one that calls AWS itself needs the names of its credentials here.
    /// Default: none.
    pub environment: Vec<String>,
    /// How long each message of a child may take, as `timeoutInSeconds` of the Java daemon. A child that takes longer is
    /// killed, and its call has failed. Default: no limit, as in Java.
    pub message_timeout: Option<Duration>,
    /// How long a child may take to exit once its standard input is closed, before it is asked to by SIGTERM. Default 5 s.
    pub exit_grace: Duration,
    /// The longest line that is read from a child. What is longer is counted and skipped. Default 64 KiB.
    pub line_bytes_max: usize,
    /// How many bytes of records are kept for each shard to give them to a fresh child, of those that a child has taken and
    /// not committed. Default 64 MiB. A shard whose child fails with more than that in its hands is given up, and read again
    /// from its checkpoint.
    pub redelivery_bytes_max: usize,
    /// What it means that the library of a child reports an exception of the processor and goes on. Default: it is counted.
    pub swallowed_exceptions: SwallowedExceptions,
    /// The program that runs the [guard](super::guard_if_asked). Default: the one that is running.
    pub guard: PathBuf,
}

/// What it means that the library of a child reports an exception of the processor on standard error and goes on as if
/// nothing had happened, as those for Python and Ruby do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SwallowedExceptions {
    /// A warning and the counter `kcl_exec_swallowed_exceptions_total`; the records count as processed. The default, as
    /// with the Java daemon: a processor that handles an exception and logs it with its traceback looks the same.
    #[default]
    Count,
    /// The call has failed, so that the failure policy decides.
    Fail,
}

impl ExecSettings {
    /// The defaults for this command.
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            environment: Vec::new(),
            message_timeout: None,
            exit_grace: Duration::from_secs(5),
            line_bytes_max: LINE_BYTES_MAX,
            redelivery_bytes_max: REDELIVERY_BYTES_MAX,
            swallowed_exceptions: SwallowedExceptions::default(),
            guard: running_program(),
        }
    }

    /// The words of a command line, split at spaces as Java's daemon does: there are no quotes.
    pub fn split_command(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// Fails with [`ErrorKind::Refused`], naming the value, if no child could run with these settings.
    pub fn validate(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::Refused, message));
        if self.command.first().is_none_or(String::is_empty) {
            return refuse(
                "the command of the processor is empty; name a program, and its arguments after it",
            );
        }
        if self.message_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return refuse("message_timeout is zero; no child could keep it");
        }
        if self.line_bytes_max < LINE_BYTES_LEAST {
            return refuse("line_bytes_max is below 1024; a message of a child would not fit");
        }
        if let Some(name) = self.environment.iter().find(|name| name.is_empty() || name.contains(['=', '\0']))
        {
            return refuse(&format!("'{name}' cannot be the name of an environment variable"));
        }
        Ok(())
    }
}

/// A checkpoint with the longest sequence number fits.
const LINE_BYTES_LEAST: usize = 1024;

/// Linux finds the file also after another has taken its name, as an upgrade does.
fn running_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("kcl-worker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_child_could_run_with_is_named() {
        let good = || ExecSettings::new(ExecSettings::split_command("  python3  app.py "));
        assert_eq!(good().command, ["python3", "app.py"]);
        good().validate().unwrap();
        for (settings, named) in [
            (ExecSettings::new(Vec::new()), "command"),
            (ExecSettings { message_timeout: Some(Duration::ZERO), ..good() }, "message_timeout"),
            (ExecSettings { line_bytes_max: 10, ..good() }, "line_bytes_max"),
            (ExecSettings { environment: vec!["A=B".to_owned()], ..good() }, "'A=B'"),
        ] {
            let error = settings.validate().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
