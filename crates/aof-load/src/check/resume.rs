//! Finds where whole commands resume behind damage. What the announced lengths say comes first: where they lead to a whole command,
//! whatever looks like a command inside of an argument is its text.
//!
//! Invariant: work is linear in the bytes searched, unless they were made to resemble commands: beyond a fixed multiple the search
//! gives up and says so.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use vfs::File;

use super::item::{Broken, Items, Kind};
use super::{Ambiguity, Reading};

/// Bytes read at once in search of the start of a command.
const SCAN_BYTES: u64 = 256 * 1024;

/// Bytes read at once to look at a candidate: a little more than the longest annotation.
pub(super) const PROBE_BYTES: u64 = 66 * 1024;

/// Work allowed for each byte of the file, beside [`FREE_WORK`].
const WORK_PER_BYTE: u64 = 16;

/// Work allowed in any case, in bytes: a fraction of a second.
const FREE_WORK: u64 = 1 << 28;

/// The longest name that a command may have to be one at which reading resumes.
const NAME_BYTES: u64 = 64;

/// Where and how reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resume {
    /// The first byte of a whole item, or the end of the file.
    pub(super) at: u64,
    /// Whether the broken command alone is lost, so that no other can have stood there.
    pub(super) exact: bool,
    /// The other reading, if there is one.
    pub(super) ambiguity: Option<Ambiguity>,
    /// Whether the search gave up.
    pub(super) undecided: bool,
}

/// A place where reading could go on.
#[derive(Clone, Copy)]
struct Candidate {
    /// Where what is whole starts: the item, or arguments that lead to it.
    first: u64,
    /// The item, or the end of the file.
    at: u64,
}

/// Searches one file.
pub(super) struct Resumer {
    scan: Items,
    probe: Items,
    end: u64,
    /// An argument from which others lead to no item: each of them need not be followed again.
    dead_end: Option<u64>,
}

impl Resumer {
    pub(super) fn new(file: &Arc<dyn File>, end: u64) -> Self {
        let work = FREE_WORK.saturating_add(end.saturating_mul(WORK_PER_BYTE));
        let scan = Items::new(Arc::clone(file), end, SCAN_BYTES, u64::MAX);
        Self { scan, probe: Items::new(Arc::clone(file), end, PROBE_BYTES, work), end, dead_end: None }
    }

    /// Where whole commands resume behind `broken`, the item at `start`. `previous` is the whole command directly before it, if what
    /// follows that makes it doubtful.
    pub(super) fn resume(&mut self, start: u64, broken: &Broken, previous: Option<u64>) -> io::Result<Resume> {
        let exact = broken.head.is_some_and(|head| !head.is_select());
        if let Some(at) = self.by_lengths(broken)? {
            return Ok(Resume { at, exact, ambiguity: None, undecided: false });
        }
        for command in [Some(start), previous].into_iter().flatten() {
            if let Some(at) = self.across(command, broken.at)? {
                return Ok(Resume { at, exact: false, ambiguity: None, undecided: false });
            }
        }
        if broken.argument.is_none() && self.is_item(broken.at)? {
            return Ok(Resume { at: broken.at, exact, ambiguity: None, undecided: false });
        }
        let search_start = broken.argument.as_ref().map_or(broken.at, |argument| argument.start);
        let argument_end = broken.argument.as_ref().map_or(search_start, |argument| argument.end);
        let (at, ambiguity) = match self.candidate(search_start)? {
            Some(inside) if inside.at < argument_end => self.inside(inside, search_start, argument_end)?,
            Some(candidate) => (candidate.at, None),
            None => (self.end, None),
        };
        let undecided = self.probe.is_exhausted();
        Ok(Resume { at: if undecided { self.end } else { at }, exact: false, ambiguity, undecided })
    }

    /// The end of the broken command, if nothing but the bytes found is wrong with it.
    fn by_lengths(&mut self, broken: &Broken) -> io::Result<Option<u64>> {
        let Some(mut at) = broken.next else { return Ok(None) };
        for _ in 0..broken.left {
            let Some(argument) = self.probe.argument_at(at)? else { return Ok(None) };
            at = argument.end + 2;
        }
        Ok(self.starts_item(at)?.then_some(at))
    }

