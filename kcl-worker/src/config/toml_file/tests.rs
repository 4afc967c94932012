use super::*;

fn layer(content: &[u8]) -> Layer {
    read(&Schema::worker(), "worker.toml", content)
}

#[track_caller]
fn problems(content: &str) -> Vec<String> {
    let layer = layer(content.as_bytes());
    layer.problems.iter().map(|(_, problem)| problem.to_string()).collect()
}

#[test]
fn each_type_has_its_form() {
    let text = "stream = 'orders'\nfailover_time_ms = 20_000\nmax_leases = 0x10\nbisect_batch_on_error = true\n\
                exec_command = [\"python\", \"my app.py\"]\ncredentials = 'environment instance'\n\
                maximum_retry_attempts = \"unlimited\"\ninitial_position = 2026-01-31T12:00:00Z\n";
    let layer = layer(text.as_bytes());
    assert!(layer.problems.is_empty(), "{layer:?}");
    let shown = |name: &str| {
        let found = layer.assignments.iter().find(|given| given.key.name == name);
        found.map(|given| (given.shown(), given.origin.to_string())).unwrap()
    };
    for (name, value, line) in [
        ("stream", "orders", 1),
        ("failover_time_ms", "20000", 2),
        ("max_leases", "16", 3),
        ("bisect_batch_on_error", "true", 4),
        ("exec_command", "python my app.py", 5),
        ("maximum_retry_attempts", "unlimited", 7),
        ("initial_position", "2026-01-31T12:00:00Z", 8),
    ] {
        assert_eq!(shown(name), (value.to_owned(), format!("worker.toml:{line}")));
    }
    let command = layer.assignments.iter().find(|given| given.key.name == "exec_command").unwrap();
    assert_eq!(command.value, Value::List(vec!["python".to_owned(), "my app.py".to_owned()]));
}

#[test]
fn a_value_of_another_type_is_named_with_its_line_and_form() {
    for (line, parts) in [
        ("stream = 5", ["worker.toml:1: stream is 5", "in quotes"]),
        ("failover_time_ms = \"5000\"", ["failover_time_ms is \"5000\"", "without quotes"]),
        ("failover_time_ms = 5.5", ["is 5.5", "whole number"]),
        ("bisect_batch_on_error = \"yes\"", ["is \"yes\"", "true or false, without quotes"]),
        ("when_exhausted = true", ["is true", "block, stop-worker"]),
        ("exec_command = [1]", ["is [1]", "list of them"]),
        ("endpoint_url = [\"http://u:secret@h\"]", ["http://***@h", "in quotes"]),
        ("[stream]\nname = 'x'", ["worker.toml:1: stream is ", "the name or the ARN"]),
        ("[worker]\nstream = 'x'", ["worker.toml:1: there is no setting worker", "did you mean worker_id?"]),
        ("worker.stream = 'x'", ["there is no setting worker", ""]),
        ("failover_time = 5", ["there is no setting failover_time", "did you mean failover_time_ms?"]),
        ("Stream = 'x'", ["there is no setting Stream", "did you mean stream?"]),
        ("colour = 'red'", ["worker.toml:1: there is no setting colour", ""]),
    ] {
        let problems = problems(line);
        let [problem] = &problems[..] else { panic!("{line}: {problems:?}") };
        assert!(parts.iter().all(|part| problem.contains(part)), "{line}: {problem}");
    }
}

#[test]
fn a_text_that_is_no_toml_is_refused_with_all_its_mistakes() {
    let problems = problems("stream = 'a'\nstream = 'b'\ntable = \nregion = 'x\n");
    let lines: Vec<_> = problems.iter().map(|problem| &problem[..14]).collect();
    assert_eq!(lines, ["worker.toml:2:", "worker.toml:3:", "worker.toml:4:"], "{problems:?}");
    assert!(problems[0].contains("duplicate key"));
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_line() {
    let layer = layer(b"# caf\xc3\xa9\nstream = 'a'\ntable = '\xff'");
    assert_eq!(layer.problems[0].1.to_string(), "worker.toml:3: this is not UTF-8 text");
}
