//! What each argument may hold: its domain follows from its name, its kind, and the command.

use commands::Command;
use commands::command::Group;
use commands::syntax::{Argument, Kind};

/// What an argument may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// A key.
    Key,
    /// A member, field, element or value.
    Data,
    /// A value that is often a number.
    Value,
    /// What a counter is changed by.
    Increment,
    /// A position, from either end.
    Index,
    /// A position that fits 32 bits: see the known difference `lset-index`.
    NearIndex,
    /// A position where a string is written: it may grow that long.
    StringIndex,
    /// How many.
    Count,
    /// A score, weight or number with a fraction.
    Float,
    /// An end of a range of scores.
    ScoreBound,
    /// An end of a range of members.
    MemberBound,
    /// A time to live in units of so many milliseconds.
    After(i64),
    /// A deadline in units of so many milliseconds.
    At(i64),
    /// The number of a bit; a string may grow that long.
    BitIndex,
    /// A list, set or sorted set.
    Sortable,
    /// A time to live of RESTORE, or, with ABSTTL, a deadline; 0 is none.
    RestoreTtl,
    /// What RESTORE takes.
    Payload,
    /// A glob pattern.
    Pattern,
    /// Where an iteration goes on.
    Cursor,
    /// The number of a database.
    Database,
    /// The name of a command.
    CommandName,
    /// A directive that CONFIG SET is tried on.
    Threshold,
    /// One of these.
    Words(&'static [&'static str]),
}

/// Names as clients give themselves.
const NAMES: &[&str] = &["app", "worker-1", "", "two words", "new\nline", "caf\u{e9}", "~"];
/// Directives that mean the same in both servers.
const DIRECTIVES: &[&str] = &[
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hash-max-ziplist-entries",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "zset-max-ziplist-*",
    "set-max-intset-entries",
    "list-max-listpack-size",
    "databases",
    "maxmemory-policy",
    "maxmemory",
    "proto-max-bulk-len",
    "no-such-directive",
    "HASH-MAX-LISTPACK-ENTRIES",
    "[zh]*-max-listpack-value",
];
/// Directives that CONFIG SET is tried on: thresholds, one that nobody may set, one that nobody knows. The last two are new
/// in 7.2.
pub(super) const THRESHOLDS: &[&str] = &[
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hash-max-ziplist-value",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "list-max-listpack-size",
    "databases",
    "no-such-directive",
    "set-max-listpack-entries",
    "set-max-listpack-value",
];
/// How many of them are new.
pub(super) const NEW_THRESHOLDS: usize = 2;
const THRESHOLD_VALUES: &[&str] =
    &["0", "2", "5", "8", "64", "128", "512", "-1", "-2", "many", "", "4294967296", "1mb"];
/// Types, and what is none, for SCAN.
const TYPES: &[&str] = &["string", "list", "set", "zset", "hash", "STRING", "stream", "nonsense", ""];
const PROTOCOLS: &[&str] = &["2", "3", "3", "2", "4", "1", "three", ""];
const PROTOCOL_TYPES: &[&str] = &[
    "string", "integer", "double", "null", "array", "set", "map", "attrib", "bignum", "true", "false", "verbatim",
    "other",
];

const BITS: &[&str] = &["0", "1", "0", "1", "0", "1", "0", "1", "0", "1", "2", "-1", "x", ""];
/// Integers of BITFIELD, and what is none.
const ENCODINGS: &[&str] = &[
    "u1", "u2", "i2", "u4", "u8", "i8", "i5", "u16", "i16", "u31", "u32", "i32", "u63", "i63", "i64", "I8", "u64",
    "i65", "u0", "x8", "8", "i", "", "u08",
];
/// Where they stand in a string.
const BIT_OFFSETS: &[&str] = &[
    "0",
    "#0",
    "#0",
    "#1",
    "#2",
    "#3",
    "1",
    "7",
    "8",
    "9",
    "31",
    "100",
    "#20",
    "-1",
    "#-1",
    "4294967296",
    "#9223372036854775807",
    "#",
    "x",
    "",
];
/// Patterns of SORT, which name keys and fields that are there, or none.
const KEY_PATTERNS: &[&str] = &[
    "s*", "s*", "h*->a", "h*->b", "h*->f", "nosort", "", "#", "*", "*->a", "l*", "h*->", "s1", "[*", "t*->a", "#*",
    "s*->",
];

