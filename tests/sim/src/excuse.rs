//! What a crash may do to a log that no recovery can mend, and no more: the exceptions of docs/durability.md, byte by byte.
//!
//! The simulated disk knows what was written, so nothing is excused because something *may* have gone wrong: a hole is where
//! zeros stand in place of other bytes, and what lies in it must not have been promised to anybody.

use std::ops::Range;
use std::sync::Arc;

use aof_load::dump_field;
use vfs::Dir;
use vfs::sim::SimDisk;

use crate::history::History;
use crate::key::Key;
use crate::model::{Dataset, Entry, Held, Name, Op};
use crate::server::{DIR, LOG};
use crate::snapshot::DUMP;

/// A disk writes a sector whole or not at all, so an argument that is shorter has no hole inside.
const SECTOR_BYTES: usize = 512;
/// A record of a state file (docs/formats.md).
const STATE_RECORD_BYTES: usize = 80;
/// Where it says which file it speaks of.
const IDENTITY: Range<usize> = 16..48;
/// The flag of a copy in it.
const STATE_COPY: u8 = 16;

type Record = [u8; STATE_RECORD_BYTES];

/// What the file is called that the next start takes for the log: the last one that was finished and announced, if none has the log's
/// name.
pub fn left_log(image: &SimDisk) -> String {
    let names = image.names(DIR);
    if names.iter().any(|name| name == LOG) {
        return LOG.to_owned();
    }
    let records = records(image);
    let stated = |name: &str| {
        let identity = identity_of(image, name)?;
        records.iter().rposition(|record| record[IDENTITY] == identity)
    };
    let finished = names.into_iter().filter(|name| name.starts_with("temp-rewriteaof-bg-"));
    finished.filter_map(|name| Some((stated(&name)?, name))).max().map_or_else(|| LOG.to_owned(), |(_, name)| name)
}

/// What had been written to the file that a start takes for the log after a crash.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Its bytes, as processes saw them.
    pub bytes: Vec<u8>,
    /// As a record of a state file has it.
    identity: Option<[u8; 32]>,
}

impl Written {
    /// As a process left it on `disk`, of which `image` is what a crash made.
    pub fn of(disk: &SimDisk, image: &SimDisk) -> Self {
        let log = left_log(image);
        let seen = disk.seen_of(image, DIR, &log);
        seen.map(|bytes| Self { bytes, identity: identity_of(image, &log) }).unwrap_or_default()
    }

    /// Whether a zero stands at `at` in place of another byte.
    fn is_hole(&self, log: &[u8], at: usize) -> bool {
        log[at] == 0 && self.bytes.get(at).is_none_or(|&byte| byte != 0)
    }

    /// Whether a start may be refused that finds `log` valid up to this byte: the very command that begins there, or the transaction,
    /// has a hole.
    pub fn explains_refusal(&self, log: &[u8], valid_bytes: usize) -> bool {
        let Some(hole) = (valid_bytes..log.len()).find(|&at| self.is_hole(log, at)) else { return false };
        // Other holes before it lie inside of arguments, and are judged with the values.
        let same = (0..hole).all(|at| self.bytes.get(at) == Some(&log[at]) || self.is_hole(log, at));
        let before = &log[valid_bytes..hole];
        let in_transaction = before.starts_with(b"*1\r\n$5\r\nMULTI\r\n");
        same && (in_transaction || !before.windows(3).any(|bytes| bytes == b"\r\n*"))
    }

    /// Whether a state file on the disk speaks of this very file.
    pub fn is_vouched_for(&self, image: &SimDisk) -> bool {
        self.identity.is_some_and(|identity| records(image).iter().any(|record| record[IDENTITY] == identity))
    }
}

/// Whether a state file on the disk says of the log there that it is a copy, as long as it was then.
pub fn has_copy(image: &SimDisk) -> bool {
    let Some((identity, (log, _))) = identity_of(image, LOG).zip(image.look(DIR, LOG)) else { return false };
    let is_such = |record: &Record| record[12] & STATE_COPY != 0 && record[64..72] == log.len.to_le_bytes();
    records(image).iter().any(|record| record[IDENTITY] == identity && is_such(record))
}

/// Whether a state file on the disk speaks of the log there.
pub fn is_stated(image: &SimDisk) -> bool {
    identity_of(image, LOG).is_some_and(|identity| records(image).iter().any(|record| record[IDENTITY] == identity))
}

