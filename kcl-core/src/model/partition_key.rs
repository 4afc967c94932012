use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

use crate::error::{Error, ErrorKind, Result};

/// The key that chooses a record's shard. Records of one key are in order.
///
/// A share of a larger buffer where it came out of an aggregate, so it is cheap to clone and costs no allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartitionKey(ByteString);

impl PartitionKey {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for PartitionKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PartitionKey {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for PartitionKey {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl TryFrom<Bytes> for PartitionKey {
    type Error = Error;

    /// Without a copy. Fails with [`ErrorKind::Corrupt`] unless the bytes are UTF-8.
    fn try_from(bytes: Bytes) -> Result<Self> {
        let text = ByteString::try_from(bytes);
        text.map(Self)
            .map_err(|error| Error::new(ErrorKind::Corrupt, format!("a partition key is not UTF-8: {error}")))
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
