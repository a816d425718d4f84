//! What the table knows about a command: its row.
//!
//! Rows are built in `const` code by the modules of the commands; facts that COMMAND INFO shows (arity, flags, first key,
//! last key, step) equal those of Redis 7.2. A row falls in two: what every request of the command needs fits one cache
//! line, and what is only told about it stands apart.

use resp_codec::Args;

use crate::{CommandError, Ctx};

/// Runs a data command. Returns an error only before it has changed anything; the error becomes the reply.
pub type Handler = fn(&mut Ctx<'_>, Args<'_>) -> Result<(), CommandError>;

/// One row of the table: what a request of the command looks like, and how it runs.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Command {
    /// The full name in lower case; a subcommand's is `parent|name`.
    pub name: &'static str,
    /// As Redis counts: the exact number of arguments with the name, or negated, the least number. A subcommand counts
    /// its parent's name too.
    pub arity: i32,
    /// What it does and when it may run.
    pub flags: Flags,
    /// Where its keys stand.
    pub keys: Keys,
    /// Who runs it.
    pub run: Run,
    /// What is told about it.
    pub docs: &'static Docs,
    /// Its position in [`TABLE`](crate::TABLE), or behind it: dense, for statistics by command.
    pub id: u16,
}

const _: () = assert!(size_of::<Command>() == 64, "a row is one cache line");

/// What is told about a command.
#[derive(Clone, Copy, Debug)]
pub struct Docs {
    /// The group in the documentation, which is an ACL category too.
    pub group: Group,
    /// The version of Redis that introduced it.
    pub since: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// One sentence about it.
    pub summary: &'static str,
    /// Its arguments, in the notation of [`syntax`](crate::syntax).
    pub syntax: &'static str,
}

impl Docs {
    /// Nothing is told.
    const NONE: Self = Self { group: Group::Generic, since: "", complexity: "", summary: "", syntax: "" };
}

static NO_DOCS: Docs = Docs::NONE;

/// A row as its module writes it, before the table takes it apart.
///
/// ```
/// use commands::{CommandError, Ctx, Flags, Group, Keys, Row};
/// use resp_codec::Args;
///
/// fn length(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
///     let key = ctx.store.key(args.at(1));
///     let bytes = ctx.store.string(key)?.map_or(0, |text| text.len());
///     ctx.reply.count(bytes);
///     Ok(())
/// }
///
/// static ROWS: [Row; 1] = [Row::data("my.length", 2, Flags::READONLY | Flags::FAST, Keys::FIRST, length)
///     .doc(Group::Module, "1.0.0", "O(1)", "Answers the length of a text.")
///     .takes("key")];
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub(crate) command: Command,
    pub(crate) docs: Docs,
}

/// A row that a handler of this crate runs, on two lines: group, name, arity, flags, keys, handler and arguments; since when
/// there is such a command, its cost and its summary.
macro_rules! row {
    ($group:ident $name:literal $arity:literal $flags:expr, $keys:expr, $run:expr, $syntax:literal;
     $since:literal $cost:literal $summary:literal) => {
        Row::data($name, $arity, $flags, $keys, $run).doc(Group::$group, $since, $cost, $summary).takes($syntax)
    };
}
pub(crate) use row;

/// Who runs a command.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// A handler of this crate.
    Data(Handler),
    /// The engine.
    Engine(EngineOp),
}

/// What only the engine can do: it has the clients, the configuration, the files and the log.
///
/// Exhaustive on purpose: an engine that lacks one does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the command of that name")]
pub enum EngineOp {
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    Select,
    Ping,
    Quit,
    Hello,
    Auth,
    Reset,
    /// CLIENT with its subcommands, which have rows of their own: the row's name tells which.
    Client,
    /// CONFIG with its subcommands, likewise.
    Config,
    Info,
    /// LATENCY with its subcommands, likewise.
    Latency,
    /// MEMORY with its subcommands but USAGE, likewise.
    Memory,
    /// SLOWLOG with its subcommands, likewise.
    SlowLog,
    Debug,
    Shutdown,
    BgRewriteAof,
    /// SAVE
    Save,
    /// BGSAVE
    BgSave,
    LastSave,
    Role,
    Wait,
    WaitAof,
}

/// Flags of a command, with Redis's names and meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u32);

#[expect(missing_docs, reason = "each is Redis's flag of that name")]
impl Flags {
    pub const WRITE: u32 = 1 << 0;
    pub const READONLY: u32 = 1 << 1;
    pub const DENYOOM: u32 = 1 << 2;
    pub const ADMIN: u32 = 1 << 3;
    pub const PUBSUB: u32 = 1 << 4;
    pub const NOSCRIPT: u32 = 1 << 5;
    pub const BLOCKING: u32 = 1 << 6;
    pub const LOADING: u32 = 1 << 7;
    pub const STALE: u32 = 1 << 8;
    pub const SKIP_MONITOR: u32 = 1 << 9;
    pub const SKIP_SLOWLOG: u32 = 1 << 10;
    pub const ASKING: u32 = 1 << 11;
    pub const FAST: u32 = 1 << 12;
    pub const NO_AUTH: u32 = 1 << 13;
    pub const MAY_REPLICATE: u32 = 1 << 14;
    pub const SENTINEL: u32 = 1 << 15;
    pub const NO_MANDATORY_KEYS: u32 = 1 << 16;
    pub const PROTECTED: u32 = 1 << 17;
    pub const MOVABLEKEYS: u32 = 1 << 18;
    pub const ALLOW_BUSY: u32 = 1 << 19;
    pub const NO_ASYNC_LOADING: u32 = 1 << 20;
    pub const NO_MULTI: u32 = 1 << 21;
    /// Of an extension.
    pub const MODULE: u32 = 1 << 22;
    /// Ours, not shown: in the ACL categories of the types it sorts, not in that of its group (SORT).
    pub const SORTS: u32 = 1 << 25;
    /// Ours, not shown: a subcommand. Every row's name tells; the flag spares requests to look.
    pub const SUBCOMMAND: u32 = 1 << 26;
    /// Ours, not shown: in the ACL category `connection`, whatever the group (COMMAND).
    pub const CONNECTION_CATEGORY: u32 = 1 << 27;
    /// Ours, not shown: in the ACL category `admin` without being an admin command (LASTSAVE).
    pub const ADMIN_CATEGORY: u32 = 1 << 28;
    /// Ours, not shown: in the ACL category `keyspace`, whatever the group (FLUSHALL).
    pub const KEYSPACE_CATEGORY: u32 = 1 << 29;
    /// Ours, not shown: the first argument names a subcommand with a row of its own.
    pub const CONTAINER: u32 = 1 << 30;
    /// Ours, not shown: in the ACL category `dangerous` without being an admin command (KEYS, FLUSHALL).
    pub const DANGEROUS: u32 = 1 << 31;
}

