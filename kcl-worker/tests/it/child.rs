//! The binary: its streams, its exit statuses and its words.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The binary with these options, and with nothing of AWS in its environment.
pub(super) fn command(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcl-worker"));
    command.args(options).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn run(options: &[&str]) -> Output {
    command(options).output().unwrap()
}

fn run_with_input(options: &[&str], input: &[u8]) -> Output {
    let mut child = command(options).stdin(Stdio::piped()).spawn().unwrap();
    // A child that refuses its input does not read all of it.
    let _refused = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Checks the status, and that standard output and standard error hold these parts.
#[track_caller]
pub(super) fn check(output: &Output, status: i32, stdout_parts: &[&str], stderr_parts: &[&str]) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    for part in stdout_parts {
        assert!(stdout.contains(part), "no '{part}' in: {stdout}{stderr}");
    }
    for part in stderr_parts {
        assert!(stderr.contains(part), "no '{part}' in: {stderr}");
    }
    assert_eq!(output.status.code(), Some(status), "{stdout}{stderr}");
}

pub(super) fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn the_demo_survives_a_reshard_and_a_crash() {
    let output = run(&["demo", "--reshard", "--kill", "--records", "300"]);
    check(&output, 0, &["SPLIT", "KILL", "MERGE", "Verdict: GOOD", "delivered        300\n"], &[]);
    assert_eq!(output.stderr, b"");
}

#[test]
fn the_lines_of_a_file_are_the_records() {
    let path = file("lines.txt", b"a 1\nb \xff\n\na 2");
    let output = run(&["demo", "--input", path.to_str().unwrap()]);
    check(&output, 0, &["Verdict: GOOD", "delivered        4\n"], &[]);
}

#[test]
fn the_lines_of_standard_input_are_the_records() {
    let output = run_with_input(&["demo", "--input", "-"], b"a 1\nb 2\nc 3\n");
    check(&output, 0, &["Verdict: GOOD", "delivered        3\n"], &[]);
    let output = run_with_input(&["demo", "--input", "-"], b"");
    check(&output, 0, &["Verdict: GOOD", "delivered        0\n", "none came"], &[]);
}

#[test]
fn a_file_that_cannot_be_read_is_named_before_anything_starts() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    for path in ["/no/such/file", directory] {
        let output = run(&["demo", "--input", path]);
        check(&output, 2, &[], &[&format!("cannot open '{path}'"), "--input takes"]);
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_line_that_no_record_can_hold_is_named() {
    let mut content = b"a\n".to_vec();
    content.extend(std::iter::repeat_n(b'x', 2 * 1024 * 1024));
    let path = file("long.txt", &content);
    let output = run(&["demo", "--input", path.to_str().unwrap()]);
    check(&output, 2, &["Verdict: UNFINISHED"], &["line 2 of", "long.txt", "longer than 1048576 bytes"]);
}

/// Within the limit as a line, and above it as a record, which counts its partition key.
#[test]
fn a_line_whose_key_makes_it_too_long_is_named() {
    let content = [vec![b'k'; 10], b" ".repeat(1024 * 1024 - 10)].concat();
    let output = run_with_input(&["demo", "--input", "-"], &content);
    check(&output, 2, &["Verdict: UNFINISHED"], &["line 1 of the input", "1048586 bytes"]);
}

#[test]
fn bad_options_are_refused_with_the_value_and_what_is_permitted() {
    let run_with = |option, value| run(&["run", "--stream", "s", "--application", "app", option, value]);
    for (output, parts) in [
        (run(&["demo", "--shards", "0"]), ["'0' for '--shards", "1 to 256"]),
        (run(&["demo", "--shards", "-1"]), ["'-1' for '--shards", "1 to 256"]),
        (run(&["demo", "--no-such-option"]), ["--no-such-option", "Usage"]),
        (run(&["run", "--stream", "s"]), ["application is missing", "--application"]),
        (run(&["run", "--stream", "a b", "--application", "app"]), ["'a b' is not a stream name", "letters"]),
        (run(&["run", "--stream", "s", "--application", "a b"]), ["--application is 'a b'", "3 to 255"]),
        (run_with("--table", "ab"), ["--table is 'ab'", "3 to 255"]),
        (run_with("--region", ""), ["--region is ''", "eu-west-1"]),
        (run_with("--endpoint-url", ""), ["--endpoint-url is ''", "http or https"]),
        (run_with("--endpoint-url", "ftp://localhost"), ["'ftp://localhost'", "http or https"]),
        (run_with("--initial-position", "soon"), ["'soon'", "trim-horizon"]),
        (run_with("--initial-position", "2999-01-01T00:00:00Z"), ["'2999-01-01T00:00:00Z'", "in the future"]),
        (run_with("--failover-time-ms", "20"), ["--failover-time-ms is '20'", "1000 to 86400000"]),
        (run_with("--max-leases", "0"), ["--max-leases is '0'", "at least 1"]),
        (run_with("--worker-id", ""), ["--worker-id is ''", "1 to 256 printable"]),
        (
            command(&["run", "--stream", "s", "--application", "app"])
                .env("RUST_LOG", "kcl_core=loud")
                .output()
                .unwrap(),
            ["'kcl_core=loud'", "use for example"],
        ),
    ] {
        check(&output, 2, &[], &parts);
        assert_eq!(output.stdout, b"");
    }
}

/// The SDK panics at an empty one.
#[test]
fn an_endpoint_of_the_environment_that_is_none_is_refused_by_its_name() {
    let commands: [&[&str]; 3] = [
        &["run", "--stream", "s", "--application", "app"],
        &["leases", "list", "--stream", "s", "--application", "app"],
        &["records", "tail", "--stream", "s"],
    ];
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "AWS_ENDPOINT_URL_DYNAMODB"] {
        for (value, words) in
            ["", "localhost:4566"].into_iter().flat_map(|value| commands.map(|words| (value, words)))
        {
            let output = command(words).env(variable, value).output().unwrap();
            check(&output, 2, &[], &[&format!("the variable {variable} is '{value}'"), "unset it"]);
        }
    }
}

#[test]
fn the_long_help_tells_the_exit_statuses_and_the_form_of_a_line() {
    check(&run(&["--help"]), 0, &["Exit status:", "130"], &[]);
    check(&run(&["run", "--help"]), 0, &["Exit status:", "subSequenceNumber", "dataBase64", "Leases:"], &[]);
}

/// Standard error that takes nothing, as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn an_error_that_cannot_be_told_still_shows_in_the_status() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command(&["demo", "--input", "/no/such/file"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_demo_that_cannot_show_its_verdict_is_no_success() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(&["demo", "--records", "10"]).stdout(full).output().unwrap();
    check(&output, 1, &[], &["error: cannot write to standard output"]);
}

