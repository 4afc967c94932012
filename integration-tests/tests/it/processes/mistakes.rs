//! Mistakes in the set-up end the process with a status, and with words on standard error that say what was wrong, with
//! which value, and what to do. Standard output stays empty.

use tokio::process::Command;
use tokio::time::timeout;

use super::worker_process::kcl_worker;
use crate::backend::{Backend, WAIT_MAX, unique_name};

/// Status of what did not work, and of what cannot be meant.
const FAILED: i32 = 1;
const USAGE: i32 = 2;

async fn check(mut command: Command, status: i32, parts: &[&str]) {
    let output = timeout(WAIT_MAX, command.output()).await.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{log}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    for part in parts {
        assert!(log.contains(part), "no '{part}' in: {log}");
    }
}

fn command(backend: &Backend, stream: &str, application: &str) -> Command {
    let mut command = kcl_worker();
    command.envs(backend.environment()).args(["--stream", stream, "--application", application]);
    command
}

#[tokio::test]
async fn a_stream_that_does_not_exist() {
    let backend = Backend::start().await;
    let (stream, application) = (unique_name("missing"), unique_name("application"));
    let parts = [&stream, "ResourceNotFoundException", "region"];
    check(command(&backend, &stream, &application), FAILED, &parts).await;
}

#[tokio::test]
async fn a_table_of_another_shape() {
    let backend = Backend::start().await;
    let stream = backend.create_stream(1).await;
    let table = backend.create_foreign_table().await;
    let command = command(&backend, stream.name(), &table);
    check(command, FAILED, &[&table, "HASH leaseKey of type S", "choose another"]).await;
}

/// Nothing of this machine's user may be found: neither variables, nor files, nor the instance's role.
#[tokio::test]
async fn no_credentials() {
    let backend = Backend::start().await;
    let stream = backend.create_stream(1).await;
    let mut command = command(&backend, stream.name(), stream.name());
    let endpoints = backend.environment();
    command.env_clear().envs(endpoints.into_iter().filter(|(name, _)| !name.contains("KEY")));
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    check(command, FAILED, &[stream.name(), "AWS_ACCESS_KEY_ID", "AWS_PROFILE"]).await;
}

#[tokio::test]
async fn what_the_command_line_and_the_environment_cannot_mean() {
    let backend = Backend::in_process().await;
    for (option, value, part) in [
        ("--nonsense", "1", "--nonsense"),
        ("--failover-time-ms", "7", "1000 to 86400000"),
        ("--worker-id", "", "worker id"),
        ("--initial-position", "soon", "trim-horizon, latest"),
    ] {
        let mut command = command(&backend, "orders", "application");
        command.args([option, value]);
        check(command, USAGE, &[part]).await;
    }
    let mut command = command(&backend, "orders", "application");
    command.env("AWS_ENDPOINT_URL", "htp://me:s3cret@localhost");
    check(command, USAGE, &["AWS_ENDPOINT_URL is 'htp://***@localhost'", "http or https"]).await;
}
