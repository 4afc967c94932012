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
    let mut findings = unknown_departures(&cases, departures);
    for case in cases {
        let outcome = (case.run)(new_fixture().await).await;
        let departure = departures.iter().find(|(name, _)| *name == case.name);
        match (outcome, departure) {
            (Err(failure), None) => findings.push(format!("{}: {failure}", case.name)),
            (Ok(()), Some((name, reason))) => findings.push(format!(
                "{name}: passes, but is listed as a departure because '{reason}'; take it off the list"
            )),
            (Ok(()), None) | (Err(_), Some(_)) => {}
        }
    }
    assert!(findings.is_empty(), "the suite failed:\n{}", findings.join("\n"));
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
