//! `docs/operations.md` says what is true: every metric is in its table, and its examples use flags that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kcl_worker::cli::Cli;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn docs() -> String {
    fs::read_to_string(workspace().join("docs/operations.md")).unwrap()
}

/// The names of the metrics that a source file writes.
fn metrics_of(source: &str) -> BTreeSet<String> {
    let source: String = source.split_whitespace().collect();
    let written = ["counter!(\"", "gauge!(\"", "histogram!(\""].map(|writes| {
        let names = source.split(writes).skip(1).filter_map(|rest| rest.split('"').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    });
    written.into_iter().flatten().collect()
}

/// What every source file of the library and the worker writes, tests left out.
fn written() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = ["kcl-core/src", "kcl-worker/src"].map(|folder| workspace().join(folder)).to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !path.ends_with("tests.rs") {
            names.extend(metrics_of(&fs::read_to_string(&path).unwrap()));
        }
    }
    names
}

#[test]
fn the_runbook_has_every_metric_and_no_other() {
    let docs = docs();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `kcl_")?.split('`').next());
    let documented: Vec<String> = rows.map(|name| format!("kcl_{name}")).collect();
    let names: BTreeSet<String> = documented.iter().cloned().collect();
    assert_eq!(names.len(), documented.len(), "a metric is there twice");
    let written = written();
    assert!(written.len() > 40, "only {} metrics were found", written.len());
    let missing: Vec<_> = written.difference(&names).collect();
    let stale: Vec<_> = names.difference(&written).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not in the runbook: {missing:?}; not written: {stale:?}"
    );
}

#[test]
fn a_metric_is_seen_where_it_is_written() {
    let source = "counter!(\n    \"kcl_a_total\", \"shard\" => x); describe_gauge!(\"kcl_b\", \"\");";
    assert_eq!(metrics_of(source), BTreeSet::from(["kcl_a_total".to_owned(), "kcl_b".to_owned()]));
}

/// The parts of the document between fences of this language.
fn blocks(language: &str) -> Vec<String> {
    let docs = docs();
    let parts = docs.split("```").skip(1).step_by(2);
    parts.filter_map(|part| part.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}

#[test]
fn the_examples_use_flags_that_there_are() {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    let known: BTreeSet<String> =
        run.get_arguments().filter_map(|flag| flag.get_long()).map(|flag| format!("--{flag}")).collect();
    let mut used = 0;
    for block in ["ini", "yaml"].into_iter().flat_map(blocks) {
        let words = block.split(|c: char| c.is_whitespace() || "[]\",='".contains(c));
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(known.contains(flag), "docs/operations.md uses {flag}, which `run` does not have");
            used += 1;
        }
    }
    assert!(used >= 8, "only {used} flags are used");
}

/// Whoever stops the worker must wait for longer than the worker waits for its processors.
#[test]
fn the_examples_leave_time_for_a_graceful_end() {
    const SHUTDOWN_GRACE_SECS: u64 = 30;
    let all = ["ini", "yaml"].into_iter().flat_map(blocks).collect::<String>();
    for key in ["TimeoutStopSec=", "terminationGracePeriodSeconds: "] {
        let value = all.split(key).nth(1).unwrap().lines().next().unwrap();
        assert!(value.trim().parse::<u64>().unwrap() >= SHUTDOWN_GRACE_SECS + 10, "{key}{value}");
    }
}