    /// A whole command across the end of an argument of the command at `start`, which was read up to `until`.
    fn across(&mut self, start: u64, until: u64) -> io::Result<Option<u64>> {
        let Some(mut at) = self.probe.first_argument(start)? else { return Ok(None) };
        while let Some(argument) = self.probe.argument_at(at)?.filter(|argument| argument.end < until) {
            at = argument.end + 2;
            if let Some(found) = self.across_end(argument)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A whole command that starts inside of `argument`, if it or others that follow it go on across its end: so that is no
    /// argument, but its length is wrong, or bytes are missing.
    fn across_end(&mut self, argument: Range<u64>) -> io::Result<Option<u64>> {
        let mut from = argument.start;
        while let Some(first) = self.next_byte(b'*', from..argument.end)? {
            if self.is_item(first)? && self.run_end(first, argument.end)? > argument.end {
                return Ok(Some(first));
            }
            from = first + 1;
        }
        Ok(None)
    }

    /// Where `byte` stands first in `range`.
    fn next_byte(&mut self, byte: u8, range: Range<u64>) -> io::Result<Option<u64>> {
        let mut at = range.start;
        while at < range.end && !self.probe.is_exhausted() {
            let bytes = self.probe.ahead(at)?;
            if let Some(skip) = memchr::memchr(byte, bytes) {
                return Ok(Some(at + skip as u64).filter(|&found| found < range.end));
            }
            at += bytes.len() as u64;
        }
        Ok(None)
    }

    /// Whether a whole argument stands there.
    pub(super) fn is_argument(&mut self, at: u64) -> io::Result<bool> {
        Ok(self.probe.argument_at(at)?.is_some())
    }

    /// A place inside of the bytes that the broken argument announces. Either the length is wrong, or bytes are missing, and
    /// commands follow; or the length is right, and it is the text of a value.
    fn inside(&mut self, inside: Candidate, start: u64, argument_end: u64) -> io::Result<(u64, Option<Ambiguity>)> {
        let run_end = self.run_end(inside.at, argument_end)?;
        if run_end > argument_end {
            // A command lies across the announced end, so that is no end.
            return Ok((inside.at, None));
        }
        let outside = self.candidate(argument_end)?.map_or(self.end, |candidate| candidate.at);
        // A value ends with CRLF before what follows it: if there is none, this is the text of the value. If the file ends in the
        // value, that text ends with a command that is cut short.
        let is_text = inside.first < start + 2 || self.probe.bytes(inside.first - 2, 2)? != b"\r\n";
        let is_text = is_text && (argument_end <= self.end || self.is_cut_short(run_end)?);
        let taken = if is_text { Reading::Text } else { Reading::Commands };
        let ambiguity = Ambiguity { inside: inside.at, inside_end: run_end, outside, taken };
        Ok((if is_text { outside } else { inside.at }, Some(ambiguity)))
    }

    /// Whether an item starts there that the end of the file cuts short.
    fn is_cut_short(&mut self, at: u64) -> io::Result<bool> {
        Ok(at < self.end && self.probe.item(at)?.is_err_and(|broken| broken.found.is_none()))
    }

    /// The end of the last whole item of those that follow each other from `at`, or the first end behind `stop`.
    fn run_end(&mut self, mut at: u64, stop: u64) -> io::Result<u64> {
        while at <= stop && at < self.end {
            let Ok(item) = self.probe.item(at)? else { break };
            at = item.end;
        }
        Ok(at)
    }

    /// The first place at or behind `from` where a whole item stands, or arguments that lead to one.
    fn candidate(&mut self, from: u64) -> io::Result<Option<Candidate>> {
        let mut at = from;
        while at < self.end && !self.probe.is_exhausted() {
            let bytes = self.scan.ahead(at)?;
            let Some(skip) = memchr::memchr2(b'*', b'$', bytes) else {
                at += bytes.len() as u64;
                continue;
            };
            let is_command = bytes[skip] == b'*';
            let first = at + skip as u64;
            let found = if is_command { self.is_item(first)?.then_some(first) } else { self.arguments(first)? };
            if let Some(at) = found {
                return Ok(Some(Candidate { first, at }));
            }
            at = first + 1;
        }
        Ok(None)
    }

    /// The end of the arguments that follow each other from `first`, if an item or the end of the file is there; or a command across
    /// the end of one of them.
    fn arguments(&mut self, first: u64) -> io::Result<Option<u64>> {
        let Some(argument) = self.probe.argument_at(first)? else { return Ok(None) };
        let second = argument.end + 2;
        if self.dead_end.replace(second) == Some(first) {
            return Ok(None);
        }
        let mut at = first;
        while let Some(argument) = self.probe.argument_at(at)? {
            at = argument.end + 2;
            if let Some(found) = self.across_end(argument)? {
                return Ok(Some(found));
            }
            if self.probe.is_exhausted() {
                return Ok(None);
            }
        }
        Ok(self.starts_item(at)?.then_some(at))
    }

    fn starts_item(&mut self, at: u64) -> io::Result<bool> {
        Ok(at == self.end || self.is_item(at)?)
    }

    /// Whether a whole item stands there, a command with a name that a command may have.
    fn is_item(&mut self, at: u64) -> io::Result<bool> {
        let Ok(item) = self.probe.item(at)? else { return Ok(false) };
        Ok(match item.kind {
            Kind::Annotation(_) => true,
            Kind::Command(head) => head.is_plausible(NAME_BYTES),
        })
    }
}