/// The domains of arguments by command (or any, if empty) and name; the first row that fits counts.
const DOMAINS: &[(&str, &str, Domain)] = &[
    ("setrange", "offset", Domain::StringIndex),
    ("setbit", "offset", Domain::BitIndex),
    ("getbit", "offset", Domain::BitIndex),
    ("setbit", "value", Domain::Words(BITS)),
    ("bitpos", "bit", Domain::Words(BITS)),
    ("", "encoding", Domain::Words(ENCODINGS)),
    ("bitfield", "offset", Domain::Words(BIT_OFFSETS)),
    ("bitfield_ro", "offset", Domain::Words(BIT_OFFSETS)),
    ("bitfield", "value", Domain::Increment),
    ("sort", "key", Domain::Sortable),
    ("sort_ro", "key", Domain::Sortable),
    ("", "by-pattern", Domain::Words(KEY_PATTERNS)),
    ("", "get-pattern", Domain::Words(KEY_PATTERNS)),
    ("lset", "index", Domain::NearIndex),
    ("zcount", "min", Domain::ScoreBound),
    ("zcount", "max", Domain::ScoreBound),
    ("config|get", "parameter", Domain::Words(DIRECTIVES)),
    ("config|set", "parameter", Domain::Threshold),
    ("", "command-name", Domain::CommandName),
    ("config|set", "value", Domain::Words(THRESHOLD_VALUES)),
    ("debug", "type", Domain::Words(PROTOCOL_TYPES)),
    ("client|setname", "connection-name", Domain::Words(NAMES)),
    ("client|setinfo", "libname", Domain::Words(NAMES)),
    ("client|setinfo", "libver", Domain::Words(NAMES)),
    ("hello", "clientname", Domain::Words(NAMES)),
    ("hello", "protover", Domain::Words(PROTOCOLS)),
    ("scan", "type", Domain::Words(TYPES)),
    // Another user is refused, and Redis 7.2.4 does not answer that behind other replies: see `sequence.rs`.
    ("", "username", Domain::Words(&["default"])),
    ("", "password", Domain::Words(&["", "secret"])),
    ("", "ttl", Domain::RestoreTtl),
    ("", "serialized-value", Domain::Payload),
    ("", "value", Domain::Value),
    ("", "increment", Domain::Increment),
    ("", "decrement", Domain::Increment),
    ("", "count", Domain::Count),
    ("", "num-matches", Domain::Count),
    ("", "limit", Domain::Count),
    ("", "len", Domain::Count),
    ("", "cursor", Domain::Cursor),
    ("select", "index", Domain::Database),
    ("", "index1", Domain::Database),
    ("", "index2", Domain::Database),
    ("", "db", Domain::Database),
    ("", "destination-db", Domain::Database),
    ("", "weight", Domain::Float),
    ("", "seconds", Domain::After(1000)),
    ("", "milliseconds", Domain::After(1)),
    ("", "unix-time-seconds", Domain::At(1000)),
    ("", "unix-time-milliseconds", Domain::At(1)),
];

/// How the ends of a range are given, for commands that take several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeBy {
    Rank,
    Score,
    Member,
}

impl RangeBy {
    /// By the command's name, or the word among its arguments.
    pub(super) fn of(command: &Command, has_word: impl Fn(&str) -> bool) -> Self {
        if command.name.contains("lex") || has_word("BYLEX") {
            Self::Member
        } else if command.name.contains("byscore") || has_word("BYSCORE") {
            Self::Score
        } else {
            Self::Rank
        }
    }
}

/// The domain of a command's argument.
pub(super) fn domain(command: &Command, argument: &Argument<'_>, by: RangeBy) -> Domain {
    let name = &*argument.name;
    let listed = DOMAINS.iter().find(|(of, its, _)| *its == name && (of.is_empty() || *of == command.name));
    if let Some((.., domain)) = listed {
        return *domain;
    }
    let bound =
        matches!(name, "min" | "max") || command.docs.group == Group::SortedSet && matches!(name, "start" | "stop");
    match (bound, by) {
        (true, RangeBy::Member) => Domain::MemberBound,
        (true, RangeBy::Score) => Domain::ScoreBound,
        (true, RangeBy::Rank) => Domain::Index,
        (false, _) => by_kind(&argument.kind, name),
    }
}

fn by_kind(kind: &Kind<'_>, name: &str) -> Domain {
    match kind {
        Kind::Key => Domain::Key,
        Kind::Integer => Domain::Index,
        Kind::Double => Domain::Float,
        Kind::Pattern => Domain::Pattern,
        Kind::UnixTime if name.contains("milli") => Domain::At(1),
        Kind::UnixTime => Domain::At(1000),
        Kind::String | Kind::PureToken | Kind::OneOf(_) | Kind::Block(_) => Domain::Data,
    }
}
