use std::fmt::Write as _;
use std::mem;

use super::accounts::Accounts;
use super::fact::Fact;
use super::invariants::{Invariant, Violation};
use super::measures::Measures;

/// Takes in every fact of a run: shows it to each invariant, measures, and writes the trace if one is wanted.
#[derive(Debug)]
pub(super) struct Journal {
    invariants: Vec<Box<dyn Invariant>>,
    measures: Measures,
    accounts: Accounts,
    trace: Option<String>,
    violation: Option<Violation>,
}

impl Journal {
    /// An empty journal.
    pub(super) fn new(invariants: Vec<Box<dyn Invariant>>, measures: Measures, is_traced: bool) -> Self {
        let accounts = Accounts::default();
        Self { invariants, measures, accounts, trace: is_traced.then(String::new), violation: None }
    }

    /// Takes in a fact.
    pub(super) fn enter(&mut self, fact: &Fact<'_>) {
        if let Some(trace) = &mut self.trace {
            // Writing to a string does not fail.
            let _written = writeln!(trace, "{fact}");
        }
        self.measures.observe(fact);
        self.accounts.observe(fact);
        for invariant in &mut self.invariants {
            if let Err(violation) = invariant.observe(fact) {
                self.violation.get_or_insert(violation.seen_in(fact));
            }
        }
    }

    /// What must hold at the end of a run.
    pub(super) fn close(&mut self) {
        for invariant in &self.invariants {
            if let Err(violation) = invariant.conclude() {
                self.violation.get_or_insert(violation);
            }
        }
    }

    /// Something is wrong that is no fact.
    pub(super) fn object(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// The first thing that was wrong.
    pub(super) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What was measured so far.
    pub(super) fn measures(&self) -> &Measures {
        &self.measures
    }

    /// What has become of the records.
    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The trace since the last call.
    pub(super) fn take_trace(&mut self) -> String {
        self.trace.as_mut().map(mem::take).unwrap_or_default()
    }
}
