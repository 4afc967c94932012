use super::key::Key;
use super::mask::printable;
use super::origin::Origin;
use super::problem::Problem;
use super::value::Value;

/// A value that some source gives a key.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) key: &'static Key,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    /// The key in the source's own spelling, such as `failoverTimeMillis`.
    pub(crate) spelling: String,
}

impl Assignment {
    /// The value as it may be printed.
    pub(crate) fn shown(&self) -> String {
        self.key.show(&self.value)
    }

    /// Where it stands in its source.
    pub(crate) fn place(&self) -> usize {
        if let Origin::Line { line, .. } = self.origin { line } else { 0 }
    }

    /// That the value cannot be used.
    pub(crate) fn refused(&self, advice: &str) -> Problem {
        let advice = printable(advice);
        let is = format!("is '{}'; {advice}", self.shown());
        match &self.origin {
            Origin::Environment(_) | Origin::Flag(_) => Problem::new(format!("{} {is}", self.origin)),
            origin => Problem::new(format!("{origin}: {} {is}", self.spelling)),
        }
    }
}
