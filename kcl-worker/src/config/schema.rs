//! The table of all settings, from which everything else is made: reading, checking, flags, help and documents.

mod aws;
mod failures;
mod leases;
mod output;
mod processing;
mod processor;
mod reading;
mod stream;

use super::key::Key;
use super::nearest::did_you_mean;

/// The settings of one program, in the order of its documents.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) groups: Vec<&'static Group>,
}

/// Settings under one heading.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) keys: &'static [Key],
}

/// The longest that the library takes for any time.
const MILLIS_MAX: u64 = 24 * 60 * 60 * 1_000;

impl Schema {
    /// The settings of `kcl-worker`.
    pub(crate) fn worker() -> Self {
        let groups = vec![
            &stream::GROUP,
            &aws::GROUP,
            &processor::GROUP,
            &processing::GROUP,
            &failures::GROUP,
            &reading::GROUP,
            &leases::GROUP,
            &output::GROUP,
        ];
        Self { groups }
    }

    /// The settings of a program with a processor of its own: the same, but for the choice of a processor.
    pub(crate) fn own_processor() -> Self {
        let mut groups = Self::worker().groups;
        groups.retain(|group| group.title != processor::GROUP.title);
        Self { groups }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> + '_ {
        self.groups.iter().flat_map(|group| group.keys)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    pub(crate) fn did_you_mean(&self, unknown: &str) -> String {
        did_you_mean(unknown, self.keys().map(|key| key.name))
    }
}

#[cfg(test)]
mod tests;
