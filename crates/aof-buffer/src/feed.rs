//! From effects to bytes: which `SELECT`, `MULTI` and `EXEC` stand before and after the commands.
//!
//! An effect already is a canonical command, so that feeding it is one copy; this module only holds the state that says
//! what must stand before it.

use mutants::{Mutant, planted};

/// `MULTI`, as it stands in the log.
pub(crate) const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

/// `EXEC`, as it stands in the log.
pub(crate) const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Where the stream stands: its database, and whether a unit is open.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// The database of the last command; `None` where a reader of the file could not know it.
    selected: Option<u32>,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unit {
    #[default]
    None,
    /// Begun, nothing fed yet.
    Empty,
    /// `MULTI` was fed.
    Open,
}

impl Feed {
    /// The next command will have its `SELECT`, whatever its database.
    ///
    /// # Panics
    /// Inside a unit: a file must not begin or end inside a transaction.
    pub(crate) fn forget_db(&mut self) {
        if planted(Mutant::SelectNotReissued) {
            return;
        }
        assert!(self.unit == Unit::None, "the log is switched between units only");
        self.selected = None;
    }

    /// The `SELECT` that must stand before a command in `db`, if any.
    pub(crate) fn select(&mut self, db: u32) -> Option<Select> {
        if self.selected == Some(db) {
            return None;
        }
        self.selected = Some(db);
        Some(Select::new(db))
    }

    /// Whether `MULTI` must stand before the next command.
    pub(crate) fn multi(&mut self) -> bool {
        if planted(Mutant::MultiSplit) {
            return false;
        }
        let due = self.unit == Unit::Empty;
        if due {
            self.unit = Unit::Open;
        }
        due
    }

    pub(crate) fn in_unit(&self) -> bool {
        self.unit != Unit::None
    }

    pub(crate) fn begin_unit(&mut self) {
        assert!(self.unit == Unit::None, "units do not nest");
        self.unit = Unit::Empty;
    }

    /// Ends a unit; whether `EXEC` must be fed.
    pub(crate) fn end_unit(&mut self) -> bool {
        assert!(self.unit != Unit::None, "a unit was begun");
        std::mem::take(&mut self.unit) == Unit::Open
    }
}

/// The longest `SELECT`: 10 digits.
const SELECT_BYTES: usize = b"*2\r\n$6\r\nSELECT\r\n$10\r\n4294967295\r\n".len();

/// An encoded `SELECT`, without allocation.
pub(crate) struct Select {
    buf: [u8; SELECT_BYTES],
    len: usize,
}

impl Select {
    fn new(db: u32) -> Self {
        use std::io::Write as _;
        let mut select = Self { buf: [0; SELECT_BYTES], len: 0 };
        let digits = db.checked_ilog10().unwrap_or(0) + 1;
        let mut rest = &mut select.buf[..];
        write!(rest, "*2\r\n$6\r\nSELECT\r\n${digits}\r\n{db}\r\n").expect("the buffer holds the longest SELECT");
        let left = rest.len();
        select.len = SELECT_BYTES - left;
        select
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_stands_before_a_command_only_when_the_database_differs() {
        let mut feed = Feed::default();
        assert_eq!(feed.select(0).unwrap().bytes(), b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
        assert!(feed.select(0).is_none());
        assert_eq!(feed.select(15).unwrap().bytes(), b"*2\r\n$6\r\nSELECT\r\n$2\r\n15\r\n");
        feed.forget_db();
        assert_eq!(feed.select(15).unwrap().bytes(), b"*2\r\n$6\r\nSELECT\r\n$2\r\n15\r\n");
        assert_eq!(feed.select(u32::MAX).unwrap().bytes(), b"*2\r\n$6\r\nSELECT\r\n$10\r\n4294967295\r\n");
    }

    #[test]
    fn a_unit_without_effects_leaves_no_trace() {
        let mut feed = Feed::default();
        assert!(!feed.multi());
        feed.begin_unit();
        assert!(!feed.end_unit());
        feed.begin_unit();
        assert!(feed.multi());
        assert!(!feed.multi());
        assert!(feed.end_unit());
        assert!(!feed.multi());
    }
}
