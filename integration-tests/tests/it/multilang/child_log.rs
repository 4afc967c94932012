use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::backend::unique_name;

/// What children have read, line by line, from the file into which they write it.
pub(super) struct ChildLog {
    path: PathBuf,
}

/// One line, and the process that read it.
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) message: Value,
}

impl ChildLog {
    pub(super) fn new() -> Self {
        Self { path: file("children") }
    }

    /// The argument by which a fake child learns of it.
    pub(super) fn argument(&self) -> String {
        format!("log:{}", self.path.display())
    }

    /// Whole lines: the last one may be half written.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(parse).collect()
    }

    /// The actions that children were asked for, in order.
    pub(super) fn actions(&self) -> Vec<String> {
        self.entries().iter().map(|entry| entry.message["action"].as_str().unwrap().to_owned()).collect()
    }

    /// How often children were asked for this.
    pub(super) fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|asked| *asked == action).count()
    }

    /// The children, in the order in which they began.
    pub(super) fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.entries().iter().map(|entry| entry.pid).collect();
        pids.dedup();
        pids
    }

    /// The data of all records that a child was given, in order.
    pub(super) fn data(&self, pid: u32) -> Vec<String> {
        let entries = self.entries();
        let records = entries
            .iter()
            .filter(|entry| entry.pid == pid)
            .filter_map(|entry| entry.message["records"].as_array());
        records.flatten().map(data_of).collect()
    }

    /// The errors with which checkpoints were answered; `null` for none.
    pub(super) fn answers(&self) -> Vec<Value> {
        let entries = self.entries();
        let answers = entries.iter().filter(|entry| entry.message["action"] == "checkpoint");
        answers.map(|entry| entry.message["error"].clone()).collect()
    }
}

fn parse(line: &str) -> Entry {
    let (pid, json) = line.split_once(' ').unwrap();
    Entry { pid: pid.parse().unwrap(), message: serde_json::from_str(json).unwrap() }
}

fn data_of(record: &Value) -> String {
    String::from_utf8(BASE64.decode(record["data"].as_str().unwrap()).unwrap()).unwrap()
}

/// A file that nobody else has.
pub(super) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique_name(name))
}
