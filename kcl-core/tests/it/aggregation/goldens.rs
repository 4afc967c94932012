//! Aggregates made by implementations that are not ours: `tests/data/aggregates`.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;

use super::aggregate;
use super::scenario::{ScenarioRecord, from_hex, read_scenarios};

const MAKERS: [&str; 2] = ["python", "node"];

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", "aggregates"].iter().collect()
}

fn golden(scenario: &str, maker: &str) -> Vec<u8> {
    let path = folder().join("golden").join(format!("{scenario}.{maker}.hex"));
    from_hex(fs::read_to_string(path).unwrap().trim_end())
}

#[test]
fn what_others_write_is_read() {
    let scenarios = read_scenarios(&fs::read_to_string(folder().join("scenarios.txt")).unwrap());
    assert!(scenarios.len() > 10);
    for scenario in &scenarios {
        for maker in MAKERS {
            let data: Bytes = golden(&scenario.name, maker).into();
            let aggregate = aggregate(&data);
            let read: Vec<_> = aggregate
                .user_records()
                .map(|record| ScenarioRecord {
                    partition_key: record.partition_key().to_string(),
                    explicit_hash_key: record.explicit_hash_key(),
                    data: record.data().to_vec(),
                })
                .collect();
            assert_eq!(read, scenario.records, "{} by {maker}", scenario.name);
        }
    }
}

/// Byte for byte, so they read what we write as they read what they write.
#[test]
fn we_write_what_others_write() {
    for scenario in read_scenarios(&fs::read_to_string(folder().join("scenarios.txt")).unwrap()) {
        for maker in MAKERS {
            assert_eq!(scenario.encode(), golden(&scenario.name, maker), "{} by {maker}", scenario.name);
        }
    }
}
