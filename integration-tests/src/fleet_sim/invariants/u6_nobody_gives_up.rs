//! U6: no worker ends unless it is told to.

use super::{Invariant, Violation};
use crate::fleet_sim::fact::{Fact, What};

#[derive(Debug)]
pub(super) struct NobodyGivesUp;

impl Invariant for NobodyGivesUp {
    fn observe(&mut self, fact: &Fact<'_>) -> Result<(), Violation> {
        match fact.what {
            What::GaveUp { .. } => Err(Violation::new("U6", "a worker ended although nobody asked it to")),
            _ => Ok(()),
        }
    }
}
