//! Reads protobuf's wire format, field by field. Nothing is copied, and every length is checked before it is used.

use std::ops::Range;

use super::layout::{BYTES, FIXED_32, FIXED_64, VARINT};
use super::malformation::Malformation;

/// The longest that a number of 64 bits can be.
const VARINT_BYTES_MAX: usize = 10;

/// What protobuf allows (protocol buffers encoding guide).
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

/// A part of a message. Offsets are those of the whole message, which is shorter than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        // Neither is cut: whoever opens a message has refused one that is longer.
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: offset(start), end: offset(end) }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) fn len(self) -> usize {
        self.range().len()
    }

    /// Its bytes in the message that it was read from.
    pub(super) fn of(self, message: &[u8]) -> &[u8] {
        &message[self.range()]
    }
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Varint(u64),
    Bytes(Span),
    /// Eight or four bytes, in a field that the format does not have.
    Fixed,
}

/// A message, or a message inside of it, from its first field to its last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    /// The whole message up to the end of this part of it.
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// The message that lies in `span` of `message`.
    pub(super) fn inside(message: &'a [u8], span: Span) -> Self {
        let Range { start, end } = span.range();
        Self { message: &message[..end], at: start }
    }

    /// One that goes on from where another was [`at`](Self::at).
    pub(super) fn resume(message: &'a [u8], at: usize) -> Self {
        Self { message, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next field with its value, or `None` where the message ends. After an error there is nothing more to read.
    ///
    /// A caller skips what it does not know by ignoring it, so known and unknown fields are held to the same rules.
    #[expect(clippy::inline_always, reason = "a fifth of what all but the digest costs")]
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Option<Field>, Malformation> {
        if self.at == self.message.len() {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint()?;
        let number = key >> 3;
        if !(1..=FIELD_NUMBER_MAX).contains(&number) {
            return Err(Malformation::FieldNumber { at, number });
        }
        let value = match key & 7 {
            VARINT => Value::Varint(self.varint()?),
            BYTES => {
                let bytes = self.varint()?;
                Value::Bytes(self.take(bytes)?)
            }
            FIXED_64 => self.take(8).map(|_| Value::Fixed)?,
            FIXED_32 => self.take(4).map(|_| Value::Fixed)?,
            wire_type => return Err(Malformation::WireType { at, wire_type }),
        };
        // Lossless: it is below 2^29.
        Ok(Some(Field { number: u32::try_from(number).unwrap_or(u32::MAX), value }))
    }

    #[inline]
    fn take(&mut self, bytes: u64) -> Result<Span, Malformation> {
        let left = self.message.len() - self.at;
        let bytes = usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes <= left)
            .ok_or(Malformation::ValueCut { at: self.at, needed: bytes, left })?;
        let start = self.at;
        self.at += bytes;
        Ok(Span::new(start, self.at))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformation> {
        match self.message.get(self.at) {
            // Most numbers are below 128.
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformation> {
        let at = self.at;
        let mut number = 0;
        for (place, byte) in self.message[at..].iter().take(VARINT_BYTES_MAX).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // Only one bit of the tenth byte is left of 64.
            if place == VARINT_BYTES_MAX - 1 && bits > 1 {
                break;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                self.at = at + place + 1;
                return Ok(number);
            }
        }
        let is_cut = self.message.len() - at < VARINT_BYTES_MAX;
        Err(if is_cut { Malformation::VarintCut { at } } else { Malformation::VarintTooLong { at } })
    }
}
