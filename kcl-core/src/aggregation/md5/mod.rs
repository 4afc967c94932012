//! MD5 of many messages side by side.
//!
//! MD5 is a chain of steps, each of which waits for the one before, so one message leaves most of a core idle. Here each
//! message has a lane of a vector register, and a step is made for all lanes at once. Every aggregate ends in a digest of
//! all that it holds, so this is what reading aggregates costs.
//!
//! The vectors are plain arrays, which the compiler turns into vector instructions, so every machine gives the same answers.
//! What has to be unsafe about that, to call what only some processors can run, is left to the `multiversion` crate. For a
//! single message take the `md-5` crate, which is what this is tested against.

mod lanes;
mod rounds;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use lanes::digest_all;
use rounds::{State, compress};

/// The length of a digest.
pub const DIGEST_BYTES: usize = 16;

/// One AVX-512 register for each word, or two AVX2 registers, whose steps fill each other's waits.
const WIDE_LANES: usize = 16;

/// One register of SSE2 or NEON, which every machine of its kind has. More would not fit into its few registers.
const PORTABLE_LANES: usize = 4;

/// The MD5 digest of each message, in order, by the widest vectors that this machine has.
///
/// Takes memory for a digest and a little more for each message, and copies none of them.
pub fn digests(messages: &[&[u8]]) -> Vec<[u8; DIGEST_BYTES]> {
    if has_wide_vectors() { digest_all(messages, compress_wide) } else { digests_portable(messages) }
}

/// What [`digests`] does on a machine without wide vectors.
pub fn digests_portable(messages: &[&[u8]]) -> Vec<[u8; DIGEST_BYTES]> {
    digest_all::<PORTABLE_LANES>(messages, compress)
}

#[multiversion(targets("x86_64+avx2"))]
fn has_wide_vectors() -> bool {
    target_cfg_f!(target_feature = "avx2")
}

/// Compiled once for each target; what the processor can do decides which is called.
///
/// A function of its own, not a part of the loop around it: inlined there, the compiler makes fewer vectors of it.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn compress_wide(state: &mut State<WIDE_LANES>, sources: &[&[u8]; WIDE_LANES]) {
    compress(state, sources);
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};

    use super::*;

    /// Whatever this processor can do, the lanes of all others are tried as well, by plain instructions.
    #[test]
    fn any_number_of_lanes_gives_the_same_digests() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let messages: Vec<&[u8]> = (0..100).map(|index| &bytes[index..index * 7 % 300 + index]).collect();
        let expected: Vec<[u8; DIGEST_BYTES]> =
            messages.iter().map(|message| Md5::digest(message).into()).collect();
        assert_eq!(digest_all::<2>(&messages, compress), expected);
        assert_eq!(digest_all::<3>(&messages, compress), expected);
        assert_eq!(digest_all::<PORTABLE_LANES>(&messages, compress), expected);
        assert_eq!(digest_all::<WIDE_LANES>(&messages, compress), expected);
        assert_eq!(digest_all(&messages, compress_wide), expected);
    }
}
