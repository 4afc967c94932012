//! Who is in which lane: messages of any length go through `N` lanes, and a lane that is done takes the next message.

use std::array;
use std::ops::Range;

use super::DIGEST_BYTES;
use super::rounds::{self, BLOCK_BYTES, INITIAL, State};

/// The last of the padding: the length of the message in bits.
const LENGTH_BYTES: usize = 8;

/// Takes in as many blocks as the shortest source has.
type Compress<const N: usize> = fn(&mut State<N>, &[&[u8]; N]);

/// The digest of each message, in order.
pub(super) fn digest_all<const N: usize>(
    messages: &[&[u8]],
    compress: Compress<N>,
) -> Vec<[u8; DIGEST_BYTES]> {
    // A single lane would be alone from the start, with messages still waiting.
    const { assert!(N > 1, "there are no lanes side by side") };
    let mut digests = vec![[0; DIGEST_BYTES]; messages.len()];
    // The longest first, so that neighbours are alike and all lanes end at about the same time.
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_unstable_by_key(|index| usize::MAX - messages[*index].len());
    let mut waiting = order.into_iter().map(|index| Lane::new(index, messages[index]));
    let mut lanes: [Option<Lane<'_>>; N] = array::from_fn(|_| waiting.next());
    let mut state: State<N> = INITIAL.map(|word| [word; N]);

    while lanes.iter().flatten().count() > 1 {
        advance(&mut state, &mut lanes, compress);
        for (number, lane) in lanes.iter_mut().enumerate() {
            let Some(done) = lane.take_if(|lane| lane.is_done()) else { continue };
            digests[done.index] = digest_of(&state, number);
            *lane = waiting.next();
            for (word, initial) in state.iter_mut().zip(INITIAL) {
                word[number] = initial;
            }
        }
    }
    // Alone, it is faster without the company of empty lanes.
    for (number, lane) in lanes.into_iter().enumerate() {
        if let Some(lane) = lane {
            let index = lane.index;
            digests[index] = finish_alone(&state, number, lane);
        }
    }
    digests
}

/// Takes in what every occupied lane can take in before one of them has to turn to its tail, or is done.
fn advance<const N: usize>(state: &mut State<N>, lanes: &mut [Option<Lane<'_>>; N], compress: Compress<N>) {
    let pending = lanes.iter().flatten().map(Lane::pending);
    let Some(shortest) = pending.min_by_key(|source| source.len()) else { return };
    let bytes = shortest.len();
    // An empty lane digests what another does, and nobody asks for the result.
    let mut sources = [shortest; N];
    for (source, lane) in sources.iter_mut().zip(lanes.iter()) {
        if let Some(lane) = lane {
            *source = &lane.pending()[..bytes];
        }
    }
    compress(state, &sources);
    for lane in lanes.iter_mut().flatten() {
        lane.consume(bytes);
    }
}

fn finish_alone<const N: usize>(state: &State<N>, number: usize, mut lane: Lane<'_>) -> [u8; DIGEST_BYTES] {
    let mut own: State<1> = state.map(|word| [word[number]]);
    while !lane.is_done() {
        let pending = lane.pending();
        let bytes = pending.len();
        rounds::compress(&mut own, &[pending]);
        lane.consume(bytes);
    }
    digest_of(&own, 0)
}

fn digest_of<const N: usize>(state: &State<N>, number: usize) -> [u8; DIGEST_BYTES] {
    let mut digest = [0; DIGEST_BYTES];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word[number].to_le_bytes();
    }
    digest
}

/// One message on its way: first its whole blocks, then the tail with the padding.
struct Lane<'a> {
    /// Which of the messages.
    index: usize,
    /// The whole blocks that are still to come.
    blocks: &'a [u8],
    tail: [u8; 2 * BLOCK_BYTES],
    /// What of the tail is still to come: always whole blocks.
    tail_left: Range<usize>,
}

impl<'a> Lane<'a> {
    fn new(index: usize, message: &'a [u8]) -> Self {
        let (blocks, rest) = message.split_at(message.len() - message.len() % BLOCK_BYTES);
        let mut tail = [0; 2 * BLOCK_BYTES];
        tail[..rest.len()].copy_from_slice(rest);
        tail[rest.len()] = 0x80;
        let end = (rest.len() + 1 + LENGTH_BYTES).next_multiple_of(BLOCK_BYTES);
        let bits = (message.len() as u64).wrapping_mul(8);
        tail[end - LENGTH_BYTES..end].copy_from_slice(&bits.to_le_bytes());
        Self { index, blocks, tail, tail_left: 0..end }
    }

    /// What can be taken in without a break: whole blocks, at least one unless all is done.
    fn pending(&self) -> &[u8] {
        if self.blocks.is_empty() { &self.tail[self.tail_left.clone()] } else { self.blocks }
    }

    /// Leaves behind so much of what is pending.
    fn consume(&mut self, bytes: usize) {
        if self.blocks.is_empty() {
            self.tail_left.start += bytes;
        } else {
            self.blocks = &self.blocks[bytes..];
        }
    }

    fn is_done(&self) -> bool {
        self.blocks.is_empty() && self.tail_left.is_empty()
    }
}
