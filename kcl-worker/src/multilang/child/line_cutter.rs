/// Cuts a stream of bytes into lines, with a bound on what is kept of each. Pure.
#[derive(Debug)]
pub(super) struct LineCutter {
    line: Vec<u8>,
    /// The length of the line so far, kept or not.
    bytes: usize,
    bytes_max: usize,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The line; of an overlong one, its beginning.
    pub(super) text: &'a [u8],
    /// How long it was.
    pub(super) bytes: usize,
}

impl Line<'_> {
    pub(super) fn is_overlong(&self) -> bool {
        self.text.len() < self.bytes
    }
}

impl LineCutter {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), bytes: 0, bytes_max }
    }

    /// Takes what was read, and hands out the lines that it completes.
    pub(super) fn push(&mut self, mut read: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            self.keep(&read[..end]);
            self.finish(&mut each);
            read = &read[end + 1..];
        }
        self.keep(read);
    }

    /// Hands out what came after the last end of a line, if anything did.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.bytes > 0 {
            each(Line { text: &self.line, bytes: self.bytes });
        }
        self.line.clear();
        self.line.shrink_to(LINE_BYTES_KEPT);
        self.bytes = 0;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.bytes_max - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes += bytes.len();
    }
}

/// As much as a message needs stays allocated between two lines; a child has two of these.
const LINE_BYTES_KEPT: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]], bytes_max: usize) -> Vec<(Vec<u8>, usize)> {
        let (mut cutter, mut lines) = (LineCutter::new(bytes_max), Vec::new());
        let mut each = |line: Line<'_>| {
            assert_eq!(line.is_overlong(), line.bytes > bytes_max);
            lines.push((line.text.to_vec(), line.bytes));
        };
        for chunk in chunks {
            cutter.push(chunk, &mut each);
        }
        cutter.finish(&mut each);
        lines
    }

    #[test]
    fn an_overlong_line_is_cut_and_the_next_one_is_whole() {
        let lines = cut(&[b"abc", b"def\ngh\n\nx"], 4);
        assert_eq!(lines, [(b"abcd".to_vec(), 6), (b"gh".to_vec(), 2), (b"x".to_vec(), 1)]);
    }

    proptest! {
        #[test]
        fn where_reads_end_does_not_matter(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            step in 1..20_usize,
            bytes_max in 1..30_usize,
        ) {
            let chunks: Vec<&[u8]> = bytes.chunks(step).collect();
            let expected: Vec<(Vec<u8>, usize)> = bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| (line[..line.len().min(bytes_max)].to_vec(), line.len()))
                .collect();
            prop_assert_eq!(cut(&chunks, bytes_max), expected);
        }
    }
}
