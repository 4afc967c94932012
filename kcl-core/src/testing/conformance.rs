use std::error::Error as StdError;
use std::fmt;
use std::iter;
use std::sync::Arc;

use futures_util::future::BoxFuture;

/// One promise of a port, as a test over a fixture `F`.
pub struct Case<F: ?Sized> {
    /// What is promised.
    pub name: &'static str,
    /// Tests it, on a fixture of its own.
    pub run: fn(Arc<F>) -> BoxFuture<'static, CaseResult>,
}

/// The outcome of a [`Case`]. Cases return a failure instead of panicking, so that a known departure can be asserted.
pub type CaseResult<T = ()> = Result<T, Failure>;

/// Why a case failed.
#[derive(Debug)]
pub struct Failure(String);

/// How a case went on an implementation whose departures are known.
#[derive(Debug)]
pub enum CaseOutcome {
    /// The promise is kept.
    Kept,
    /// It is not, as is known for this reason.
    Departed(String),
    /// It is not, and nobody knew.
    Failed(Failure),
    /// It is kept, although it is listed as a departure for this reason.
    Mended(String),
}

/// Runs every case, each on a new fixture.
///
/// `departures` names the cases that this implementation is known to fail, each with the reason. They must fail
/// indeed, so that an implementation which has been mended is noticed.
///
/// # Panics
/// With a list of all findings, if a case fails that is no departure, if a departure passes, or if a departure names
/// no case.
pub async fn run_suite<F: ?Sized>(
    cases: Vec<Case<F>>,
    new_fixture: impl AsyncFn() -> Arc<F>,
    departures: &[(&str, &str)],
) {
    let findings = report_suite(cases, new_fixture, departures, |_, _| {}).await;
    assert!(findings.is_empty(), "the suite failed:\n{}", findings.join("\n"));
}

/// Runs every case as [`run_suite`] does, and tells `report` the name and the outcome of each when it has run.
///
/// Returns the findings that [`run_suite`] would panic with: none if all is as the departures say.
pub async fn report_suite<F: ?Sized>(
    cases: Vec<Case<F>>,
    new_fixture: impl AsyncFn() -> Arc<F>,
    departures: &[(&str, &str)],
    mut report: impl FnMut(&str, &CaseOutcome),
) -> Vec<String> {
    let mut findings = unknown_departures(&cases, departures);
    for case in cases {
        let result = (case.run)(new_fixture().await).await;
        let departure = departures.iter().find(|(name, _)| *name == case.name);
        let outcome = CaseOutcome::new(result, departure.map(|(_, reason)| *reason));
        report(case.name, &outcome);
        if outcome.is_finding() {
            findings.push(format!("{}: {outcome}", case.name));
        }
    }
    findings
}

impl CaseOutcome {
    fn new(result: CaseResult, departure: Option<&str>) -> Self {
        match (result, departure) {
            (Ok(()), None) => Self::Kept,
            (Err(_), Some(reason)) => Self::Departed(reason.to_owned()),
            (Err(failure), None) => Self::Failed(failure),
            (Ok(()), Some(reason)) => Self::Mended(reason.to_owned()),
        }
    }

    /// True if the case did not go as the departures say.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Mended(_))
    }
}

fn unknown_departures<F: ?Sized>(cases: &[Case<F>], departures: &[(&str, &str)]) -> Vec<String> {
    departures
        .iter()
        .filter(|(name, _)| cases.iter().all(|case| case.name != *name))
        .map(|(name, _)| format!("{name}: is listed as a departure, but there is no such case"))
        .collect()
}

/// Fails with `problem` unless `condition` holds.
pub(super) fn check(condition: bool, problem: impl FnOnce() -> String) -> CaseResult {
    if condition { Ok(()) } else { Err(Failure(problem())) }
}

/// Fails unless the two are equal.
pub(super) fn check_eq<T: PartialEq + fmt::Debug + ?Sized>(
    what: &str,
    actual: &T,
    expected: &T,
) -> CaseResult {
    check(actual == expected, || format!("{what}: expected {expected:?}, got {actual:?}"))
}

/// Fails unless `result` is an error of `kind`.
pub(super) fn check_error<T: fmt::Debug>(
    what: &str,
    result: crate::Result<T>,
    kind: crate::ErrorKind,
) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => fail(format!("{what}: expected an error {kind:?}, got {:?}: {error}", error.kind())),
        Ok(value) => fail(format!("{what}: expected an error {kind:?}, got {value:?}")),
    }
}

pub(super) fn fail<T>(problem: impl Into<String>) -> CaseResult<T> {
    Err(Failure(problem.into()))
}

/// The list of cases that the named functions make.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        vec![$(crate::testing::Case { name: stringify!($name), run: |fixture| Box::pin($name(fixture)) }),+]
    };
}
pub(super) use cases;

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        let causes: String = iter::successors(error.source(), |&cause| cause.source())
            .flat_map(|cause| [": ".to_owned(), cause.to_string()])
            .collect();
        Self(format!("unexpected error {:?}: {error}{causes}", error.kind()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Failure {}

impl fmt::Display for CaseOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("ok"),
            Self::Departed(reason) => write!(f, "departs: {reason}"),
            Self::Failed(failure) => failure.fmt(f),
            Self::Mended(reason) => {
                write!(f, "passes, but is listed as a departure because '{reason}'; take it off the list")
            }
        }
    }
}

impl<F: ?Sized> fmt::Debug for Case<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn holds(_: Arc<()>) -> CaseResult {
        Ok(())
    }

    async fn broken(_: Arc<()>) -> CaseResult {
        fail("2 is not 3")
    }

    async fn run(departures: &[(&str, &str)]) {
        run_suite(cases![holds, broken], async || Arc::new(()), departures).await;
    }

    #[tokio::test]
    #[should_panic(expected = "broken: 2 is not 3")]
    async fn a_failing_case_fails_the_suite() {
        run(&[]).await;
    }

    #[tokio::test]
    async fn a_departure_may_fail() {
        run(&[("broken", "a reason")]).await;
    }

    #[tokio::test]
    #[should_panic(expected = "holds: passes, but")]
    async fn a_departure_must_fail() {
        run(&[("broken", "a reason"), ("holds", "a reason")]).await;
    }

    #[tokio::test]
    #[should_panic(expected = "gone: is listed")]
    async fn a_departure_must_name_a_case() {
        run(&[("broken", "a reason"), ("gone", "a reason")]).await;
    }
}
