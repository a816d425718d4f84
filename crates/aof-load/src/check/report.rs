//! What a check found.

use super::analysis::{Event, UnitSpan};
use crate::damage::Damage;

/// Stretches that a report lists: one of a file that is nothing but damage must not take memory without end.
const MOST_STRETCHES: usize = 1_000;

/// What was found in a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The size that was checked.
    pub size_bytes: u64,
    /// Where the commands start: behind the RDB preamble, or 0.
    pub commands_start: u64,
    /// The end of the last whole command or transaction before the first damage; the size if there is none.
    pub ok_up_to: u64,
    /// How far was read then, counted in line ends of the structure as redis-check-aof counts them, from 1.
    pub ok_up_to_line: u64,
    /// Whole commands outside of damaged stretches, `MULTI` and `EXEC` included.
    pub commands: u64,
    /// Whole transactions.
    pub transactions: u64,
    /// Annotation lines outside of damaged stretches.
    pub annotations: u64,
    /// Damaged stretches, in file order: the first thousand.
    pub stretches: Vec<Stretch>,
    /// How many there are.
    pub stretch_count: u64,
}

/// A part of a file that is not whole commands and whole transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stretch {
    /// What is wrong, and where.
    pub damage: Damage,
    /// How far was read then: see [`Report::ok_up_to_line`].
    pub line: u64,
    /// Its first byte: that of the damaged command, of the transaction it lies in, or of a command before it whose count is wrong.
    pub start: u64,
    /// Where whole commands resume; the size of the file if none do.
    pub resume: u64,
    /// The first byte behind it. Behind `resume` if a rest of the damaged transaction stands there.
    pub end: u64,
    /// Whole commands in it, which are of no use without the damaged ones.
    pub dropped_commands: u64,
    /// Whether a transaction is dropped as a whole.
    pub transaction: bool,
    /// The other reading of where commands resume, if there is one.
    pub ambiguity: Option<Ambiguity>,
    /// Commands behind it whose database is not certain.
    pub assumed: Option<Assumed>,
    /// Whether the search for whole commands gave up: what follows resembles commands too much.
    pub undecided: bool,
}

/// Whole commands inside of the announced length of a broken argument, or of a value whose length is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The first of them.
    pub inside: u64,
    /// The end of the last that follows it without a gap.
    pub inside_end: u64,
    /// Where whole commands resume behind the argument; the size of the file if none do.
    pub outside: u64,
    /// Which reading was taken.
    pub taken: Reading,
}

/// What such commands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The text of a value: the length is right, the value was cut short or its end is damaged.
    Text,
    /// Commands of the log: the length is wrong, or bytes are missing.
    Commands,
}

/// Commands behind a stretch that may have held a `SELECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// The database of the last `SELECT` that was read.
    pub database: u32,
    /// The commands up to the next `SELECT`.
    pub commands: u64,
}

impl Stretch {
    /// From `start` to `end`, with nothing else known.
    pub(super) fn new(damage: Damage, line: u64, start: u64, end: u64) -> Self {
        Self {
            damage,
            line,
            start,
            resume: end,
            end,
            dropped_commands: 0,
            transaction: false,
            ambiguity: None,
            assumed: None,
            undecided: false,
        }
    }
}

impl Report {
    pub(super) fn new(size_bytes: u64, commands_start: u64) -> Self {
        Self {
            size_bytes,
            commands_start,
            ok_up_to: size_bytes,
            ok_up_to_line: 1,
            commands: 0,
            transactions: 0,
            annotations: 0,
            stretches: Vec::new(),
            stretch_count: 0,
        }
    }

    /// Whether the file is whole commands and transactions from its start to its end.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.stretch_count == 0
    }

    /// The first damage.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.stretches.first().map(|stretch| &stretch.damage)
    }

    /// Adds what was found next.
    pub(super) fn add(&mut self, event: &Event) {
        match event {
            Event::Unit(unit) => self.unit(unit),
            Event::Annotation(span) => self.annotations += u64::from(!span.in_transaction),
            Event::Stretch(stretch) => self.stretch(stretch),
        }
    }

    fn unit(&mut self, unit: &UnitSpan) {
        self.commands += unit.commands;
        self.transactions += u64::from(unit.transaction);
        if unit.before.assumed && !unit.is_select {
            self.assume(unit.before.number, unit.commands);
        }
    }

    fn assume(&mut self, database: u32, commands: u64) {
        if self.stretch_count > MOST_STRETCHES as u64 {
            return;
        }
        if let Some(last) = self.stretches.last_mut() {
            let assumed = last.assumed.get_or_insert(Assumed { database, commands: 0 });
            assumed.commands += commands;
        }
    }

    fn stretch(&mut self, stretch: &Stretch) {
        if self.stretch_count == 0 {
            (self.ok_up_to, self.ok_up_to_line) = (stretch.damage.cut_at, stretch.line);
        }
        self.doubt_text_before(stretch);
        self.stretch_count += 1;
        if self.stretches.len() < MOST_STRETCHES {
            self.stretches.push(stretch.clone());
        }
    }

    /// A line end alone between commands is what a value leaves that is the text of commands, and whose start is damaged: then the
    /// commands between the damage and that line end are none.
    fn doubt_text_before(&mut self, stretch: &Stretch) {
        let Damage { offset, found, .. } = stretch.damage;
        let line_end = found == Some(b'\r') && offset == stretch.start && stretch.resume == offset + 2;
        let Some(last) = self.stretches.last_mut().filter(|last| line_end && last.ambiguity.is_none()) else { return };
        if self.stretch_count <= MOST_STRETCHES as u64 && last.end < offset {
            let (inside, outside) = (last.end, stretch.resume);
            last.ambiguity = Some(Ambiguity { inside, inside_end: offset, outside, taken: Reading::Commands });
        }
    }

    /// All was read.
    pub(super) fn end(&mut self, line: u64) {
        if self.is_valid() {
            self.ok_up_to_line = line;
        }
    }
}
