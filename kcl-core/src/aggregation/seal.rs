use md5::{Digest, Md5};

use super::layout::MAGIC;
use super::md5::{DIGEST_BYTES, digests};

/// What the first bytes of a record and the digest at its end say of it: whether it is to be read as an aggregate.
///
/// The digest costs many times what all else costs, and for a page of records at once a fraction of what it costs for one
/// after the other. So a page is sealed first, and its aggregates are opened one by one, as they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal(pub(super) Verdict);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not begin as an aggregate does, or is too short to be one.
    Plain,
    /// It begins as one, and the digest is right.
    Intact,
    /// It begins as one, but the message digests to this.
    Broken([u8; DIGEST_BYTES]),
}

impl Seal {
    /// The seal of one record.
    pub fn of(data: &[u8]) -> Self {
        split(data)
            .map_or(Self::PLAIN, |(message, stated)| Self::compare(stated, Md5::digest(message).into()))
    }

    /// The seals of a page of records, in order: what [`of`](Self::of) says of each, several times as fast.
    ///
    /// Takes memory for a few words for each record until it returns.
    pub fn of_page<'a>(page: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let parts: Vec<_> = page.into_iter().map(split).collect();
        let messages: Vec<&[u8]> = parts.iter().flatten().map(|(message, _)| *message).collect();
        let mut computed = digests(&messages).into_iter();
        let mut seal = |stated| computed.next().map(|computed| Self::compare(stated, computed));
        parts.iter().map(|part| part.and_then(|(_, stated)| seal(stated)).unwrap_or(Self::PLAIN)).collect()
    }

    /// True if the record does not begin as an aggregate does.
    pub fn is_plain(&self) -> bool {
        self.0 == Verdict::Plain
    }

    const PLAIN: Self = Self(Verdict::Plain);

    fn compare(stated: &[u8; DIGEST_BYTES], computed: [u8; DIGEST_BYTES]) -> Self {
        Self(if *stated == computed { Verdict::Intact } else { Verdict::Broken(computed) })
    }
}

/// The message and the digest of what begins as an aggregate. Like Java's `AggregatorUtil`, it takes one only if the message
/// has at least one byte.
pub(super) fn split(data: &[u8]) -> Option<(&[u8], &[u8; DIGEST_BYTES])> {
    let sealed = data.strip_prefix(&MAGIC)?;
    sealed.split_last_chunk().filter(|(message, _)| !message.is_empty())
}
