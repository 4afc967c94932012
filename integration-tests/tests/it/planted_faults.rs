//! Every mistake that can be planted in the protocol is caught by the fixed set of seeds, as the ledger in
//! docs/testing.md says.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::ValueEnum;
use integration_tests::fleet_sim::{Class, Scenario, simulate_all};
use kcl_core::PlantedFault;

/// The seeds of each class that are tried until one catches the mistake.
const SEEDS: u64 = 6;

const DURATION: Duration = Duration::from_mins(2);

/// Where a mistake is caught, and by which invariant.
struct Entry {
    class: Class,
    rule: String,
}

/// The rows of the ledger: mistake, class, invariant.
fn ledger() -> BTreeMap<String, Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/testing.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("## The ledger of planted faults").nth(1).unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>());
    let entry = |cells: Vec<&str>| {
        let class = Class::from_str(cells[3], false).unwrap();
        (cells[1].to_owned(), Entry { class, rule: cells[4].to_owned() })
    };
    cells.map(entry).collect()
}

fn scenario(fault: PlantedFault, class: Class, seed: u64) -> Scenario {
    Scenario { duration: DURATION, planted: Some(fault), ..Scenario::new(class, seed) }
}

#[test]
fn each_planted_fault_is_caught_by_the_class_that_the_ledger_names() {
    let ledger = ledger();
    assert_eq!(ledger.len(), PlantedFault::ALL.len(), "{:?}", ledger.keys());
    let mut uncaught = PlantedFault::ALL.to_vec();
    for seed in 0..SEEDS {
        let entry = |fault: &PlantedFault| &ledger[&format!("{fault:?}")];
        let scenarios: Vec<Scenario> =
            uncaught.iter().map(|fault| scenario(*fault, entry(fault).class, seed)).collect();
        let threads = available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let outcomes = simulate_all(&scenarios, threads).unwrap();
        let mut outcomes = outcomes.iter();
        uncaught.retain(|fault| {
            let violation = outcomes.next().unwrap().violation.as_ref();
            violation.is_none_or(|violation| violation.rule() != entry(fault).rule)
        });
    }
    assert!(uncaught.is_empty(), "not caught as the ledger says: {uncaught:?}");
}
