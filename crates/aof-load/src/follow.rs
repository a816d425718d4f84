//! Searches the bytes behind damage for a whole command, in bounded steps and bounded memory.
//!
//! Invariant: reading is linear in the bytes searched, and so is recognising unless the bytes were made to resemble
//! commands: beyond a fixed multiple the search gives up, and its caller refuses.

use std::io;
use std::ops::Range;

use vfs::File;

use crate::damage::{Damage, Expected, Follows};
use crate::scan::{MAX_COUNT, MAX_LENGTH, check_name, number};
use crate::window::Window;

/// Bytes read at once by the search for `*`.
const WINDOW_BYTES: u64 = 256 * 1024;

/// Bytes read at once to look at a header or a line end.
const PROBE_BYTES: u64 = 8 * 1024;

/// The longest header: `*` or `$`, ten digits, CRLF. Also the most that is looked at of a name.
const HEADER_BYTES: u64 = 64;

/// What one look at a header counts, in bytes of work.
const LOOK_WORK: u64 = 16;

/// Work allowed for each byte of the tail, beside [`FREE_WORK`].
const WORK_PER_BYTE: u64 = 64;

/// Work allowed in any case, in bytes: a fraction of a second.
const FREE_WORK: u64 = 1 << 28;

/// A search in progress.
pub(crate) struct Search {
    at: u64,
    end: u64,
    argument: Range<u64>,
    inside: Option<u64>,
    window: Window,
    probe: Window,
    work_left: u64,
}

impl Search {
    /// Prepares the search behind `damage` to the end of the file at `size_bytes`.
    pub(crate) fn new(damage: &Damage, size_bytes: u64) -> Self {
        let argument = damage.argument.clone().unwrap_or(0..0);
        // The damaged byte may itself be the first of a whole command, where a MULTI or an argument was expected.
        let start = damage.argument.as_ref().map_or(damage.offset, |a| a.start);
        Self {
            at: start,
            end: size_bytes,
            argument,
            inside: None,
            window: Window::new(WINDOW_BYTES),
            probe: Window::new(PROBE_BYTES),
            work_left: FREE_WORK + size_bytes.saturating_sub(start).saturating_mul(WORK_PER_BYTE),
        }
    }

    /// Searches on with about `budget_bytes` of work. `None`: call again.
    pub(crate) fn step(&mut self, file: &dyn File, budget_bytes: u64) -> io::Result<Option<Follows>> {
        let floor = self.work_left.saturating_sub(budget_bytes.max(1));
        while self.at < self.end {
            if self.work_left == 0 {
                return Ok(Some(Follows::Undecided));
            }
            if self.work_left <= floor {
                return Ok(None);
            }
            if let Some(found) = self.look(file)? {
                return Ok(Some(found));
            }
        }
        Ok(Some(self.inside.map_or(Follows::Nothing, |command_offset| Follows::InsideArgument { command_offset })))
    }

    /// Goes to the next `*` in the window, or behind the window, and looks whether a command starts there.
    fn look(&mut self, file: &dyn File) -> io::Result<Option<Follows>> {
        let loaded = self.window.load(file, self.at, self.end, 1)?;
        self.work_left = self.work_left.saturating_sub(loaded);
        let bytes = self.window.from(self.at);
        let Some(skip) = memchr::memchr(b'*', bytes) else {
            self.at += bytes.len() as u64;
            return Ok(None);
        };
        let command_offset = self.at + skip as u64;
        self.at = command_offset + 1;
        let Some(command_end) = self.command(file, command_offset)? else { return Ok(None) };
        if self.argument.start <= command_offset && command_end <= self.argument.end {
            self.inside.get_or_insert(command_offset);
            self.at = command_end;
            return Ok(None);
        }
        Ok(Some(Follows::Command { command_offset }))
    }

    /// The end of the whole command that starts at `offset`, if one does.
    fn command(&mut self, file: &dyn File, offset: u64) -> io::Result<Option<u64>> {
        let Some((count, mut at)) = self.header(file, offset, b'*', MAX_COUNT)? else { return Ok(None) };
        for i in 0..count {
            let Some((length, body)) = self.header(file, at, b'$', MAX_LENGTH)? else { return Ok(None) };
            let end = body + length;
            if i == 0 && !self.is_name(file, body, length)? || self.probe(file, end, 2)? != b"\r\n" {
                return Ok(None);
            }
            at = end + 2;
            if self.work_left == 0 {
                return Ok(None);
            }
        }
        Ok((count > 0).then_some(at))
    }