#[test]
fn a_consumer_without_a_region_or_credentials_says_where_they_are_looked_for() {
    let options = ["run", "--stream", "s", "--application", "app", "--endpoint-url", "http://127.0.0.1:9"];
    let mut without_region = command(&options);
    // The instance's role is the last place; there is none here to wait for.
    without_region.env("AWS_EC2_METADATA_DISABLED", "true");
    check(&without_region.output().unwrap(), 1, &[], &["AWS_REGION"]);
    let without_credentials = without_region.env("AWS_REGION", "eu-west-1");
    check(&without_credentials.output().unwrap(), 1, &[], &["AWS_ACCESS_KEY_ID", "AWS_PROFILE"]);
}

/// With its input still open, so with a thread that waits for it.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_demo_with_the_verdict_so_far() {
    interrupt(command(&["demo", "--input", "-"]).stdin(Stdio::piped()));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_demo_that_waits_for_the_writer_of_its_pipe() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pipe-{}", std::process::id()));
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    interrupt(&mut command(&["demo", "--input", path.to_str().unwrap()]));
    fs::remove_file(path).unwrap();
}

#[cfg(unix)]
#[track_caller]
fn interrupt(command: &mut Command) {
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // Once it shows something, it listens to signals.
    stdout.read_line(&mut text).unwrap();
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    stdout.read_to_string(&mut text).unwrap();
    assert!(text.contains("Verdict: UNFINISHED: interrupted"), "{text}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
