use std::fmt;

use crate::Failure;

/// One thing that is wrong with the configuration: where, with which value, and what to use instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(String);

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All of them as one message, or `Ok` if there are none.
pub(crate) fn none_of(problems: &[Problem]) -> Result<(), Failure> {
    match problems {
        [] => Ok(()),
        [problem] => Err(Failure::usage(problem)),
        several => {
            let lines: Vec<String> = several.iter().map(|problem| format!("\n  {problem}")).collect();
            Err(Failure::usage(format!(
                "the configuration has {} problems:{}",
                several.len(),
                lines.concat()
            )))
        }
    }
}
