//! A small log with known boundaries, a sink that remembers, and one way to recover.

use std::sync::Arc;

use aof_load::{LoadError, LoadOptions, Notice, Proven, Recovered, Recovery, Refusal, Sink, SourceKind, Unit};
use keyspace::{Deadline, HashSeed, Keyspace, UnixMs, Value};
use rdb::{Encoder, Preface, SnapshotWriter, WriteOptions};
use resp_codec::Args;
use resp_codec::encode_command;
use vfs::Dir;
use vfs::sim::SimDisk;

pub(crate) const DIR: &str = "/data";
pub(crate) const AOF: &str = "appendonly.aof";
pub(crate) const INLINE: LoadOptions = LoadOptions {
    truncated: true,
    ambiguous_tail: aof_load::AmbiguousTail::Refuse,
    without_side_file: false,
    verify_checksum: true,
    source: SourceKind::Inline,
};

/// The words of the commands of one unit; `true` for a transaction.
pub(crate) type Words = (bool, Vec<Vec<Vec<u8>>>);

/// A log and, for each unit, its words and its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    pub(crate) units: Vec<(Words, u64)>,
}

impl Sample {
    pub(crate) fn push(&mut self, transaction: bool, commands: &[Vec<Vec<u8>>]) {
        let mut command = |words: &[Vec<u8>]| encode_command(&mut self.bytes, words.iter().map(Vec::as_slice));
        if transaction {
            command(&[b"MULTI".to_vec()]);
        }
        commands.iter().for_each(|words| command(words));
        if transaction {
            command(&[b"EXEC".to_vec()]);
        }
        self.units.push(((transaction, commands.to_vec()), self.bytes.len() as u64));
    }

    /// The ends of all units up to `at`, and 0.
    pub(crate) fn boundary(&self, at: u64) -> u64 {
        self.units.iter().map(|(_, end)| *end).filter(|end| *end <= at).max().unwrap_or(0)
    }

    /// The units that end at or before `at`.
    pub(crate) fn before(&self, at: u64) -> Vec<Words> {
        self.units.iter().filter(|(_, end)| *end <= at).map(|(words, _)| words.clone()).collect()
    }
}

pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Two databases, transactions of several sizes, binary and empty arguments.
pub(crate) fn sample() -> Sample {
    let mut sample = Sample::default();
    sample.push(false, &[words("SELECT 0")]);
    sample.push(false, &[words("SET key value")]);
    sample.push(true, &[words("RPUSH list a b c"), words("SET counter 12")]);
    sample.push(false, &[vec![b"SET".to_vec(), b"bin\r\n\0".to_vec(), Vec::new()]]);
    sample.push(true, &[words("SELECT 9"), words("DEL key")]);
    sample.push(false, &[words("SET last one")]);
    sample
}

/// Remembers units; refuses names it does not know and databases that are no number.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) units: Vec<Words>,
    /// How many files began, where there are several.
    pub(crate) files: usize,
    /// The keys of snapshots: database, name and deadline.
    pub(crate) keys: Vec<(u32, Vec<u8>, Option<i64>)>,
}

impl Sink for Memory {
    fn begin_file(&mut self) {
        self.files += 1;
    }

    fn put(&mut self, db: u32, key: &[u8], _value: Value, deadline: Option<UnixMs>) -> Result<(), Refusal> {
        if db > 15 {
            return Err(Refusal::CannotApply("database number"));
        }
        self.keys.push((db, key.to_vec(), deadline.map(|at| at.0)));
        Ok(())
    }

    fn check(&mut self, args: Args<'_>) -> Result<(), Refusal> {
        match args.name() {
            b"SELECT" if args.len() != 2 => Err(Refusal::WrongArity),
            b"SELECT" | b"SET" | b"RPUSH" | b"DEL" => Ok(()),
            b"WATCH" => Err(Refusal::NotAllowedInLog),
            _ => Err(Refusal::UnknownCommand),
        }
    }

