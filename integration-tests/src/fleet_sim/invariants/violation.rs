use std::fmt;
use std::time::Duration;

use crate::fleet_sim::fact::Fact;

/// An invariant that a run has broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    rule: &'static str,
    problem: String,
    seen_in: Option<String>,
}

impl Violation {
    /// `rule` is the invariant's number.
    pub fn new(rule: &'static str, problem: impl Into<String>) -> Self {
        Self { rule, problem: problem.into(), seen_in: None }
    }

    /// The fact that broke it.
    pub fn seen_in(mut self, fact: &Fact<'_>) -> Self {
        self.seen_in = Some(fact.to_string());
        self
    }

    /// The number of the invariant.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.problem)?;
        self.seen_in.as_ref().map_or(Ok(()), |fact| write!(f, ", at{fact}"))
    }
}

/// Seconds, for messages.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