/// Whether the snapshot on the disk says that it was saved after the log there had ended.
pub fn dump_says_after(image: &SimDisk) -> bool {
    let Some((log, mark)) = image.look(DIR, LOG) else { return false };
    let dir: Arc<dyn Dir> = image.dir(DIR);
    let Ok(Some(field)) = dump_field(&dir, DUMP, b"ledgerstone-log") else { return false };
    let field = String::from_utf8_lossy(&field).into_owned();
    // Pairs of a file and its length.
    let words: Vec<&str> = field.strip_prefix("after ").unwrap_or_default().split(' ').collect();
    words.as_chunks().0.iter().any(|[file, len]| {
        let is_this = match mark {
            Some(mark) => file.ends_with(&mark.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            // It was lost.
            None => log.birth_ns.is_some_and(|birth_ns| file.starts_with(&format!("{:x}-{birth_ns:x}-", log.inode))),
        };
        is_this && *len == log.len.to_string()
    })
}

/// The records of the state file.
fn records(image: &SimDisk) -> Vec<Record> {
    image.content(DIR, "appendonly.aof.state").unwrap_or_default().as_chunks().0.to_vec()
}

/// How a record says that it speaks of the file under this name: by inode number, birth time and mark, zeros where there is none.
fn identity_of(image: &SimDisk, name: &str) -> Option<[u8; 32]> {
    let (metadata, mark) = image.look(DIR, name)?;
    let mut identity = [0; 32];
    identity[..8].copy_from_slice(&metadata.inode.to_le_bytes());
    identity[8..16].copy_from_slice(&metadata.birth_ns.unwrap_or(0).to_le_bytes());
    identity[16..].copy_from_slice(&mark.unwrap_or_default());
    Some(identity)
}

/// A value with a hole, and the operation that wrote it.
struct Damaged {
    name: Name,
    nth: usize,
    text: Arc<str>,
}

/// What holes in a log did to a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// They explain nothing.
    No,
    /// With the holes filled, this many operations explain what is there; none of them that has a hole was promised.
    Inside(usize),
    /// They took something from the first operation that was promised and has one.
    OfPromised(usize),
}

/// Whether holes inside of arguments explain a dataset that no prefix does.
pub fn holes(found: &Dataset, log: &[u8], written: &Written, history: &History, now_ms: i64, required: usize) -> Holes {
    let mut mended = found.clone();
    let mut first = usize::MAX;
    let mut any = false;
    for (name, entry) in &found.keys {
        let Held::Text(text) = &entry.held else { continue };
        if !text.contains('\0') {
            continue;
        }
        let Some(damaged) = damaged(name, text, log, written, history) else { return Holes::No };
        any = true;
        first = first.min(damaged.nth);
        mended.keys.insert(damaged.name, Entry { held: Held::Text(damaged.text), ..entry.clone() });
    }
    let prefixes = history.prefixes_equal_to(&mended, now_ms);
    match prefixes.last().filter(|_| any) {
        None => Holes::No,
        Some(_) if first < required => Holes::OfPromised(first),
        Some(&survived) => Holes::Inside(survived),
    }
}

/// What a value was before its holes. `None` if its zeros are none, or nobody wrote it.
fn damaged(name: &Name, text: &str, log: &[u8], written: &Written, history: &History) -> Option<Damaged> {
    let place = find_argument(log, text)?;
    let mut zeros = place.clone().filter(|&at| log[at] == 0);
    if text.len() < SECTOR_BYTES || !zeros.all(|at| written.is_hole(log, at)) {
        return None;
    }
    let nth = history.executed.iter().rposition(|done| done.db == name.0 && is_set_to(&done.op, name.1, text))?;
    let Op::Set { text, .. } = &history.executed[nth].op else { return None };
    Some(Damaged { name: *name, nth, text: Arc::clone(text) })
}

/// Where a value stands in the log, as an argument.
fn find_argument(log: &[u8], text: &str) -> Option<Range<usize>> {
    let header = format!("${}\r\n", text.len());
    let argument = [header.as_bytes(), text.as_bytes(), b"\r\n"].concat();
    let at = log.windows(argument.len()).rposition(|bytes| bytes == argument)? + header.len();
    Some(at..at + text.len())
}

