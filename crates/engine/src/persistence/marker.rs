//! The marks of the files that a server makes: all of one log.

use aof_state::Line;

/// Draws the marks of new files.
pub(super) struct Marker {
    random: fastrand::Rng,
    line: Option<Line>,
    renews: bool,
}

impl Marker {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), line: None, renews: false }
    }

    /// What is loaded is the dataset of this log, where that is known: the next file takes the place of one of it.
    pub(super) fn go_on(&mut self, line: Option<Line>) {
        self.line = line.or(self.line);
    }

    /// The file that is loaded was known under its mark as what it is now, and becomes another.
    pub(super) fn renew(&mut self) {
        self.renews = true;
    }

    /// Whether the file that was loaded is to have a mark of its own; asked once.
    pub(super) fn take_renewal(&mut self) -> bool {
        std::mem::take(&mut self.renews)
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
