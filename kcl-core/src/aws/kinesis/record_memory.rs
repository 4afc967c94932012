use base64_simd::{AsOut, STANDARD as BASE64};
use bytes::{Bytes, BytesMut};

use crate::error::{Error, ErrorKind, Result};

/// The first piece of memory, so that a page of one small record takes little. Each that follows is twice as large.
const FIRST_PIECE_BYTES: usize = 1024;

/// Enough for some hundreds of small records. A processor that keeps one of them for long keeps no more than this.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// From here on a value has memory of its own, or too much of a piece would be left over at its end.
const ALONE_BYTES_MIN: usize = PIECE_BYTES_MAX / 8;

/// Memory for the data and the keys of one page's records, which are mostly small: many values share one piece of it.
#[derive(Debug)]
pub(super) struct RecordMemory {
    /// What is left of the last piece. Empty between two calls.
    piece: BytesMut,
    next_piece_bytes: usize,
}

impl RecordMemory {
    /// The bytes that a text in base64 (RFC 4648, section 4, with padding) stands for.
    pub(super) fn decode(&mut self, text: &str) -> Result<Bytes> {
        let length = BASE64.decoded_length(text.as_bytes()).map_err(not_base64)?;
        self.fill(length, |room| BASE64.decode(text.as_bytes(), room.as_out()).map(drop).map_err(not_base64))
    }

    pub(super) fn copy(&mut self, bytes: &[u8]) -> Result<Bytes> {
        self.fill(bytes.len(), |room| {
            room.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn fill(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Bytes> {
        if length >= ALONE_BYTES_MIN {
            let mut room = vec![0; length];
            write(&mut room)?;
            return Ok(room.into());
        }
        if self.piece.capacity() < length {
            self.piece = BytesMut::with_capacity(self.next_piece_bytes.max(length));
            self.next_piece_bytes = (self.next_piece_bytes * 2).min(PIECE_BYTES_MAX);
        }
        self.piece.resize(length, 0);
        let written = write(&mut self.piece);
        let filled = self.piece.split().freeze();
        written.map(|()| filled)
    }
}

impl Default for RecordMemory {
    fn default() -> Self {
        Self { piece: BytesMut::new(), next_piece_bytes: FIRST_PIECE_BYTES }
    }
}

/// Its own words are no more than that.
fn not_base64(_: base64_simd::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "the data is not base64, with its padding")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Also where a piece ends, and beside values that have memory of their own.
        #[test]
        fn every_value_is_kept_as_it_was(
            lengths in prop::collection::vec(prop_oneof![0..40_usize, 900..1_100_usize, 8_000..9_000_usize], 0..60),
        ) {
            let mut memory = RecordMemory::default();
            let values: Vec<Vec<u8>> = (0_u8..).zip(&lengths).map(|(number, length)| vec![number; *length]).collect();
            let kept: Vec<(Bytes, Bytes)> = values
                .iter()
                .map(|value| (memory.copy(value).unwrap(), memory.decode(&BASE64.encode_to_string(value)).unwrap()))
                .collect();
            for (value, (copied, decoded)) in values.iter().zip(kept) {
                prop_assert_eq!(value, &copied);
                prop_assert_eq!(value, &decoded);
            }
        }

        #[test]
        fn what_is_decoded_in_place_is_what_is_decoded_elsewhere(text in "[A-Za-z0-9+/=_\\- ]{0,12}") {
            let decoded = RecordMemory::default().decode(&text).ok();
            prop_assert_eq!(decoded, BASE64.decode_to_vec(&text).ok().map(Bytes::from));
        }
    }

    #[test]
    fn small_values_share_memory_and_large_ones_have_their_own() {
        let mut memory = RecordMemory::default();
        let small = [memory.copy(&[1; 100]).unwrap(), memory.copy(&[2; 100]).unwrap()];
        assert_eq!(small[0].as_ptr().wrapping_add(100), small[1].as_ptr());
        let left = memory.piece.capacity();
        memory.copy(&[3; ALONE_BYTES_MIN]).unwrap();
        assert_eq!(memory.piece.capacity(), left);
        // One that does not fit leaves the rest of its piece, and the pieces grow up to the most.
        for _ in 0..100 {
            memory.copy(&[4; ALONE_BYTES_MIN - 1]).unwrap();
        }
        assert_eq!(memory.next_piece_bytes, PIECE_BYTES_MAX);
        assert!(memory.piece.capacity() < PIECE_BYTES_MAX);
    }
}
