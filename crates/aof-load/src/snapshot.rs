//! A snapshot in RDB format: at the start of a log (its preamble), as the base of a log in several files, or as a file of its own.
//!
//! The one place where such a snapshot is loaded, whoever asks. What comes behind it is its caller's.
//!
//! Invariant: a snapshot is never torn. It gets its name, or is followed by commands, when it is complete; so whatever is wrong with
//! it is an error, and so is whatever would be lost by passing over it.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use rdb::{Checksum, Content, Entry, KeyEntry, Options, RdbError, Reader, Step};
use rio::{Input, Source, SourceError};
use vfs::{Dir, File, Open};

use crate::copy::{Failed, read_exact};
use crate::error::CommandName;
use crate::file::LogFile;
use crate::{FileRole, LoadError, LoadOptions, Notice, Operation, Sink};

/// The first bytes of every snapshot; four digits follow, the version of the format.
const MAGIC: &[u8] = b"REDIS";

/// Bytes read at once, at most.
const BUFFER_BYTES: usize = 256 * 1024;

type FileBytes = UpTo<Arc<dyn File>>;

/// What the field `key` says in the first 1,024 bytes of the snapshot `name`, in front of its keys. `None` if there is no such file or
/// field, or if it is no snapshot so far.
///
/// # Errors
/// If it cannot be opened or read.
pub fn dump_field(dir: &Arc<dyn Dir>, name: &str, key: &[u8]) -> Result<Option<Vec<u8>>, LoadError> {
    let Some(dump) = LogFile::open(Arc::clone(dir), name, Open::Read)? else { return Ok(None) };
    Ok(field(&dump.start()?, key))
}

fn field(head: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let options = Options { verify_checksum: false, ..Options::default() };
    let mut reader = Reader::new(Source::with_buffer(head, Vec::with_capacity(head.len().max(1))), options).ok()?;
    while let Ok(Some(event)) = reader.next_event() {
        match event.entry {
            Entry::Aux { key: found, value } if found == key => return Some(value),
            Entry::Aux { .. } => {}
            _ => break,
        }
    }
    None
}

/// How much more a byte of a snapshot takes to apply than one of commands: values are compressed, and a small key is hardly more than
/// its name and two lengths.
const WORK_OF_A_BYTE: u64 = 16;

/// As how many bytes of commands an element of a collection counts, beside its own: it may be one of many in a few compressed bytes.
const WORK_OF_AN_ELEMENT: u64 = 256;

/// So many elements are read in a step in any case.
const LEAST_ELEMENTS: u64 = 64;

/// A snapshot that is being read.
pub(crate) struct Snapshot {
    /// What the file is that begins with it.
    kind: FileRole,
    input: FileBytes,
    /// There is one once the first step has begun.
    reader: Option<Reader<FileBytes>>,
    verify_checksum: bool,
    keys: u64,
    /// Keys without elements, which were passed over.
    empty_keys: u64,
}