    fn apply(&mut self, unit: &Unit<'_>) -> Result<(), Refusal> {
        let commands: Vec<Vec<Vec<u8>>> =
            unit.commands().map(|command| command.args().from(0).map(<[u8]>::to_vec).collect()).collect();
        let select = |words: &Vec<Vec<u8>>| words[0] == b"SELECT" && !words[1].iter().all(u8::is_ascii_digit);
        if commands.iter().any(select) {
            return Err(Refusal::CannotApply("database number"));
        }
        self.units.push((unit.is_transaction(), commands));
        Ok(())
    }
}

/// What a recovery gave.
pub(crate) struct Outcome {
    pub(crate) result: Result<Recovered, LoadError>,
    pub(crate) units: Vec<Words>,
    pub(crate) keys: Vec<(u32, Vec<u8>, Option<i64>)>,
    pub(crate) notices: Vec<Notice>,
}

impl Outcome {
    pub(crate) fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }

    pub(crate) fn recovered(&self) -> &Recovered {
        self.result.as_ref().unwrap()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.notices.iter().map(ToString::to_string).collect()
    }
}

/// Recovers in small steps.
pub(crate) fn recover_in(dir: Arc<dyn Dir>, options: LoadOptions, proven: Option<Proven>) -> Outcome {
    let mut memory = Memory::default();
    let mut notices = Vec::new();
    let result = (|| {
        let mut recovery = Recovery::open(dir, AOF, options, proven)?.expect("the file is there");
        let mut last = recovery.progress();
        loop {
            let step = recovery.step(&mut memory, 100);
            notices.append(&mut recovery.take_notices());
            let progress = step?;
            let goes_on = last.done_bytes <= progress.done_bytes && progress.done_bytes <= progress.total_bytes;
            assert!(goes_on && progress.total_bytes == last.total_bytes, "{progress:?} after {last:?}");
            last = progress;
            if progress.is_done() {
                assert_eq!(progress.done_bytes, progress.total_bytes);
                return Ok(recovery.finish());
            }
        }
    })();
    Outcome { result, units: memory.units, keys: memory.keys, notices }
}

pub(crate) fn recover(disk: &SimDisk, proven: Option<Proven>) -> Outcome {
    recover_in(disk.dir(DIR), INLINE, proven)
}

/// A disk that holds a log, durably.
pub(crate) fn disk_with(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new();
    disk.put(DIR, AOF, bytes);
    disk
}

/// The names in the directory, sorted.
pub(crate) fn names(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.dir(DIR).list().unwrap();
    names.sort();
    names
}

pub(crate) fn unclean(fsynced_offset_bytes: u64) -> Option<Proven> {
    Some(Proven { fsynced_offset_bytes, clean_end: false })
}

pub(crate) fn clean(fsynced_offset_bytes: u64) -> Option<Proven> {
    Some(Proven { fsynced_offset_bytes, clean_end: true })
}

/// What [`snapshot`] holds.
pub(crate) fn snapshot_keys() -> Vec<(u32, Vec<u8>, Option<i64>)> {
    vec![(0, b"old".to_vec(), Some(1_000)), (0, b"text".to_vec(), None), (3, b"far".to_vec(), Some(1 << 42))]
}

/// A snapshot of a few strings in two databases, one of them past its deadline.
pub(crate) fn snapshot() -> Vec<u8> {
    let mut keyspace = Keyspace::new(16, HashSeed([7; 16]));
    for (db, name, deadline) in snapshot_keys() {
        let key = keyspace.key(&name);
        let deadline = deadline.map_or(Deadline::Clear, |at| Deadline::At(UnixMs(at)));
        keyspace.db_mut(db).set_str(key, b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n", deadline);
    }
    written(&keyspace)
}

/// A keyspace as a server writes it.
pub(crate) fn written(keyspace: &Keyspace) -> Vec<u8> {
    let mut file = rio::Sink::with_buffer(Vec::new(), Vec::with_capacity(4096)).checksummed();
    let encoder = Encoder::reserve(WriteOptions::default());
    SnapshotWriter::new(keyspace, None, encoder, Preface::default()).run(&mut file).unwrap();
    file.fsync().unwrap();
    file.into_parts().0
}

/// A snapshot of version 11 that consists of these bytes and has no checksum.
pub(crate) fn snapshot_of(body: &[u8]) -> Vec<u8> {
    [b"REDIS0011", body, b"\xff", &[0; 8]].concat()
}
