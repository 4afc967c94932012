//! The 64 steps of MD5 (RFC 1321), for `N` messages at once.
//!
//! Everything is inlined into its caller, whose target features decide which vector instructions it becomes.

#![expect(
    clippy::inline_always,
    reason = "what is called instead has the target features of its own, which are none"
)]

/// One 32-bit word of each of `N` messages.
pub(super) type Word<const N: usize> = [u32; N];

/// The four words that a message has been digested to so far.
pub(super) type State<const N: usize> = [Word<N>; 4];

/// The length of what one compression takes in.
pub(super) const BLOCK_BYTES: usize = 64;

const BLOCK_WORDS: usize = 16;

/// The state before the first block.
pub(super) const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// By how much each step rotates: four amounts for each round of sixteen steps, in turn.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The integer part of `2^32 * |sin(i + 1)|` for each step `i`.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// Takes in as many blocks as the shortest of `sources` has whole, of each of them.
#[inline(always)]
pub(super) fn compress<const N: usize>(state: &mut State<N>, sources: &[&[u8]; N]) {
    let blocks = sources.iter().map(|source| source.len() / BLOCK_BYTES).min().unwrap_or(0);
    let mut words = [[0; N]; BLOCK_WORDS];
    for block in 0..blocks {
        for (lane, source) in sources.iter().enumerate() {
            let bytes = &source[block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES];
            for (number, bytes) in bytes.as_chunks().0.iter().enumerate() {
                words[number][lane] = u32::from_le_bytes(*bytes);
            }
        }
        let mut next = *state;
        all_steps(&mut next, &words);
        for (old, new) in state.iter_mut().zip(next) {
            *old = lanes(|lane| old[lane].wrapping_add(new[lane]));
        }
    }
}

/// Calls `step` for each number. Written out, so that all that follows from the number is known to the compiler.
macro_rules! each_step {
    ($state:ident, $words:ident, $($number:literal)*) => { $(step($state, $words, $number);)* };
}

#[inline(always)]
#[rustfmt::skip]
fn all_steps<const N: usize>(state: &mut State<N>, words: &[Word<N>; BLOCK_WORDS]) {
    each_step!(state, words, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    each_step!(state, words, 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    each_step!(state, words, 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
    each_step!(state, words, 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
}

#[inline(always)]
fn step<const N: usize>(state: &mut State<N>, words: &[Word<N>; BLOCK_WORDS], number: usize) {
    let round = number / BLOCK_WORDS;
    // The four words swap their places after each step, so that nothing has to be moved.
    let place = |word: usize| (64 + word - number) % 4;
    let (a, b, c, d) = (state[place(0)], state[place(1)], state[place(2)], state[place(3)]);
    let word = &words[[number, 5 * number + 1, 3 * number + 5, 7 * number][round] % BLOCK_WORDS];
    state[place(0)] = lanes(|lane| {
        let (b, c, d) = (b[lane], c[lane], d[lane]);
        let mixed = match round {
            0 => d ^ (b & (c ^ d)),
            1 => c ^ (d & (b ^ c)),
            2 => b ^ c ^ d,
            _ => c ^ (b | !d),
        };
        let sum = a[lane].wrapping_add(mixed).wrapping_add(SINES[number]).wrapping_add(word[lane]);
        sum.rotate_left(ROTATIONS[round][number % 4]).wrapping_add(b)
    });
}

/// One word, lane by lane. A plain loop, because [`std::array::from_fn`] is not inlined everywhere.
#[inline(always)]
fn lanes<const N: usize>(word: impl Fn(usize) -> u32) -> Word<N> {
    let mut words = [0; N];
    for (lane, target) in words.iter_mut().enumerate() {
        *target = word(lane);
    }
    words
}
