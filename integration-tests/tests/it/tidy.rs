//! The rules of the house that can be read off the sources (docs/architecture.md): each is a function from a file to
//! its violations, and each is shown to see a planted one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `kcl-core/src` in the order in which data flows: each may use what stands before it.
const ROOMS: [&str; 6] = ["model", "aggregation", "lease", "stream", "processor", "worker"];

/// Files that decide and do not wait: no runtime, no clock, no dice.
const PURE: [&str; 11] = [
    "kcl-core/src/model/",
    "kcl-core/src/aggregation/",
    "kcl-core/src/lease/assignment.rs",
    "kcl-core/src/lease/lease.rs",
    "kcl-core/src/lease/lease_book.rs",
    "kcl-core/src/lease/obstacle.rs",
    "kcl-core/src/lease/lineage.rs",
    "kcl-core/src/lease/lineage/family.rs",
    "kcl-core/src/lease/namesake.rs",
    "kcl-core/src/processor/lanes/lane_book.rs",
    "kcl-core/src/processor/lanes/watermark.rs",
];

/// Beyond this a file is searched rather than read.
const LINES_MAX: usize = 400;

type Rule = fn(&Source) -> Vec<String>;

const RULES: [(&str, Rule); 8] = [
    ("a folder uses nothing below it", uses_nothing_below),
    ("a decision waits for nothing", pure_files_are_pure),
    ("only aws/ names the SDK", only_aws_names_the_sdk),
    ("only retry.rs names backoff", only_retry_names_backoff),
    ("every select is biased", selects_are_biased),
    ("nothing is left for later", nothing_is_left_for_later),
    ("files are short", files_are_short),
    ("tests of the runtime pause time", runtime_tests_pause_time),
];

struct Source {
    /// Relative to the workspace.
    path: String,
    text: String,
}

impl Source {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// A violation for each line of code in which `is_bad` finds a word to name.
    fn violations<'a>(&'a self, is_bad: impl Fn(&'a str) -> Option<&'a str>) -> Vec<String> {
        let named = self.lines().filter_map(|(number, line)| Some((number, is_bad(line)?)));
        named.map(|(number, word)| format!("{}:{number}: {word}", self.path)).collect()
    }
}

/// Tests of a folder, in a file of their own, may use the in-memory backend.
fn uses_nothing_below(source: &Source) -> Vec<String> {
    let Some(room) = ROOMS.iter().position(|room| source.path.starts_with(&format!("kcl-core/src/{room}/")))
    else {
        return Vec::new();
    };
    if source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let below: Vec<String> = ROOMS[room + 1..]
        .iter()
        .chain(["memory", "aws", "testing"].iter())
        .map(|room| format!("crate::{room}::"))
        .collect();
    source.violations(|line| {
        // Links in documentation are comments, which `lines` leaves out.
        below.iter().find(|path| line.contains(path.as_str())).map(|_| line.trim())
    })
}

fn pure_files_are_pure(source: &Source) -> Vec<String> {
    if !PURE.iter().any(|pure| source.path.starts_with(pure)) {
        return Vec::new();
    }
    let banned = ["tokio", "fastrand", "uuid", "aws_", "Instant", "SystemTime"];
    source.violations(|line| banned.into_iter().find(|word| line.contains(word)))
}

fn only_aws_names_the_sdk(source: &Source) -> Vec<String> {
    if !source.path.starts_with("kcl-core/src/") || source.path.starts_with("kcl-core/src/aws/") {
        return Vec::new();
    }
    let banned = ["aws_sdk", "aws_smithy", "aws_config", "aws_types"];
    source.violations(|line| banned.into_iter().find(|word| line.contains(word)))
}

fn only_retry_names_backoff(source: &Source) -> Vec<String> {
    if source.path == "kcl-core/src/retry.rs" {
        return Vec::new();
    }
    source.violations(|line| line.contains("backoff::").then_some("backoff::"))
}

