use std::collections::BTreeMap;
use std::fmt;

use kcl_core::model::{StreamId, WorkerId};

use super::Config;
use super::assignment::Assignment;
use super::check;
use super::config::ProcessorKind;
use super::key::{Key, Preset};
use super::layer::Layer;
use super::origin::Origin;
use super::problem::{Problem, none_of};
use super::schema::Schema;
use crate::Failure;

/// Stands where a stream or a worker id is missing, so that the rest can be checked all the same.
const PLACEHOLDER: &str = "placeholder";

/// A child takes a batch as one line of JSON. A library for Python needs 2.7 CPU-seconds for a million records in batches of
/// 10,000, or more, 2.1 to 2.4 in batches of 1,000, and no less in smaller ones (docs/benchmarks.md).
const EXEC_RECORDS_PER_BATCH: usize = 1_000;

/// What all sources together say.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Good for use if there are no problems, and nothing is missing.
    pub(crate) config: Config,
    /// What is effective of what was given, by the name of the setting.
    pub(crate) given: BTreeMap<&'static str, Assignment>,
    pub(crate) problems: Vec<Problem>,
    /// What must be given and is not.
    pub(crate) missing: Vec<&'static Key>,
    pub(crate) warnings: Vec<String>,
}

/// What a setting is, as it may be printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Value(String),
    /// There is none, and these words say what holds.
    Words(&'static str),
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            Self::Words(text) => write!(f, "({text})"),
        }
    }
}

/// Lays sources over one another, the last on top. Each value is checked, also one that another hides.
pub(super) fn resolve(schema: &Schema, layers: Vec<Layer>) -> Result<Resolved, kcl_core::Error> {
    let mut resolved = Resolved {
        config: Config::new(StreamId::named(PLACEHOLDER)?, WorkerId::new(PLACEHOLDER)?),
        given: BTreeMap::new(),
        problems: Vec::new(),
        missing: Vec::new(),
        warnings: Vec::new(),
    };
    for layer in layers {
        resolved.add(layer);
    }
    let is_missing = |key: &&Key| key.default == Preset::Required && !resolved.given.contains_key(key.name);
    resolved.missing = schema.keys().filter(is_missing).collect();
    resolved.fill_in();
    resolved.problems.extend(check::problems(schema, &resolved.config, &resolved.given));
    Ok(resolved)
}

impl Resolved {
    fn add(&mut self, layer: Layer) {
        self.warnings.extend(layer.warnings);
        let mut problems = layer.problems;
        for assignment in layer.assignments {
            // What is implied is what the source says elsewhere, and is refused there.
            let is_implied = matches!(assignment.origin, Origin::Implied { .. });
            if let Err(advice) = assignment.key.set(&mut self.config, &assignment.value)
                && !is_implied
            {
                problems.push((assignment.place(), assignment.refused(&advice)));
            }
            self.given.insert(assignment.key.name, assignment);
        }
        // In the order in which a person reads the source.
        problems.sort_by_key(|(place, _)| *place);
        self.problems.extend(problems.into_iter().map(|(_, problem)| problem));
    }

    /// The defaults of some settings are made of others.
    fn fill_in(&mut self) {
        let worker = &mut self.config.worker;
        if !self.given.contains_key("idle_time_between_reads_ms") {
            let least = check::READ_INTERVAL_MIN * worker.polling.applications;
            worker.polling.idle_time_between_reads = worker.polling.idle_time_between_reads.max(least);
        }
        if !self.given.contains_key("records_per_batch_max") && self.config.processor == ProcessorKind::Exec {
            worker.records_per_batch_max = EXEC_RECORDS_PER_BATCH;
        }
    }

    /// Such a default.
    fn filled_in(&self, key: &Key) -> Option<String> {
        let worker = &self.config.worker;
        match key.name {
            "idle_time_between_reads_ms" => {
                Some(worker.polling.idle_time_between_reads.as_millis().to_string())
            }
            "records_per_batch_max" => Some(worker.records_per_batch_max.to_string()),
            _ => None,
        }
    }

    /// What is in effect, and where it came from.
    pub(crate) fn effective(&self, key: &'static Key) -> (Shown, Origin) {
        if let Some(assignment) = self.given.get(key.name) {
            return (Shown::Value(assignment.shown()), assignment.origin.clone());
        }
        let shown = match key.default {
            Preset::Required => Shown::Words("missing"),
            Preset::Value(text) => Shown::Value(text.to_owned()),
            Preset::Words(text) => self.filled_in(key).map_or(Shown::Words(text), Shown::Value),
        };
        (shown, Origin::Default)
    }

    /// The configuration for a command that needs these settings, if they are there and nothing is wrong.
    pub(crate) fn config_with(&self, needed: &[&str]) -> Result<&Config, Failure> {
        let missing = self.missing.iter().copied().filter(|key| needed.contains(&key.name));
        none_of(&[self.problems.as_slice(), &missing_problems(missing)].concat())?;
        Ok(&self.config)
    }

    /// What must be given and is not, as problems.
    pub(crate) fn missing_problems(&self) -> Vec<Problem> {
        missing_problems(self.missing.iter().copied())
    }
}

fn missing_problems(missing: impl Iterator<Item = &'static Key>) -> Vec<Problem> {
    let problems = missing.map(|key| {
        Problem::new(format!(
            "{} is missing; give {}, the variable {}, or {} in the file",
            key.name,
            key.flag(),
            key.variable(),
            key.name
        ))
    });
    problems.collect()
}

#[cfg(test)]
mod tests;
