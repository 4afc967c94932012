//! The `kcl-worker` binary: see the library of the same name.

use std::fmt::Display;
use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use kcl_worker::cli::Cli;

fn main() -> ExitCode {
    #[cfg(unix)]
    if let Some(status) = kcl_worker::multilang::guard_if_asked() {
        return status;
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(kcl_worker::execute(cli));
    // Waits for nothing: a thread that reads standard input may never come back.
    runtime.shutdown_background();
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.status())
        }
    }
}

/// Standard error may be full or closed, which `eprintln!` panics at; the exit status still tells.
fn complain(problem: impl Display) {
    let _nobody_reads = writeln!(stderr(), "error: {problem}");
}
