//! Writes protobuf's wire format, and says beforehand how long it will be.

use bytes::{BufMut, BytesMut};

use super::layout::{BYTES, VARINT};

/// The length of a field's key. The format has no field number above 15, which is where keys become longer.
const KEY_BYTES: usize = 1;

pub(super) fn varint_field_len(value: u64) -> usize {
    KEY_BYTES + varint_len(value)
}

pub(super) fn bytes_field_len(len: usize) -> usize {
    KEY_BYTES + varint_len(len as u64) + len
}

pub(super) fn put_varint_field(out: &mut BytesMut, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3 | VARINT);
    put_varint(out, value);
}

/// What comes before the content of a field that has this length: a string, bytes, or a message.
pub(super) fn put_bytes_header(out: &mut BytesMut, number: u32, len: usize) {
    put_varint(out, u64::from(number) << 3 | BYTES);
    put_varint(out, len as u64);
}

pub(super) fn put_bytes_field(out: &mut BytesMut, number: u32, bytes: &[u8]) {
    put_bytes_header(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Seven bits a byte.
fn varint_len(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()).max(1).div_ceil(7) as usize
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.put_u8(low_bits(value));
}

fn low_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}