    /// The number in the header line at `offset`, and the offset behind the line.
    fn header(&mut self, file: &dyn File, offset: u64, kind: u8, max: u64) -> io::Result<Option<(u64, u64)>> {
        let bytes = self.probe(file, offset, HEADER_BYTES)?;
        if bytes.first() != Some(&kind) {
            return Ok(None);
        }
        let parsed = number(bytes, 1, max, Expected::Count).ok().flatten();
        Ok(parsed.map(|(value, len)| (value, offset + len as u64)))
    }

    /// Whether the bytes may be a command's name, by the rule of the scanner; of a long one, only the start is looked at.
    fn is_name(&mut self, file: &dyn File, offset: u64, length: u64) -> io::Result<bool> {
        let bytes = self.probe(file, offset, length.min(HEADER_BYTES))?;
        Ok(check_name(bytes, 0, bytes.len()).is_ok())
    }

    /// Up to `len` bytes at `offset`: fewer at the end of the file.
    fn probe(&mut self, file: &dyn File, offset: u64, len: u64) -> io::Result<&[u8]> {
        let loaded = self.probe.load(file, offset, self.end, len)?;
        self.work_left = self.work_left.saturating_sub(loaded + LOOK_WORK);
        let bytes = self.probe.from(offset);
        Ok(&bytes[..bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX))])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vfs::sim::SimDisk;
    use vfs::{Dir, Open};

    use super::*;
    use crate::scan::{Scan, Scanner};

    fn search(bytes: &[u8], argument: Range<u64>, window_bytes: u64) -> Follows {
        let disk = SimDisk::new();
        disk.put("/d", "log", bytes);
        let file = disk.dir("/d").open("log", Open::Read).unwrap();
        let damage = Damage {
            offset: argument.start,
            found: None,
            expected: Expected::Command,
            command_offset: 0,
            command_index: 0,
            cut_at: 0,
            in_transaction: false,
            argument: (!argument.is_empty()).then_some(argument),
        };
        let mut search = Search::new(&damage, bytes.len() as u64);
        search.window = Window::new(window_bytes);
        search.probe = Window::new(HEADER_BYTES);
        loop {
            if let Some(follows) = search.step(&*file, 10).unwrap() {
                return follows;
            }
        }
    }

    /// The same over all bytes at once, with the scanner that replay uses.
    fn naive(bytes: &[u8], argument: &Range<u64>) -> Follows {
        let mut inside = None;
        let mut at = usize::try_from(argument.start).unwrap();
        while at < bytes.len() {
            let scan = Scanner::default().scan(&bytes[at..], &mut Vec::new());
            let Ok(Scan::Command { len }) = scan else {
                at += 1;
                continue;
            };
            let (command_offset, end) = (at as u64, (at + len) as u64);
            if end > argument.end {
                return Follows::Command { command_offset };
            }
            inside.get_or_insert(command_offset);
            at += len;
        }
        inside.map_or(Follows::Nothing, |command_offset| Follows::InsideArgument { command_offset })
    }

    proptest! {
        #[test]
        fn the_search_finds_what_a_scan_from_every_byte_finds(
            parts in prop::collection::vec(prop::sample::select(vec![
                "*1\r\n", "*2\r\n", "$0\r\n", "$1\r\n", "$3\r\n", "a", "SET", "\r\n", "\r", "*", "\0", "*1\r\n$1\r\na\r\n",
            ]), 0..24),
            start in 0..20_u64, len in 0..60_u64, window_bytes in 1..40_u64,
        ) {
            let bytes = parts.concat().into_bytes();
            let start = start.min(bytes.len() as u64);
            let argument = start..start + len;
            prop_assert_eq!(search(&bytes, argument.clone(), window_bytes), naive(&bytes, &argument));
        }
    }

    #[test]
    fn a_search_that_would_take_too_long_gives_up() {
        let disk = SimDisk::new();
        disk.put("/d", "log", &b"*1\r\n$1\r\na\r\n".repeat(2));
        let file = disk.dir("/d").open("log", Open::Read).unwrap();
        let damage = Damage {
            offset: 1,
            found: Some(b'1'),
            expected: Expected::Count,
            command_offset: 0,
            command_index: 0,
            cut_at: 0,
            in_transaction: false,
            argument: None,
        };
        let mut search = Search::new(&damage, 22);
        search.work_left = 1;
        assert_eq!(search.step(&*file, u64::MAX).unwrap(), Some(Follows::Undecided));
    }
}
