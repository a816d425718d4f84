//! The marks of the files that a server makes: all of one log.

use aof_state::Line;

/// Draws the marks of new files.
pub(super) struct Marker {
    random: fastrand::Rng,
    line: Option<Line>,
}

impl Marker {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), line: None }
    }

    /// What is loaded is the dataset of this log, where that is known: the next file takes the place of one of it.
    pub(super) fn go_on(&mut self, line: Option<Line>) {
        self.line = line.or(self.line);
    }

    /// Whether this is the log whose files it makes.
    pub(super) fn is_of(&self, line: Option<Line>) -> bool {
        line.is_some() && line == self.line
    }

    /// A mark for a file that holds the dataset from now on.
    pub(super) fn next_mark(&mut self) -> [u8; 16] {
        let mark = Line::mark(self.line, self.random.u128(..).to_le_bytes());
        self.line = Some(Line::of(mark));
        mark
    }
}
