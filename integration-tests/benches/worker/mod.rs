//! The program that benchmarks of processes start, and end.

use std::process::Stdio;

use kcl_core::model::StreamId;
use tokio::process::{Child, Command};

use crate::backend::Backend;

/// Names another program than the one that was built with the benchmark, such as the static one. Not `KCL_...`: the program
/// reads those.
const PROGRAM_VARIABLE: &str = "WORKER_PROGRAM";

/// The program's path.
pub(crate) fn program() -> String {
    std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| env!("CARGO_BIN_EXE_kcl-worker-under-test").to_owned())
}

/// `run` on this stream, with a table of the same name. Its standard output is piped, its log goes nowhere.
pub(crate) fn run(backend: &Backend, stream: &StreamId) -> Command {
    let mut command = Command::new(program());
    command.args(["run", "--stream", stream.name(), "--application", stream.name()]);
    command.envs(backend.environment()).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// SIGTERM, by the shell's own `kill`: there is a shell on every Unix, and no unsafe code in it.
pub(crate) async fn terminate(process: &Child) {
    let kill = format!("kill -TERM {}", process.id().unwrap());
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
}

/// A line of a table: a name and three numbers.
pub(crate) fn print_row(name: &str, [first, second, third]: [&str; 3]) {
    println!("{name:<44}{first:>9}{second:>9}{third:>9}");
}

/// The least, the middle and the most of these.
pub(crate) fn summary<T: PartialOrd + Copy>(mut values: Vec<T>) -> [T; 3] {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
