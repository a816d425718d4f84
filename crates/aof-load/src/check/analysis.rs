//! Reads a log from its start to its end, over damage: what comes is units that are whole, and between them damaged stretches.
//!
//! Invariant: every byte of the file lies in a unit, an annotation or a stretch, in file order. A transaction is one unit, or lies
//! in a stretch as a whole.
//!
//! Commands are judged by their structure alone: whether a name is known, its arguments are enough, and it may stand in a log is
//! what the loader of a server says, whose table this crate does not have.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use vfs::File;

use super::ahead::{Ahead, Mark};
use super::item::{Broken, Head, Item, Items, Kind, Stamp};
use super::resume::{Resume, Resumer};
use super::{Database, Stretch};
use crate::assemble::Role;
use crate::damage::{Damage, Expected};

/// Bytes read at once.
const WINDOW_BYTES: u64 = 256 * 1024;

/// What is left of an `EXEC` if bytes of it are damaged. Nothing else in a log has one argument of four bytes.
const REMAINS: [&[u8]; 2] = [b"XEC\r\n", b"*1\r\n$4"];

/// Bytes before a place that are looked at for what is left of an `EXEC`.
const REMAINS_BYTES: u64 = 64 * 1024;

/// What stands next in the file.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Unit(UnitSpan),
    Annotation(AnnotationSpan),
    Stretch(Box<Stretch>),
}

/// A command alone or a whole transaction.
#[derive(Clone, Debug)]
pub(super) struct UnitSpan {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) transaction: bool,
    /// Its commands, `MULTI` and `EXEC` included.
    pub(super) commands: u64,
    /// Whether it is a `SELECT` alone.
    pub(super) is_select: bool,
    /// The database selected before it, and behind it.
    pub(super) before: Database,
    pub(super) after: Database,
}

/// An annotation line.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnnotationSpan {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) stamp: Stamp,
    /// Where a cut before it falls: before an open `MULTI`.
    pub(super) boundary: u64,
    pub(super) in_transaction: bool,
}

/// What is read together, and was begun.
struct Open {
    start: u64,
    commands: u64,
    before: Database,
    kind: OpenKind,
}

/// What was begun.
enum OpenKind {
    /// A transaction without damage so far.
    Whole,
    /// A command that looks like a damaged `MULTI`, whose `EXEC` follows.
    LostMulti,
    /// A whole command that is no good, as what follows it shows.
    Suspect,
    /// What is left of a transaction behind damage.
    Rest(Box<Stretch>),
}

/// A file in the reading.
pub(super) struct Analysis {
    items: Items,
    resumer: Resumer,
    ahead: Ahead,
    end: u64,
    at: u64,
    /// The end of the last whole unit, as a reader sees it that stops at damage.
    boundary: u64,
    index: u64,
    lines: u64,
    database: Database,
    open: Option<Open>,
    /// The last command, and if it stands alone: whether it counts depends on what follows.
    previous: Option<u64>,
    suspect: Option<UnitSpan>,
    /// Commands of the longest transaction so far.
    longest: u64,
    /// What was found behind what is handed out first.
    ready: VecDeque<Event>,
}

impl Analysis {
    /// Reads `file` from `start`, where an item stands, to `end`.
    pub(super) fn new(file: &Arc<dyn File>, start: u64, end: u64) -> Self {
        Self {
            items: Items::new(Arc::clone(file), end, WINDOW_BYTES, u64::MAX),
            resumer: Resumer::new(file, end),
            ahead: Ahead::new(file, end),
            end,
            at: start,
            boundary: start,
            index: 0,
            lines: 1,
            database: Database { number: 0, assumed: false },
            open: None,
            previous: None,
            suspect: None,
            longest: 0,
            ready: VecDeque::new(),
        }
    }

    /// Line ends of the structure read so far, and one.
    pub(super) fn line(&self) -> u64 {
        self.lines
    }