fn selects_are_biased(source: &Source) -> Vec<String> {
    let lines: Vec<(usize, &str)> = source.lines().collect();
    let opens = |line: &str| line.contains("select! {");
    let pairs = lines.windows(2).filter(|pair| opens(pair[0].1) && pair[1].1.trim() != "biased;");
    pairs.map(|pair| format!("{}:{}: not biased", source.path, pair[0].0)).collect()
}

fn nothing_is_left_for_later(source: &Source) -> Vec<String> {
    // In two pieces each, so that a search for them does not find this line.
    let banned = [
        concat!("to", "do!("),
        concat!("unimp", "lemented!("),
        concat!("#[ig", "nore"),
        concat!("db", "g!("),
        concat!("unbounded", "_channel"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    let lines = (1..).zip(source.text.lines());
    let found =
        lines.filter_map(|(number, line)| Some((number, banned.iter().find(|word| line.contains(*word))?)));
    found.map(|(number, word)| format!("{}:{number}: {word}", source.path)).collect()
}

fn files_are_short(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LINES_MAX { Vec::new() } else { vec![format!("{}: {lines} lines", source.path)] }
}

fn runtime_tests_pause_time(source: &Source) -> Vec<String> {
    if !source.path.starts_with("kcl-core/tests/it/worker/") {
        return Vec::new();
    }
    source.violations(|line| (line.trim() == "#[tokio::test]").then_some("time is not paused"))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file of the workspace but this one, which has to name what it bans.
fn sources() -> Vec<Source> {
    let root = workspace();
    let mut sources = Vec::new();
    let mut open: Vec<PathBuf> = ["kcl-core", "kcl-worker", "kcl-examples", "integration-tests"]
        .map(|member| root.join(member))
        .into();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("it/tidy.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path, text });
        }
    }
    sources
}

#[test]
fn the_sources_keep_the_rules() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    let broken: Vec<String> = RULES
        .iter()
        .flat_map(|(name, rule)| {
            sources.iter().flat_map(rule).map(move |violation| format!("{name}: {violation}"))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_rule_sees_a_planted_violation() {
    let long = "\n".repeat(LINES_MAX + 1);
    let planted = [
        ("kcl-core/src/lease/x.rs", "use crate::worker::Worker;"),
        ("kcl-core/src/model/x.rs", "use tokio::time::sleep;"),
        ("kcl-core/src/stream/x.rs", "use aws_sdk_kinesis::Client;"),
        ("kcl-worker/src/x.rs", "use backoff::ExponentialBackoff;"),
        ("kcl-core/src/worker/x.rs", "select! {\n    () = a => {}"),
        ("kcl-core/src/worker/x.rs", concat!("    #[ig", "nore]")),
        ("kcl-worker/src/x.rs", &long),
        ("kcl-core/tests/it/worker/x.rs", "#[tokio::test]"),
    ];
    for ((name, rule), (path, text)) in RULES.iter().zip(planted) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(rule(&source).len(), 1, "{name}");
    }
}

/// A promise without its test is an opinion.
#[test]
fn every_test_that_the_promises_name_exists() {
    let sources = sources();
    let defined: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.text.split("fn ").skip(1))
        .filter_map(|rest| rest.split(['(', '<']).next())
        .collect();
    for page in ["docs/semantics.md", "docs/delivery.md"] {
        let text = fs::read_to_string(workspace().join(page)).unwrap();
        let proofs = text.split("Test").skip(1).filter_map(|text| text.split("\n\n").next());
        let mut named = 0;
        for name in proofs.flat_map(|proof| proof.split('`').skip(1).step_by(2)) {
            let exists =
                if name.contains('/') { workspace().join(name).exists() } else { defined.contains(name) };
            assert!(exists, "{page} names `{name}`, which does not exist");
            named += 1;
        }
        assert!(named > 30, "{page} names only {named} tests");
    }
}
