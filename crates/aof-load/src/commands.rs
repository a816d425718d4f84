//! Every command of a log, one after the other, for whoever wants to look at one: `for command in commands(path)?`.
//!
//! An [`Import`] into a queue, one step at a time, so that its rules hold here as well: what is read and in which order, what is
//! refused, that nothing is touched.
//!
//! Invariant: the commands that come out, written one behind the other, are a log in one file that gives the same dataset.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyspace::{CustomTypes, UnixMs, Value};
use resp_codec::Args;
use vfs::{Dir, RealDir};

use crate::rebuild::{Words, rebuild};
use crate::{Import, LoadError, LoadOptions, Operation, Refusal, Sink, SourceKind, Unit};

/// One unit or one key a step: the error of a step concerns nothing that waits.
const STEP_BYTES: u64 = 1;

/// `EXEC` as it stands in every log: its number of arguments and its length have one form.
const EXEC_BYTES: u64 = b"*1\r\n$4\r\nEXEC\r\n".len() as u64;

/// Opens what stands at `path`: a log, with an RDB preamble or without; the manifest of a log in several files; or a dump in RDB
/// format. Nothing is changed. A link is followed.
///
/// # Errors
/// If it cannot be opened, or a manifest not be followed.
pub fn commands(path: impl AsRef<Path>) -> Result<Commands, LoadError> {
    commands_of(path, CustomTypes::default())
}

/// As [`commands`], of a log whose snapshot may hold values of these custom types: each comes as the commands that it emits itself.
/// Without its type, a value is an error that names the type. The commands of a log need no type.
///
/// # Errors
/// As [`commands`].
pub fn commands_of(path: impl AsRef<Path>, types: CustomTypes) -> Result<Commands, LoadError> {
    let path = path.as_ref();
    let failed = |source| LoadError::Io { path: path.to_owned(), operation: Operation::Open, offset: 0, source };
    let (dir, name) = RealDir::holding(path).map_err(failed)?;
    let dir: Arc<dyn Dir> = Arc::new(dir);
    Ok(Commands { import: Some(Import::of_any(&dir, &name, OPTIONS)?), queue: Queue::new(types) })
}

/// A torn tail is told as an error, behind all that comes before it. A thread is not worth it where units come one by one.
const OPTIONS: LoadOptions = LoadOptions { truncated: false, source: SourceKind::Inline, ..LoadOptions::DEFAULT };

/// A command of a log, as [`Commands`] gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedCommand {
    /// The file that it stands in.
    pub file: Arc<Path>,
    /// Where it begins there. One that rebuilds a key of a snapshot has the place of that key.
    pub offset: u64,
    /// The number of the database that it runs in; for `SELECT` of the one that it selects.
    pub db: u32,
    /// Its arguments, its name the first of them.
    pub args: Vec<Vec<u8>>,
}

impl LoggedCommand {
    /// Its name, as it stands in the log: in any case.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.args.first().map_or(b"", Vec::as_slice)
    }
}

/// The words as redis-cli takes them, in quotes where they need some.
impl fmt::Display for LoggedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_char(' ')?;
            }
            let escaped = word.escape_ascii();
            let is_plain =
                !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
            if is_plain { escaped.fmt(f)? } else { write!(f, "\"{escaped}\"")? }
        }
        Ok(())
    }
}

/// The commands of a log, in order. Made by [`commands`].
///
/// The keys of a snapshot come first, each as the commands that rebuild it: `SET`, or `RPUSH`, `SADD`, `HSET`, `ZADD` of at most 64
/// items and a megabyte, then `PEXPIREAT` if it has a deadline. `MULTI` and `EXEC` come as they stand there. A `SELECT` is added where what follows
/// would run in another database otherwise: behind a snapshot, and where another file of the log begins.
///
/// The first error is the last item: a torn tail, damage, or what this crate does not read of a snapshot (see the README, "Limits").
/// What stands before it came before it. Memory holds one transaction, or one key of a snapshot and its commands.
pub struct Commands {
    /// Until it has ended.
    import: Option<Import>,
    queue: Queue,
}

impl Iterator for Commands {
    type Item = Result<LoggedCommand, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(command) = self.queue.ready.pop_front() {
                return Some(Ok(command));
            }
            let import = self.import.as_mut()?;
            self.queue.place(import.place());
            match import.step(&mut self.queue, STEP_BYTES) {
                Ok(progress) if progress.is_done() => self.import = None,
                Ok(_) => (),
                Err(error) => {
                    // A transaction of which a part can't be taken is not taken at all.
                    self.queue.ready.clear();
                    self.import = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl FusedIterator for Commands {}

/// Takes what an import reads.
struct Queue {
    file: Arc<Path>,
    /// Where the import is in it.
    offset: u64,
    /// The database that the commands of the log run in.
    db: u32,
    /// The one that what came out selects.
    selected: u32,
    ready: VecDeque<LoggedCommand>,
    types: CustomTypes,
}

impl Queue {
    fn new(types: CustomTypes) -> Self {
        Self { file: PathBuf::new().into(), offset: 0, db: 0, selected: 0, ready: VecDeque::new(), types }
    }

    fn place(&mut self, (file, offset): (&Path, u64)) {
        if *self.file != *file {
            self.file = file.into();
        }
        self.offset = offset;
    }

    /// Adds a command that runs in `db`, and a `SELECT` before it if it would not.
    fn push(&mut self, offset: u64, db: u32, args: Words) {
        if db != self.selected {
            self.selected = db;
            self.add(offset, vec![b"SELECT".to_vec(), db.to_string().into_bytes()]);
        }
        self.add(offset, args);
    }

    fn add(&mut self, offset: u64, args: Words) {
        self.ready.push_back(LoggedCommand { file: Arc::clone(&self.file), offset, db: self.selected, args });
    }

    fn command(&mut self, offset: u64, args: Args<'_>) -> Result<(), Refusal> {
        if args.name().eq_ignore_ascii_case(b"select") {
            let number = args.get(1).and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
            self.db = number.ok_or(Refusal::CannotApply("that is no number of a database"))?;
            self.selected = self.db;
        }
        self.push(offset, self.db, args.from(0).map(<[u8]>::to_vec).collect());
        Ok(())
    }
}

impl Sink for Queue {
    fn check(&mut self, _: Args<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn apply(&mut self, unit: &Unit<'_>) -> Result<(), Refusal> {
        let range = unit.range();
        if unit.is_transaction() {
            self.push(range.start, self.db, vec![b"MULTI".to_vec()]);
        }
        unit.commands().try_for_each(|command| self.command(command.offset(), command.args()))?;
        if unit.is_transaction() {
            self.push(range.end - EXEC_BYTES, self.db, vec![b"EXEC".to_vec()]);
        }
        Ok(())
    }

    fn put(&mut self, db: u32, key: &[u8], value: Value, deadline: Option<UnixMs>) -> Result<(), Refusal> {
        let commands = rebuild(key, &value, deadline, &self.types);
        for args in commands.map_err(|cannot| Refusal::CannotApply(cannot.0))? {
            self.push(self.offset, db, args);
        }
        Ok(())
    }

    fn custom_types(&self) -> CustomTypes {
        self.types.clone()
    }

    fn begin_file(&mut self) {
        self.db = 0;
    }
}