impl Flags {
    /// Whether one of the flags of `mask` is set.
    pub const fn has(self, mask: u32) -> bool {
        self.0 & mask != 0
    }

    /// Whether the command may change the keyspace.
    pub const fn is_write(self) -> bool {
        self.has(Self::WRITE)
    }
}

/// The group of a command in Redis's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Redis's group of that name")]
pub enum Group {
    Generic,
    String,
    Bitmap,
    List,
    Set,
    SortedSet,
    Hash,
    Connection,
    Server,
    Transactions,
    Module,
}

impl Group {
    /// The name that COMMAND DOCS replies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::Bitmap => "bitmap",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Hash => "hash",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Transactions => "transactions",
            Self::Module => "module",
        }
    }
}

/// Where the keys of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// It names none.
    None,
    /// From argument `first` to `last` (negative: from the end), every `step`-th.
    Range {
        /// The first key; the command's name is argument 0.
        first: u8,
        /// The last key; -1 is the last argument.
        last: i8,
        /// The distance from key to key.
        step: u8,
    },
    /// Argument `count_at` says how many keys follow it; argument 1 is a key too if `destination`.
    Numkeys {
        /// The argument that holds the number.
        count_at: u8,
        /// Whether argument 1 is a key, to be written.
        destination: bool,
    },
    /// Argument 1; further ones follow from what it holds and from patterns, and one stands behind the last `STORE`.
    Sort {
        /// Whether STORE is an option.
        stores: bool,
    },
}

impl Keys {
    /// One key, argument 1: the most common case.
    pub const FIRST: Self = Self::range(1, 1, 1);
    /// Every argument from 1 on.
    pub const ALL: Self = Self::range(1, -1, 1);

    /// Keys from `first` to `last` by `step`.
    pub const fn range(first: u8, last: i8, step: u8) -> Self {
        Self::Range { first, last, step }
    }
}

impl Row {
    /// Starts a row that a handler of this crate runs; [`Self::doc`] and [`Self::takes`] complete it.
    pub const fn data(name: &'static str, arity: i32, flags: u32, keys: Keys, run: Handler) -> Self {
        Self::new(name, arity, flags, keys, Run::Data(run))
    }

    /// Starts a row that the engine runs; [`Self::doc`] and [`Self::takes`] complete it.
    pub(crate) const fn engine(name: &'static str, arity: i32, flags: u32, keys: Keys, op: EngineOp) -> Self {
        Self::new(name, arity, flags, keys, Run::Engine(op))
    }

    const fn new(name: &'static str, arity: i32, flags: u32, keys: Keys, run: Run) -> Self {
        let flags = flags
            | if matches!(keys, Keys::Numkeys { .. } | Keys::Sort { .. }) { Flags::MOVABLEKEYS } else { 0 }
            | if has_bar(name) { Flags::SUBCOMMAND } else { 0 };
        Self {
            command: Command { name, arity, flags: Flags(flags), keys, run, docs: &NO_DOCS, id: 0 },
            docs: Docs::NONE,
        }
    }

    /// Completes a row with what COMMAND DOCS shows.
    pub const fn doc(
        mut self,
        group: Group,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> Self {
        self.docs = Docs { group, since, complexity, summary, syntax: self.docs.syntax };
        self
    }

    /// Completes a row with the arguments that it takes, in the notation of [`syntax`](crate::syntax).
    pub const fn takes(mut self, syntax: &'static str) -> Self {
        self.docs.syntax = syntax;
        self
    }
}

/// Whether a name is that of a subcommand, `parent|name`.
const fn has_bar(name: &str) -> bool {
    let (name, mut i) = (name.as_bytes(), 0);
    while i < name.len() && name[i] != b'|' {
        i += 1;
    }
    i < name.len()
}

impl Command {
    /// Whether a request of `argc` arguments, the name included, fits the arity.
    pub const fn accepts(&self, argc: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity >= 0 { argc == least } else { argc >= least }
    }

    /// Whether it is a subcommand.
    pub const fn is_subcommand(&self) -> bool {
        self.flags.has(Flags::SUBCOMMAND)
    }

    /// The parent's name, for a subcommand.
    pub fn parent(&self) -> Option<&'static str> {
        self.name.split_once('|').map(|(parent, _)| parent)
    }

    /// Whether the command may change the keyspace.
    pub const fn is_write(&self) -> bool {
        self.flags.is_write()
    }
}
