use super::*;
use crate::config::{show, toml_file};

fn resolved(text: &str) -> Resolved {
    let schema = Schema::worker();
    let text = format!("stream = 'orders'\napplication = 'billing'\n{text}");
    resolve(&schema, vec![toml_file::read(&schema, "w.toml", text.as_bytes())]).unwrap()
}

#[test]
fn settings_that_contradict_each_other_are_named_together() {
    for (text, parts) in [
        (
            "idle_time_between_reads_ms = 999\npolling_applications = 5",
            [
                "w.toml:3: idle_time_between_reads_ms is '999', w.toml:4: polling_applications is '5'",
                "1000 ms",
            ],
        ),
        (
            "retry_delay_initial_ms = 60000",
            ["w.toml:3: retry_delay_initial_ms is '60000'", "from 60000 ms to 30000 ms"],
        ),
        ("fall_back_to_polling_after_ms = 7000", ["fall_back_to_polling_after_ms is '7000'", "fan_out"]),
        ("fan_out_deregister_at_stop = true", ["is 'true'", "needs fan_out (--fan-out)"]),
        ("processor = 'exec'", ["processor is 'exec'", "needs exec_command"]),
        ("exec_command = 'cat'", ["exec_command is 'cat'", "needs processor exec"]),
        ("checkpointing = 'manual'", ["checkpointing is 'manual'", "print commits nothing"]),
        (
            "processor = 'exec'\nexec_command = 'x'\ncheckpoint_interval_ms = 500",
            ["checkpoint_interval_ms is '500'", "has no interval"],
        ),
        ("when_exhausted = 'on-failure-destination'", ["when_exhausted is", "needs on_failure_destination"]),
        (
            "on_failure_destination = 'file:/tmp/x'",
            ["on_failure_destination is", "when_exhausted on-failure-destination"],
        ),
        ("on_failure_spill_directory = '/tmp/x'", ["on_failure_spill_directory is", "too large"]),
        (
            "when_exhausted = 'on-failure-destination'\non_failure_destination = 'kinesis:orders'",
            ["stream is 'orders'", "come back"],
        ),
    ] {
        let problems = resolved(text).problems;
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        let problem = problem.to_string();
        assert!(parts.iter().all(|part| problem.contains(part)), "{text}: {problem}");
    }
}

#[test]
fn settings_that_suit_each_other_are_good() {
    for text in [
        "",
        "idle_time_between_reads_ms = 1000\npolling_applications = 5",
        "polling_applications = 50",
        "fan_out = 'billing'\nfall_back_to_polling_after_ms = 7000",
        "when_exhausted = 'on-failure-destination'\non_failure_destination = 'sqs:http://h/q'\non_failure_spill_directory = 'x'",
        "processor = 'exec'\nexec_command = 'x'\ncheckpointing = 'manual'",
    ] {
        let resolved = resolved(text);
        assert!(resolved.problems.is_empty(), "{text}: {:?}", resolved.problems);
        assert!(resolved.config.worker_settings().is_ok(), "{text}");
    }
}

#[test]
fn an_idle_time_that_nobody_gave_suits_the_number_of_applications() {
    let resolved = resolved("polling_applications = 10");
    let key = Schema::worker().find("idle_time_between_reads_ms").unwrap();
    assert_eq!(resolved.effective(key), (Shown::Value("2000".to_owned()), Origin::Default));
    assert_eq!(resolved.config.worker.polling.idle_time_between_reads.as_millis(), 2_000);
}

#[test]
fn a_batch_that_nobody_bounds_is_smaller_for_a_child_and_shown_as_it_is() {
    let exec = "processor = 'exec'\nexec_command = 'x'";
    for (text, expected) in [
        (String::new(), 10_000),
        (exec.to_owned(), 1_000),
        (format!("{exec}\nrecords_per_batch_max = 10000"), 10_000),
        ("records_per_batch_max = 7".to_owned(), 7),
    ] {
        let (resolved, schema) = (resolved(&text), Schema::worker());
        assert_eq!(resolved.config.worker_settings().unwrap().records_per_batch_max, expected, "{text}");
        let (shown, _) = resolved.effective(schema.find("records_per_batch_max").unwrap());
        assert_eq!(shown, Shown::Value(expected.to_string()), "{text}");
        let json: Vec<serde_json::Value> = serde_json::from_str(&show::json(&schema, &resolved)).unwrap();
        let shown = json.iter().find(|setting| setting["name"] == "records_per_batch_max").unwrap();
        assert_eq!(shown["value"], expected.to_string(), "{text}");
    }
}

/// Also where it does not belong: in a place for names, in a list of sources, in a URL that is none.
#[test]
fn a_secret_is_shown_nowhere() {
    for (text, shown) in [
        ("exec_environment = ['PATH', 'TOKEN=s3cret']", "exec_environment is 'PATH TOKEN=***'"),
        ("exec_environment = 'TOKEN=s3cret'", "exec_environment is 'TOKEN=***'"),
        ("exec_environment = {TOKEN = 's3cret'}", "exec_environment is {TOKEN =***"),
        ("credentials = ['default', 'AKIAEXAMPLE:s3cret']", "credentials is 'default ***'"),
        ("credentials = 's3cret'", "credentials is '***'"),
        ("dynamodb_credentials = {key = 's3cret'}", "dynamodb_credentials is ***"),
        ("endpoint_url = 'me:s3cret@localhost'", "endpoint_url is '***@localhost'"),
        (
            "kinesis_endpoint_url = 'htp://me:s3/cret@localhost'",
            "kinesis_endpoint_url is 'htp://***@localhost'",
        ),
    ] {
        let problems: Vec<_> = resolved(text).problems.iter().map(ToString::to_string).collect();
        assert!(problems[0].starts_with(&format!("w.toml:3: {shown}; use ")), "{text}: {problems:?}");
        assert!(problems.iter().all(|problem| !problem.contains("s3cret")), "{text}: {problems:?}");
    }
    let role = "credentials = 'assume-role:arn:aws:iam::1:role/r?endpoint_url=http://me:s3cret@localhost'";
    let config = format!("{:?}", resolved(&format!("{role}\nendpoint_url = 'http://me:s3/cret@h'")).config);
    assert!(
        config.contains("***@localhost") && config.contains("***@h") && !config.contains("cret@"),
        "{config}"
    );
}
