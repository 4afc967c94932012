use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// The name of one running worker: the `leaseOwner` of the rows it holds.
///
/// It must be unique among the processes that share a lease table, also across restarts of the same host: two
/// workers of one name would both believe in the same lease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(String);

impl WorkerId {
    /// Checks and wraps a name. Fails with [`ErrorKind::Refused`] if it is empty, which a lease row cannot hold.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::new(
                ErrorKind::Refused,
                "the worker id is empty; give each worker a name of its own",
            ));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
