use super::assignment::Assignment;
use super::problem::Problem;

/// What one source says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) assignments: Vec<Assignment>,
    /// What could not be read, each with its place in the source.
    pub(super) problems: Vec<(usize, Problem)>,
    /// What was read and has no effect, in words.
    pub(super) warnings: Vec<String>,
}

impl Layer {
    pub(super) fn of_problem(problem: Problem) -> Self {
        Self { problems: vec![(0, problem)], ..Self::default() }
    }
}
