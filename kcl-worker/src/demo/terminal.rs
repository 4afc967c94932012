/// How much a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Characters of a line.
    pub columns: usize,
    /// Lines.
    pub lines: usize,
}

/// What a terminal has that does not say.
const USUAL: TerminalSize = TerminalSize { columns: 80, lines: 24 };

/// The fewest lines that a live view makes sense on: with fewer there is no room for the log.
const LIVE_LINES_MIN: usize = 20;

impl TerminalSize {
    /// That of the terminal which standard output is, as it is at this moment.
    pub fn current() -> Self {
        terminal_size::terminal_size_of(std::io::stdout())
            .map_or(USUAL, |(width, height)| Self { columns: width.0.into(), lines: height.0.into() })
    }

    /// True if a live view has room.
    pub fn has_room(self) -> bool {
        self.lines >= LIVE_LINES_MIN
    }
}
