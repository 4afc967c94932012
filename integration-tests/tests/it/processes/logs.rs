//! What is on standard error, and in which form.

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::worker_process::kcl_worker;
use crate::backend::{Backend, WAIT_MAX, unique_name};

/// What a worker logs that finds no stream, line by line, without the words with which it ends.
async fn log(backend: &Backend, variable: Option<&str>, format: &str) -> Vec<String> {
    let mut command: Command = kcl_worker();
    command
        .envs(backend.environment())
        .env_remove("RUST_LOG")
        .envs(variable.map(|value| ("RUST_LOG", value)));
    command.args([
        "--stream",
        &unique_name("missing"),
        "--application",
        "application",
        "--log-format",
        format,
    ]);
    let output = timeout(WAIT_MAX, command.output()).await.unwrap().unwrap();
    let mut lines: Vec<String> =
        String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
    assert!(lines.pop().unwrap().contains("ResourceNotFoundException"));
    lines
}

#[tokio::test]
async fn the_log_has_what_the_variable_chooses() {
    let backend = Backend::in_process().await;
    let of = |part: &'static str| move |line: &String| line.contains(part);
    // Nothing happens before this worker ends that anybody needs to know.
    for usual in [None, Some("")] {
        assert_eq!(log(&backend, usual, "text").await, [""; 0]);
    }
    let all = log(&backend, Some("trace"), "text").await;
    assert!(all.iter().any(of("TRACE")) && all.iter().any(of("DEBUG")), "{all:#?}");
    let chosen = log(&backend, Some("off,aws_smithy_runtime=debug"), "text").await;
    assert!(!chosen.is_empty() && chosen.iter().all(of("DEBUG")), "{chosen:#?}");
    assert!(chosen.iter().all(of("aws_smithy_runtime")), "{chosen:#?}");
}

#[tokio::test]
async fn a_log_for_machines_is_an_object_in_each_line() {
    let backend = Backend::in_process().await;
    let log = log(&backend, Some("debug"), "json").await;
    assert!(!log.is_empty());
    for line in &log {
        let line: Value = serde_json::from_str(line).unwrap();
        for field in ["timestamp", "level", "target", "fields"] {
            assert!(!line[field].is_null(), "no {field} in {line}");
        }
    }
}