/// Whether an operation gave a key this text, as far as it has no zeros.
fn is_set_to(op: &Op, wanted: Key, found: &str) -> bool {
    let Op::Set { key, text, .. } = op else { return false };
    let same = |(ours, theirs): (u8, u8)| theirs == 0 || ours == theirs;
    *key == wanted && text.len() == found.len() && text.bytes().zip(found.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use vfs::{Dir as _, Open};

    use super::*;
    use crate::history::Terms;

    fn set(text: &str) -> Op {
        Op::Set { key: Key::new("k"), text: text.into(), px_ms: None }
    }

    fn command(text: &str) -> Vec<u8> {
        format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{text}\r\n", text.len()).into_bytes()
    }

    /// A mark that could not be set left a record with zeros in its place, and another file was looked at.
    #[test]
    fn a_finished_log_is_known_by_its_record_with_a_mark_and_without_one() {
        for marked in [false, true] {
            let disk = SimDisk::new();
            let finished = "temp-rewriteaof-bg-7.aof";
            disk.put(DIR, finished, b"*1\r\n$4\r\nPING\r\n");
            if marked {
                disk.dir(DIR)
                    .open(finished, Open::Append)
                    .expect("it is there")
                    .set_mark([9; 16])
                    .expect("marks are kept");
            }
            assert_eq!(left_log(&disk), LOG, "nothing speaks of it");
            let mut record = [0; STATE_RECORD_BYTES];
            record[IDENTITY].copy_from_slice(&identity_of(&disk, finished).expect("it is there"));
            disk.put(DIR, "appendonly.aof.state", &record);
            assert_eq!((left_log(&disk).as_str(), Written::of(&disk, &disk).is_vouched_for(&disk)), (finished, true));
            record[IDENTITY.start] ^= 1;
            disk.put(DIR, "appendonly.aof.state", &record);
            assert_eq!(left_log(&disk), LOG, "another inode");
            disk.put(DIR, LOG, b"");
            assert_eq!(left_log(&disk), LOG);
        }
    }

    /// A log of one SET, the same with zeros from `from` on, and what a server would load from that.
    fn with_hole(len: usize, from: usize, zeros: usize) -> (Written, Vec<u8>, Dataset, History) {
        let text = "7".repeat(len);
        let mut history = History::default();
        history.execute(0, set(&text), Terms { unix_ms: 0, policy: None, fsync_failed: false }, true);
        let bytes = command(&text);
        let mut log = bytes.clone();
        log[from..from + zeros].fill(0);
        let found = String::from_utf8(log[bytes.len() - 2 - len..bytes.len() - 2].to_vec()).expect("zeros and digits");
        let mut dataset = Dataset::default();
        dataset.apply(0, &set(&found), 0);
        (Written { bytes, identity: None }, log, dataset, history)
    }

    #[test]
    fn a_hole_inside_one_argument_is_excused_if_nobody_was_promised_it() {
        let (written, log, found, history) = with_hole(2_000, 512, 512);
        assert_eq!(holes(&found, &log, &written, &history, 0, 0), Holes::Inside(1));
        assert_eq!(holes(&found, &log, &written, &history, 0, 1), Holes::OfPromised(0));
    }

    #[test]
    fn an_argument_under_a_sector_has_no_hole() {
        let (written, log, found, history) = with_hole(400, 100, 10);
        assert_eq!(holes(&found, &log, &written, &history, 0, 0), Holes::No);
    }

    #[test]
    fn zeros_that_were_written_excuse_nothing_and_neither_does_a_hole_elsewhere() {
        let (_, log, found, history) = with_hole(2_000, 512, 512);
        let as_found = Written { bytes: log.clone(), identity: None };
        assert_eq!(holes(&found, &log, &as_found, &history, 0, 0), Holes::No);
        let (written, log, mut found, history) = with_hole(2_000, 512, 512);
        found.apply(0, &Op::Set { key: Key::new("other"), text: "x".into(), px_ms: None }, 0);
        assert_eq!(holes(&found, &log, &written, &history, 0, 0), Holes::No);
    }

    #[test]
    fn a_refusal_is_explained_by_a_hole_in_the_command_that_it_names() {
        let (first, second) = (command("a"), command("b"));
        let written = Written { bytes: [first.clone(), second, command("c")].concat(), identity: None };
        let mut log = written.bytes.clone();
        log[first.len() + 20] = 0;
        assert!(written.explains_refusal(&log, first.len()));
        assert!(!written.explains_refusal(&log, 0), "the first command is whole");
        assert!(!written.explains_refusal(&written.bytes, first.len()), "there is no hole");
    }
}
