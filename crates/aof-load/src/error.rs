//! Why a file could not be loaded, by what the operator does next.
//!
//! Invariant: whoever gets one of these finds the file under its name as it was; see [`LoadError::Prove`] and
//! [`LoadError::Cut`] for what may stand beside it.

use std::io;
use std::path::PathBuf;

use rdb::RdbError;
use vfs::FileKind;

use crate::damage::Damage;
use crate::{ManifestError, OPTION_AMBIGUOUS_TAIL, OPTION_WITHOUT_SIDE_FILE, Refusal};

/// The advice for a file that is damaged before its end. Redis's own, `redis-check-aof --fix`, cuts off everything behind the
/// damage, whole and fsynced as it may be; so it is not given here.
const RESTORE_A_COPY: &str = "restore the file from a copy, or let check-aof --salvage copy what is whole in it to a new file; \
    redis-check-aof --fix would cut off everything behind the damage";

/// Why recovery ended. Every error names the file; one about its content also the byte and the command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// What stands under the name is no regular file. It is not touched, a link is not followed.
    #[error("can't open the append-only file {}: it is {}", path.display(), kind_name(*kind))]
    NotAFile {
        /// What was to be opened.
        path: PathBuf,
        /// What stands there.
        kind: FileKind,
    },
    /// A system call on the file failed; the file is not touched.
    #[error("can't {operation} the append-only file {} (at byte {offset})", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        operation: Operation,
        /// Where in the file; 0 where that means nothing.
        offset: u64,
        /// The system call's error.
        source: io::Error,
    },
    /// A snapshot in RDB format, alone or at the start of a file, is damaged or holds what is not there here. It is never torn: it
    /// gets its name when it is complete.
    #[error("{}: byte {offset}: the RDB data can't be loaded, and the file was not touched", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        source: Box<RdbError>,
    },
    /// A snapshot holds a library of functions, which would be lost.
    #[error(
        "{}: byte {offset}: the RDB data hold the function library '{library}', and functions are not supported: let the server that \
         wrote it save again after FUNCTION FLUSH (the file was not touched)", path.display()
    )]
    SnapshotFunction {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// The library's name.
        library: CommandName,
    },
    /// The sink refused a key of a snapshot.
    #[error(
        "{}: byte {offset}: can't load key '{key}' of database {db} from the RDB data: {refusal} (the file was not touched)",
        path.display()
    )]
    SnapshotKey {
        /// The file.
        path: PathBuf,
        /// Where the key begins.
        offset: u64,
        /// The number of its database.
        db: u32,
        /// Its name.
        key: CommandName,
        /// Why.
        refusal: Refusal,
    },
    /// What should be a snapshot in RDB format is none.
    #[error("{}: byte 0: expected 'REDIS', the start of an RDB file", path.display())]
    NoSnapshot {
        /// The file.
        path: PathBuf,
    },
    /// A file that is a snapshot in RDB format goes on behind it.
    #[error("{}: byte {offset}: the RDB file goes on behind its end", path.display())]
    BehindSnapshot {
        /// The file.
        path: PathBuf,
        /// The first byte behind the snapshot.
        offset: u64,
    },
    /// The manifest of a log in several files cannot be followed.
    #[error("can't read the manifest {}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A file of a log in several files is not there.
    #[error("{}, which {manifest} names, is missing: restore the whole directory from a copy", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// The name of the manifest.
        manifest: String,
    },
    /// A file that was imported has another size than when that began: somebody writes to it.
    #[error("{} had {read_bytes} bytes when it was opened and has {size_bytes} now: end the server that writes to it first", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its size when it was opened.
        read_bytes: u64,
        /// Its size now.
        size_bytes: u64,
    },
    /// Under the name of a file that was imported stands another one, or none: somebody writes there.
    #[error("{} is not the file any more that was read: end the server that writes to it first", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The end of the file is torn and `aof-load-truncated` is `no`.
    #[error(
        "{}You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename>. 2) Alternatively you \
         can set the 'aof-load-truncated' configuration option to yes and restart the server. ({}: {damage})",
        if damage.is_unexpected_end() { "Unexpected end of file reading the append only file. " }
        else { "Torn end reading the append only file. " },
        path.display()
    )]
    TornRefused {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        damage: Box<Damage>,
    },
    /// The bytes at an offset are no command, and it is not the end of the file that is torn. Never repaired silently.
    #[error("Bad file format reading the append only file: {RESTORE_A_COPY} ({}: {damage}; {evidence})", path.display())]
    BadFormat {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        damage: Box<Damage>,
        /// Why this is no torn tail.
        evidence: Evidence,
    },
    /// The file can be read in two ways, and nothing in it says which is right.
    #[error(
        "Bad file format reading the append only file: {RESTORE_A_COPY} ({}: {damage}; a whole command stands at byte \
         {command_offset}, inside of the announced length of the broken argument. Either the value was cut short, and its \
         text looks like a command: then set {OPTION_AMBIGUOUS_TAIL} to cut, and the file is cut at byte {}. Or the length \
         is damaged and the commands behind it are real: then repair the length by hand)",
        path.display(), damage.cut_at
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        damage: Box<Damage>,
        /// The first whole command inside of the broken argument.
        command_offset: u64,
    },
    /// The sink refused a command.
    #[error("{} ({}: byte {offset}, command {index}; the file was not touched)", refused(*refusal, name), path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The command's name as it stands in the file.
        name: CommandName,
        /// Its first byte.
        offset: u64,
        /// Its number, from 0.
        index: u64,
        /// Why.
        refusal: Refusal,
    },
    /// What is to be cut could not be copied to a side file first, so nothing was cut.
    #[error(
        "{}: can't {operation} the side file {side_file} for the torn tail, so the tail was not cut; make room, or set \
         {OPTION_WITHOUT_SIDE_FILE} to yes to lose it", path.display()
    )]
    SideFile {
        /// The AOF.
        path: PathBuf,
        /// The side file's name, in the same directory.
        side_file: String,
        /// What was attempted.
        operation: Operation,
        /// The system call's error.
        source: io::Error,
    },
    /// The torn tail is in the side file, but the AOF could not be cut, or the cut not be made durable. A later start finds
    /// either the whole file or the cut one; both load to the same dataset.
    #[error("{}: can't {operation} the append-only file to cut it at byte {cut_at}", path.display())]
    Cut {
        /// The AOF.
        path: PathBuf,
        /// Where it was to end.
        cut_at: u64,
        /// What was attempted.
        operation: Operation,
        /// The system call's error.
        source: io::Error,
    },
    /// The bytes that a crash left unproven could not be made durable. The file holds the bytes it held.
    #[error("{}: can't {operation} the append-only file (at byte {offset}) to prove its tail after a crash", path.display())]
    Prove {
        /// The AOF.
        path: PathBuf,
        /// What was attempted.
        operation: Operation,
        /// Where in the file; 0 where that means nothing.
        offset: u64,
        /// The system call's error.
        source: io::Error,
    },
    /// The sink refuses that the log ends there: see [`Sink::may_end`](crate::Sink::may_end). The file is not touched.
    #[error("{}: {whole_bytes} bytes are whole, and that may not be all (the file was not touched)", path.display())]
    MayNotEnd {
        /// The file.
        path: PathBuf,
        /// How many bytes of it are whole.
        whole_bytes: u64,
    },
    /// The reader's thread died: a bug, or no memory.
    #[error("{}: the thread that reads the append-only file died", path.display())]
    ReaderDied {
        /// The file.
        path: PathBuf,
    },
}