impl Snapshot {
    /// Whether `log`, which is a `kind`, starts with a snapshot; nothing of it is applied yet.
    pub(crate) fn at_start_of(
        log: &LogFile,
        kind: FileRole,
        options: LoadOptions,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<Self>, LoadError> {
        let mut magic = [0; MAGIC.len()];
        if log.size_bytes < magic.len() as u64 {
            return Ok(None);
        }
        read_exact(&*log.file, &mut magic, 0)
            .map_err(|error| log.io(Failed { operation: Operation::Read, offset: 0, error }))?;
        if magic != MAGIC {
            return Ok(None);
        }
        if kind != FileRole::Dump {
            notices.push(Notice::ReadingSnapshot { kind });
        }
        let input = UpTo::new(Arc::clone(&log.file), log.size_bytes);
        Ok(Some(Self { kind, input, reader: None, verify_checksum: options.verify_checksum, keys: 0, empty_keys: 0 }))
    }

    /// The first byte that was not read yet.
    pub(crate) fn at(&self) -> u64 {
        self.reader.as_ref().map_or(0, Reader::offset)
    }

    /// Where the key begins that comes next; a part of it may have been read.
    pub(crate) fn key_at(&self) -> u64 {
        self.reader.as_ref().map_or(0, Reader::event_offset)
    }

    /// Applies of it to `sink` what takes about as long as `budget_bytes` of commands, at least one element of a value. The offset of the first byte behind the snapshot, once it
    /// was read whole and its checksum is right; what is to be told of it goes to `notices` then.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or holds what the sink does not take.
    pub(crate) fn step<S: Sink + ?Sized>(
        &mut self,
        sink: &mut S,
        budget_bytes: u64,
        log: &LogFile,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<u64>, LoadError> {
        let stepped = self.go_on(sink, budget_bytes, log, notices);
        let kind = self.kind;
        match stepped {
            Err(_) if kind != FileRole::Dump => {
                notices.push(Notice::SnapshotFailed { name: log.name.clone(), kind });
            }
            Ok(Some(_)) if kind == FileRole::MovedLog => notices.push(Notice::ReadingTail),
            _ => (),
        }
        stepped
    }

    fn go_on<S: Sink + ?Sized>(
        &mut self,
        sink: &mut S,
        budget_bytes: u64,
        log: &LogFile,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<u64>, LoadError> {
        let failed = |error| failed(log, error);
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => open(self.input.clone(), sink, self.verify_checksum).map_err(failed)?,
        };
        let stop = reader.offset().saturating_add((budget_bytes / WORK_OF_A_BYTE).max(1));
        let last_element = reader.elements() + (budget_bytes / WORK_OF_AN_ELEMENT).max(LEAST_ELEMENTS);
        while reader.offset() < stop && reader.elements() < last_element {
            let step = reader.step(stop, last_element - reader.elements()).map_err(failed)?;
            let Step::Event(event) = step else { continue };
            match event.entry {
                Entry::Key(entry) => self.key(entry, event.offset, sink, log)?,
                Entry::Function(text) => return Err(function(log, event.offset, &text)),
                Entry::End(checksum) => {
                    self.told(checksum, notices);
                    return Ok(Some(reader.offset()));
                }
                Entry::Aux { key, value } => notices.extend(said(&key, &value)),
                // Hints, which may say anything. The data of modules are an error of the reader.
                _ => (),
            }
        }
        self.reader = Some(reader);
        Ok(None)
    }

    fn key<S: Sink + ?Sized>(
        &mut self,
        entry: KeyEntry,
        offset: u64,
        sink: &mut S,
        log: &LogFile,
    ) -> Result<(), LoadError> {
        let KeyEntry { db, key, expire_at, content, .. } = entry;
        let value = match content {
            Content::Value(value) => value,
            Content::Empty(_) => {
                self.empty_keys += 1;
                return Ok(());
            }
            Content::Module(_) | Content::Skipped(_) => unreachable!("the reader is told to refuse them"),
        };
        self.keys += 1;
        sink.put(db, &key, value, expire_at).map_err(|refusal| LoadError::SnapshotKey {
            path: log.path.clone(),
            offset,
            db,
            key: CommandName::new(&key),
            refusal,
        })
    }

    fn told(&self, checksum: Checksum, notices: &mut Vec<Notice>) {
        let Self { keys, empty_keys, .. } = *self;
        if checksum == Checksum::NotComputed {
            notices.push(Notice::NoChecksum);
        }
        notices.push(Notice::SnapshotLoaded { keys, empty_keys });
    }
}

/// What a field of a snapshot says that Redis logs as well.
fn said(key: &[u8], value: &[u8]) -> Option<Notice> {
    let number = || std::str::from_utf8(value).ok()?.parse().ok();
    Some(match key {
        b"redis-ver" => Notice::SnapshotVersion { version: CommandName::new(value) },
        b"ctime" => Notice::SnapshotTime { unix_s: number()? },
        b"used-mem" => Notice::SnapshotMemory { bytes: number()? },
        b"aof-preamble" | b"aof-base" if number()? != 0 => Notice::SnapshotOfLog { is_base: key == b"aof-base" },
        _ => return None,
    })
}

fn open<S: Sink + ?Sized>(input: FileBytes, sink: &S, verify_checksum: bool) -> Result<Reader<FileBytes>, RdbError> {
    let limits = sink.thresholds();
    let options = Options { limits, types: sink.custom_types(), verify_checksum, ..Options::default() };
    let bytes = usize::try_from(input.end).map_or(BUFFER_BYTES, |end| end.clamp(1, BUFFER_BYTES));
    Reader::new(Source::with_buffer(input, Vec::with_capacity(bytes)), options)
}

/// A failed read is the disk's, all else the snapshot's.
fn failed(log: &LogFile, error: RdbError) -> LoadError {
    match error {
        RdbError::Source(SourceError::Read { offset, source: error }) => {
            log.io(Failed { operation: Operation::Read, offset, error })
        }
        error => LoadError::Snapshot { path: log.path.clone(), offset: error.offset(), source: Box::new(error) },
    }
}

/// A library of functions, by the name that stands in the first line of its text.
fn function(log: &LogFile, offset: u64, text: &[u8]) -> LoadError {
    let head = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let name = head.split(u8::is_ascii_whitespace).find_map(|word| word.strip_prefix(b"name="));
    LoadError::SnapshotFunction { path: log.path.clone(), offset, library: CommandName::new(name.unwrap_or(head)) }
}

/// A file up to a size, whatever has been appended to it since.
#[derive(Clone)]
pub(crate) struct UpTo<F> {
    file: F,
    at: u64,
    end: u64,
}

impl<F> UpTo<F> {
    /// The bytes of `file` before `end`.
    pub(crate) fn new(file: F, end: u64) -> Self {
        Self { file, at: 0, end }
    }
}

impl<F: Deref<Target: File>> Input for UpTo<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buf.len());
        let count = self.file.read_at(&mut buf[..room], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use keyspace::{Deadline, HashSeed, Keyspace, Str, UnixMs, Value};
    use rdb::SnapshotSettings;

    use super::*;

    fn dump(said: Option<(&str, &str)>) -> Vec<u8> {
        let mut keyspace = Keyspace::new(1, HashSeed([1; 16]));
        let key = keyspace.key(b"of");
        keyspace.db_mut(0).insert(key, Value::Str(Str::new(b"a key")), Deadline::Clear);
        let settings =
            SnapshotSettings { redis_ver: "7.2.4", used_mem_bytes: 1, compress: true, checksum: true, field: said };
        let mut out = Vec::new();
        settings.writer(&keyspace, UnixMs(0), false).run(&mut out).unwrap();
        out
    }

    #[test]
    fn a_field_is_found_in_front_of_the_keys_alone_and_nothing_behind_it_is_read() {
        let whole = dump(Some(("of", "this")));
        let end = whole.windows(4).position(|bytes| bytes == b"this").unwrap() + 4;
        assert_eq!(field(&whole[..end], b"of").as_deref(), Some(b"this".as_slice()));
        for without in [&whole[..end - 1], &dump(Some(("off", "this"))), &dump(None), b"", b"*1\r\n$4\r\nPING\r\n"] {
            assert_eq!(field(without, b"of"), None);
        }
    }
}
