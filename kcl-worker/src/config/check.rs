//! What one setting says against another.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl_core::processor::WhenExhausted;

use super::Config;
use super::assignment::Assignment;
use super::config::{FailureDestination, ProcessorKind};
use super::origin::Origin;
use super::problem::Problem;
use super::schema::Schema;

/// The service allows five reads a second on a shard (`GetRecords`, Kinesis API reference).
pub(super) const READ_INTERVAL_MIN: Duration = Duration::from_millis(200);

type Given = BTreeMap<&'static str, Assignment>;

/// All that no setting is to blame for alone.
pub(super) fn problems(schema: &Schema, config: &Config, given: &Given) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(fan_out(config, given));
    if schema.find("processor").is_some() {
        problems.extend(processor(config, given));
        problems.extend(print_by_hand(config, given));
    }
    problems.extend(interval_by_hand(config, given));
    problems.extend(destination(config, given));
    let of_the_library = [idle_time(config, given), retry_delays(config, given)];
    let is_known = of_the_library.iter().any(Option::is_some);
    problems.extend(of_the_library.into_iter().flatten());
    if !is_known {
        // Whatever else the library does not take.
        let placeholder = config.worker.worker_id.clone();
        problems.extend(
            config.worker_settings_of(placeholder).err().map(|error| Problem::new(error.to_string())),
        );
    }
    problems
}

fn idle_time(config: &Config, given: &Given) -> Option<Problem> {
    let polling = &config.worker.polling;
    let least = READ_INTERVAL_MIN * polling.applications;
    (polling.idle_time_between_reads < least).then(|| {
        conflict(
            given,
            &["idle_time_between_reads_ms", "polling_applications"],
            &format!(
                "Kinesis allows each of {} applications one read in {} ms; use that or more",
                polling.applications,
                least.as_millis()
            ),
        )
    })
}

fn retry_delays(config: &Config, given: &Given) -> Option<Problem> {
    let delays = config.worker.failure_policy.retry_delays;
    let keys = ["retry_delay_initial_ms", "retry_delay_max_ms"];
    (delays.max < delays.initial).then(|| {
        let (initial, max) = (delays.initial.as_millis(), delays.max.as_millis());
        conflict(
            given,
            &keys,
            &format!("delays grow from {initial} ms to {max} ms; let the second be the longer"),
        )
    })
}

/// Settings of fan-out where there is none.
fn fan_out(config: &Config, given: &Given) -> Vec<Problem> {
    if config.fan_out.is_some() {
        return Vec::new();
    }
    let keys = ["fall_back_to_polling_after_ms", "fan_out_silence_max_ms", "fan_out_deregister_at_stop"];
    let pointless = keys.into_iter().filter(|key| given.contains_key(key));
    pointless.map(|key| conflict(given, &[key], "it needs fan_out (--fan-out), which is not given")).collect()
}

fn processor(config: &Config, given: &Given) -> Vec<Problem> {
    match config.processor {
        ProcessorKind::Exec if config.exec.command.is_empty() => {
            vec![conflict(given, &["processor", "exec_command"], "exec needs exec_command (--exec-command)")]
        }
        ProcessorKind::Exec => Vec::new(),
        ProcessorKind::Print => {
            let keys = given.keys().filter(|key| key.starts_with("exec_"));
            keys.map(|key| conflict(given, &[key], "it needs processor exec (--processor exec)")).collect()
        }
    }
}

fn interval_by_hand(config: &Config, given: &Given) -> Option<Problem> {
    let keys = ["checkpoint_interval_ms", "checkpointing", "processor"];
    (config.commits_by_hand() && config.checkpoint_interval.is_some())
        .then(|| conflict(given, &keys, "a processor that commits by itself has no interval"))
}

fn print_by_hand(config: &Config, given: &Given) -> Option<Problem> {
    (config.processor == ProcessorKind::Print && config.commits_by_hand()).then(|| {
        conflict(given, &["checkpointing", "processor"], "print commits nothing by itself; use automatic")
    })
}

fn destination(config: &Config, given: &Given) -> Option<Problem> {
    let is_wanted = config.worker.failure_policy.when_exhausted == WhenExhausted::SendToDestination;
    let keys = ["when_exhausted", "on_failure_destination"];
    match &config.on_failure_destination {
        None if is_wanted => {
            Some(conflict(given, &keys, "on-failure-destination needs on_failure_destination"))
        }
        Some(_) if !is_wanted => Some(conflict(
            given,
            &keys,
            "a destination is used with when_exhausted on-failure-destination alone",
        )),
        Some(FailureDestination::Stream(stream, arn))
            if *stream == config.stream && *arn == config.stream_arn =>
        {
            Some(conflict(given, &["on_failure_destination", "stream"], "what has failed would come back"))
        }
        None | Some(FailureDestination::Directory(_)) if config.on_failure_spill_directory.is_some() => {
            let keys = ["on_failure_spill_directory", "on_failure_destination"];
            Some(conflict(given, &keys, "only a queue or a stream has records that are too large for it"))
        }
        _ => None,
    }
}

/// Names each setting that was given, where, and with which value.
fn conflict(given: &Given, keys: &[&str], why: &str) -> Problem {
    let named = keys.iter().filter_map(|key| given.get(key)).map(|assignment| {
        let shown = assignment.shown();
        match &assignment.origin {
            origin @ (Origin::Environment(_) | Origin::Flag(_)) => format!("{origin} is '{shown}'"),
            origin => format!("{origin}: {} is '{shown}'", assignment.spelling),
        }
    });
    let named: Vec<String> = named.collect();
    Problem::new(format!("{}; {why}", named.join(", ")))
}