/// What was attempted when a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// stat(2).
    Stat,
    /// open(2).
    Open,
    /// open(2) of a new file.
    Create,
    /// pread(2).
    Read,
    /// write(2) or pwrite(2).
    Write,
    /// fsync(2) of the file.
    Fsync,
    /// fsync(2) of its directory.
    FsyncDir,
    /// ftruncate(2).
    Truncate,
    /// rename(2).
    Rename,
    /// The start of the thread that reads.
    StartReader,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stat => "stat",
            Self::Open => "open",
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Fsync => "fsync",
            Self::FsyncDir => "fsync the directory of",
            Self::Truncate => "truncate",
            Self::Rename => "rename a new copy over",
            Self::StartReader => "start a thread to read",
        })
    }
}

/// Why damage is no torn tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Evidence {
    /// It lies before the offset up to which the state file says the file was fsynced.
    #[error("the file was fsynced up to byte {fsynced_offset_bytes}, so this is no torn tail")]
    Fsynced {
        /// Bytes before this one were on stable storage.
        fsynced_offset_bytes: u64,
    },
    /// A whole command follows it.
    #[error("a whole command follows at byte {command_offset}, so this is no torn tail")]
    CommandFollows {
        /// Where it starts.
        command_offset: u64,
    },
    /// Nothing before it is a command: this was never an append-only file.
    #[error("nothing before it is a command, so this may be no append-only file")]
    NoCommandBefore,
    /// Another file of the log follows: nothing was appended to this one when the server ended.
    #[error("the file is not the last one of its log, so this is no torn tail")]
    NotTheLastFile,
    /// It is a file that gets its name when it is complete.
    #[error("a base file gets its name when it is complete, so this is no torn tail")]
    WrittenWhole,
    /// What follows looks so much like commands that telling whether one is whole would take too long.
    #[error("too much of what follows resembles commands to tell whether this is a torn tail")]
    Undecided,
}

/// A command's name for messages, or a key's: at most 64 bytes of it, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandName(Box<[u8]>);

impl CommandName {
    const SHOWN_BYTES: usize = 64;

    pub(crate) fn new(name: &[u8]) -> Self {
        Self(name[..name.len().min(Self::SHOWN_BYTES)].into())
    }

    /// The first bytes of the name, as they stand in the file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Display for CommandName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// What is wrong with a command, with Redis's wording for one it does not know.
fn refused(refusal: Refusal, name: &CommandName) -> String {
    match refusal {
        Refusal::UnknownCommand => format!("Unknown command '{name}' reading the append only file"),
        Refusal::WrongArity => format!("Wrong number of arguments for '{name}' reading the append only file"),
        Refusal::NotAllowedInLog => format!("'{name}' may not stand in an append only file"),
        Refusal::CannotApply(reason) => format!("Can't apply '{name}' of the append only file: {reason}"),
    }
}

fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a file",
        FileKind::Dir => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Other => "a socket, pipe or device",
    }
}