    /// What stands next; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            let event = self.next_event()?;
            // Where reading goes back to where a stretch ended, it comes to the damage once more: so far nothing is lost to it.
            let is_empty = matches!(&event, Some(Event::Stretch(stretch)) if stretch.start == stretch.end);
            if !is_empty {
                return Ok(event);
            }
        }
    }

    fn next_event(&mut self) -> io::Result<Option<Event>> {
        if let Some(event) = self.ready.pop_front() {
            return Ok(Some(event));
        }
        while self.at < self.end {
            let event = match self.items.item(self.at)? {
                Ok(item) => self.whole(&item)?,
                Err(broken) => self.broken(&broken)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(self.open.take().map(|open| self.unexpected_end(open)))
    }

    fn whole(&mut self, item: &Item) -> io::Result<Option<Event>> {
        let start = std::mem::replace(&mut self.at, item.end);
        self.lines += item.lines;
        let event = match item.kind {
            Kind::Annotation(stamp) => {
                self.previous = None;
                self.annotation(start, stamp)
            }
            Kind::Command(head) => {
                self.previous = Some(start);
                let event = self.command(start, head)?;
                self.index += 1;
                event
            }
        };
        if !self.open.as_ref().is_some_and(Open::is_transaction) {
            self.boundary = self.at;
        }
        Ok(event)
    }

    fn annotation(&mut self, start: u64, stamp: Stamp) -> Option<Event> {
        let in_transaction = self.open.is_some();
        let span = AnnotationSpan { start, end: self.at, stamp, boundary: self.boundary, in_transaction };
        Some(Event::Annotation(span))
    }

    /// Files the command between `start` and where reading is.
    fn command(&mut self, start: u64, head: Head) -> io::Result<Option<Event>> {
        let before = self.database;
        if head.is_select() {
            // One with a number that is none does not tell the database.
            self.database = head.database.map_or(Database { assumed: true, ..before }, Database::known);
        }
        let role = head.role();
        if role != Role::Plain && head.count > 1 {
            return self.misplaced(start, Expected::NoArguments);
        }
        match role {
            Role::Plain => self.plain(start, head, before),
            Role::Multi => Ok(self.multi(start, before)),
            Role::Exec => Ok(Some(self.exec(start))),
            Role::Discard => self.misplaced(start, Expected::NoDiscard),
        }
    }

    fn plain(&mut self, start: u64, head: Head, before: Database) -> io::Result<Option<Event>> {
        if let Some(open) = &mut self.open {
            let multi = open.start;
            if head.resembles(b"exec") && self.ahead.mark(self.at)? != Mark::Exec {
                return self.misplaced(start, Expected::Exec { multi });
            }
            open.commands += 1;
            return Ok(None);
        }
        if head.resembles(b"multi") && self.ahead.mark(self.at)? == Mark::Exec {
            self.open = Some(Open { start, commands: 1, before, kind: OpenKind::LostMulti });
            return Ok(None);
        }
        let (end, after, is_select) = (self.at, self.database, head.is_select());
        let unit = UnitSpan { start, end, transaction: false, commands: 1, is_select, before, after };
        if matches!(self.items.bytes(end, 1)?, b"*" | b"#" | b"") {
            return Ok(Some(Event::Unit(unit)));
        }
        self.suspect = Some(unit);
        Ok(None)
    }

    fn multi(&mut self, start: u64, before: Database) -> Option<Event> {
        let multi = self.open.as_ref().map_or(start, |open| open.start);
        let damage = self.damage(start, start, Some(b'*'), Expected::NoNestedMulti { multi });
        let event = self.open.take().map(|open| open.stretch(damage, self.lines, start));
        self.boundary = start;
        self.open = Some(Open { start, commands: 1, before, kind: OpenKind::Whole });
        event
    }

    fn exec(&mut self, start: u64) -> Event {
        let damage = self.damage(start, start, Some(b'*'), Expected::OpenMulti);
        let Some(mut open) = self.open.take() else {
            return Event::stretch(Stretch { dropped_commands: 1, ..Stretch::new(damage, self.lines, start, self.at) });
        };
        open.commands += 1;
        self.longest = self.longest.max(open.commands);
        if !matches!(open.kind, OpenKind::Whole) {
            return open.stretch(damage, self.lines, self.at);
        }
        let Open { start, commands, before, .. } = open;
        let (end, after) = (self.at, self.database);
        Event::Unit(UnitSpan { start, end, transaction: true, commands, is_select: false, before, after })
    }

    /// A whole command between `start` and where reading is, that may not stand there.
    fn misplaced(&mut self, start: u64, expected: Expected) -> io::Result<Option<Event>> {
        // It lies in a stretch: nothing in it is looked for again if damage follows.
        self.previous = None;
        let damage = self.damage(start, start, Some(b'*'), expected);
        let resume = Resume { at: self.at, exact: true, ambiguity: None, undecided: false };
        let role = if expected == Expected::NoArguments { Role::Plain } else { Role::Exec };
        self.damaged(damage, resume, role)
    }

    fn broken(&mut self, broken: &Broken) -> io::Result<Option<Event>> {
        let start = self.at;
        let argument = broken.argument.clone();
        let damage = Damage { argument, ..self.damage(start, broken.at, broken.found, broken.expected) };
        self.lines += broken.lines;
        self.index += 1;
        let previous = self.previous.take().filter(|_| broken.at == start);
        let resume = self.resumer.resume(start, broken, previous)?;
        if let Some(suspect) = self.suspect.take() {
            // More arguments follow than it announced, or a command starts in it: what it did was something else.
            if resume.at < start || self.resumer.is_argument(start)? {
                let kind = OpenKind::Suspect;
                self.open = Some(Open { start: suspect.start, commands: 1, before: suspect.before, kind });
            } else {
                self.ready.push_back(Event::Unit(suspect));
            }
        }
        let role = broken.head.map_or(Role::Plain, |head| head.role());
        self.damaged(damage, resume, role)
    }

    /// A stretch that begins with the damaged command, or where what is open does, and ends where reading resumes, or behind the
    /// rest of the transaction it lies in. `role` is that of the damaged command, as far as its name is left.
    fn damaged(&mut self, damage: Damage, resume: Resume, role: Role) -> io::Result<Option<Event>> {
        let Resume { at, exact, ambiguity, undecided } = resume;
        let mut start = damage.command_offset;
        let mut dropped_commands = 0;
        let open = self.open.take();
        let transaction = role == Role::Multi || open.as_ref().is_some_and(Open::is_transaction);
        match open {
            Some(rest @ Open { kind: OpenKind::Rest(_), .. }) => {
                start = start.min(at);
                self.ready.push_back(rest.stretch(damage.clone(), self.lines, start));
            }
            Some(open) => (start, dropped_commands) = (open.start, open.commands),
            None => (),
        }
        let goes_on = self.goes_on(damage.command_offset, at, transaction, role)?;
        (self.at, self.boundary) = (at, at);
        self.database.assumed |= !exact;
        let bare = Stretch::new(damage, self.lines, start, at);
        let stretch = Stretch { dropped_commands, transaction, ambiguity, undecided, ..bare };
        if goes_on {
            let kind = OpenKind::Rest(Box::new(stretch));
            self.open = Some(Open { start: at, commands: 0, before: self.database, kind });
        } else {
            self.ready.push_back(Event::stretch(stretch));
        }
        Ok(self.ready.pop_front())
    }

    /// Whether the commands from `at` on, behind damage from `start` on, belong to a transaction that lies in it. If damage comes
    /// again before a `MULTI` or `EXEC` tells, that is a guess: a transaction that was open is, unless its end is in what is
    /// damaged, or it would be longer than any before it.
    fn goes_on(&mut self, start: u64, at: u64, transaction: bool, role: Role) -> io::Result<bool> {
        if role == Role::Exec {
            return Ok(false);
        }
        Ok(match self.ahead.likely_mark(at, transaction)? {
            Mark::Exec => true,
            Mark::Multi | Mark::End => false,
            Mark::Damage if !transaction || self.ahead.commands() > self.longest => false,
            Mark::Damage => {
                let from = start.max(at.saturating_sub(REMAINS_BYTES));
                let remains = self.items.bytes(from, at.saturating_sub(from))?;
                !REMAINS.iter().any(|part| memchr::memmem::find(remains, part).is_some())
            }
        })
    }

    fn unexpected_end(&self, open: Open) -> Event {
        let damage = self.damage(self.end, self.end, None, Expected::Exec { multi: open.start });
        open.stretch(Damage { in_transaction: true, ..damage }, self.lines, self.end)
    }

    fn damage(&self, command_offset: u64, offset: u64, found: Option<u8>, expected: Expected) -> Damage {
        Damage {
            offset,
            found,
            expected,
            command_offset,
            command_index: self.index,
            cut_at: self.boundary,
            in_transaction: self.open.as_ref().is_some_and(Open::is_transaction),
            argument: None,
        }
    }
}

impl Open {
    /// Whether a `MULTI` is open, as a reader sees it that stops at damage.
    fn is_transaction(&self) -> bool {
        !matches!(self.kind, OpenKind::LostMulti | OpenKind::Suspect)
    }

    /// What is dropped with it: from its start, or from that of the stretch whose rest it is, to `end`.
    fn stretch(self, damage: Damage, line: u64, end: u64) -> Event {
        let dropped_commands = self.commands;
        Event::stretch(match self.kind {
            OpenKind::Rest(earlier) => {
                let dropped_commands = earlier.dropped_commands + dropped_commands;
                Stretch { end, dropped_commands, transaction: true, ..*earlier }
            }
            _ => Stretch { dropped_commands, transaction: true, ..Stretch::new(damage, line, self.start, end) },
        })
    }
}

impl Event {
    fn stretch(stretch: Stretch) -> Self {
        Self::Stretch(Box::new(stretch))
    }
}
