//! The text in which `tests/data/aggregates` says what is in an aggregate. A program that writes aggregates uses it, too.

use kcl_core::aggregation::{Addition, Aggregator, NewUserRecord, RECORD_BYTES_MAX};

/// What is in an aggregate.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) records: Vec<ScenarioRecord>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct ScenarioRecord {
    pub(crate) partition_key: String,
    pub(crate) explicit_hash_key: Option<u128>,
    pub(crate) data: Vec<u8>,
}

/// The scenarios of a file.
pub(crate) fn read_scenarios(text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for line in text.lines() {
        match *line.split(' ').collect::<Vec<_>>() {
            ["scenario", name] => scenarios.push(Scenario { name: name.to_owned(), records: Vec::new() }),
            ["record", partition_key, explicit_hash_key, data] => {
                scenarios.last_mut().unwrap().records.push(ScenarioRecord {
                    partition_key: String::from_utf8(from_hex(partition_key)).unwrap(),
                    explicit_hash_key: (explicit_hash_key != "-").then(|| explicit_hash_key.parse().unwrap()),
                    data: if data == "=" { Vec::new() } else { from_hex(data) },
                });
            }
            _ => assert!(line.starts_with('#'), "{line}"),
        }
    }
    scenarios
}

impl Scenario {
    /// What our encoder makes of it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut aggregator = Aggregator::with_limits(RECORD_BYTES_MAX, u64::MAX).unwrap();
        for ScenarioRecord { partition_key, explicit_hash_key, data } in &self.records {
            let record =
                NewUserRecord { partition_key, explicit_hash_key: *explicit_hash_key, data, tags: &[] };
            assert_eq!(aggregator.add(&record).unwrap(), Addition::Added, "{}", self.name);
        }
        aggregator.encode().to_vec()
    }
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().as_chunks().0.iter();
    pairs.map(|pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
