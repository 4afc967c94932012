//! Writes what our encoder makes of each scenario of a file into a directory, as hexadecimal text: for
//! `tests/data/aggregates/foreign.sh`, which has other implementations read it.

#![expect(clippy::unwrap_used, reason = "a tool for tests ends as a test does")]

#[path = "../tests/it/aggregation/scenario.rs"]
mod scenario;

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [scenarios, directory] = arguments.as_slice() else {
        panic!("usage: aggregate_scenarios SCENARIOS DIRECTORY");
    };
    for scenario in scenario::read_scenarios(&fs::read_to_string(scenarios).unwrap()) {
        let mut hex = String::new();
        for byte in scenario.encode() {
            write!(hex, "{byte:02x}").unwrap();
        }
        fs::write(Path::new(directory).join(format!("{}.hex", scenario.name)), hex).unwrap();
    }
}
