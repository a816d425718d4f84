//! Which arguments of a request are keys, and how the command uses them.
//!
//! Where keys stand follows from a row's [`Keys`]; a key specification of Redis is a run of keys that are used alike, so
//! a command that reads one key and writes another has two.

use numeric::parse_i64;
use resp_codec::Args;
use smallvec::SmallVec;

use crate::command::{Command, Flags, Keys};
use crate::parse::is;

/// How keys are used, for each specification of a command in turn, and the commands of which that is true. Redis's words:
/// what happens to the key (read only, overwritten, removed, read and written), then to its value.
///
/// A command that is not listed reads; one of an extension does what its flags say.
const USES: &[(&[&str], &str)] = &[
    (
        &["RO"],
        "exists hexists hlen hstrlen llen memory|usage object|encoding object|freq object|idletime object|refcount scard sismember \
         strlen touch type watch zcard",
    ),
    (&["RM delete"], "del unlink"),
    (&["OW insert"], "msetnx setnx"),
    (&["OW update"], "mset psetex restore restore-asking setex"),
    (&["RW insert"], "append hsetnx linsert lpush lpushx rpush rpushx sadd"),
    (&["RW update"], "expire expireat hmset hset lset persist pexpire pexpireat setrange zadd"),
    (&["RW delete"], "hdel lrem ltrim srem zrem zremrangebylex zremrangebyrank zremrangebyscore"),
    (&["RW access delete"], "getdel lmpop lpop rpop spop zmpop zpopmax zpopmin"),
    (
        &["RW access update"],
        "decr decrby getex getset hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby",
    ),
    (&["RW access update variable_flags"], "bitfield set"),
    (&["RO access", "OW update"], "copy"),
    (&["RW access delete", "OW update"], "rename"),
    (&["RW access delete", "OW insert"], "renamenx"),
    (&["RW access delete", "RW insert"], "lmove rpoplpush smove"),
    (&["RW update", "RO access"], "sinterstore"),
    (&["OW update", "RO access"], "bitop sdiffstore sunionstore zdiffstore zinterstore zrangestore zunionstore"),
];

/// Keys of a request that are used alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The argument where the search for them begins; the command's name is argument 0.
    pub index: usize,
    /// Where they stand from there.
    pub find: FindKeys,
    uses: &'static str,
}

/// Where keys stand, seen from where their search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// From there on.
    Range {
        /// How far it is to the last one; negative: where it stands, counted from the end.
        last: isize,
        /// The distance from key to key.
        step: usize,
    },
    /// An argument there says how many follow.
    Keynum,
    /// Made of patterns and of what a key holds: no one knows them from the request.
    Patterns,
    /// Behind the last option `STORE`, wherever that stands.
    Store,
}

/// The numbers of the arguments that are keys.
pub type Positions = SmallVec<[usize; 8]>;

/// The key specifications of a command.
pub fn key_specs(command: &Command) -> SmallVec<[KeySpec; 3]> {
    let listed = USES.iter().find(|(_, commands)| commands.split(' ').any(|name| name == command.name));
    let unlisted: &[_] =
        if command.flags.has(Flags::MODULE) && command.is_write() { &["RW access update"] } else { &["RO access"] };
    let uses = listed.map_or(unlisted, |(uses, _)| uses);
    let one_key = |index| KeySpec { index, find: FindKeys::Range { last: 0, step: 1 }, uses: uses[0] };
    let others = |index, find| KeySpec { index, find, uses: uses[uses.len() - 1] };
    match command.keys {
        Keys::None => SmallVec::new(),
        Keys::Range { first, last, step } => {
            // The first key apart, if it is used otherwise than the rest.
            let apart = (uses.len() > 1).then(|| one_key(first.into()));
            let first = first + u8::from(apart.is_some());
            let last = if last < 0 { isize::from(last) } else { isize::from(last) - isize::from(first) };
            apart.into_iter().chain([others(first.into(), FindKeys::Range { last, step: step.into() })]).collect()
        }
        Keys::Numkeys { count_at, destination } => {
            let destination = destination.then(|| one_key(1));
            destination.into_iter().chain([others(count_at.into(), FindKeys::Keynum)]).collect()
        }
        Keys::Sort { stores } => {
            let unknown = |find, uses| KeySpec { index: 2, find, uses };
            let store = stores.then(|| unknown(FindKeys::Store, "OW update"));
            [one_key(1), unknown(FindKeys::Patterns, "RO access")].into_iter().chain(store).collect()
        }
    }
}

impl KeySpec {
    /// How the keys are used, in Redis's words.
    pub fn uses(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.uses.split(' ')
    }

    /// Likewise, by a request that is known.
    pub fn uses_in(&self, args: Args<'_>, skip: usize) -> impl Iterator<Item = &'static str> + Clone {
        let varies = self.uses().any(|word| word == "variable_flags");
        let uses = match args.get(skip) {
            Some(name) if varies && is(name, "SET") => uses_of_set(args.from(skip + 3)),
            Some(name) if varies && is(name, "BITFIELD") => uses_of_bitfield(args.from(skip + 2)),
            _ => self.uses,
        };
        uses.split(' ')
    }

    /// Finds the keys in a request that fits the command's arity; `None` if a count of keys among its arguments is wrong.
    /// The request begins at argument `skip`, 0 unless it stands within another; so do the positions.
    pub fn positions(&self, args: Args<'_>, skip: usize) -> Option<Positions> {
        let argc = args.len().checked_sub(skip)?;
        let (first, end, step) = match self.find {
            FindKeys::Range { last, step } => {
                let seen_from = if last < 0 { argc } else { self.index };
                (self.index, seen_from.checked_add_signed(last + 1)?, step)
            }
            FindKeys::Patterns => return Some(Positions::new()),
            FindKeys::Store => return Some(store_position(args, skip, self.index).into_iter().collect()),
            FindKeys::Keynum => {
                let count = usize::try_from(parse_i64(args.get(skip + self.index)?)?).ok()?;
                (self.index + 1, count.checked_add(self.index + 1)?, 1)
            }
        };
        (first < end && end <= argc).then(|| (first..end).step_by(step).collect())
    }
}

/// Where the key stands that SORT stores to, if it does. Source: sortGetKeys of Redis.
fn store_position(args: Args<'_>, skip: usize, first: usize) -> Option<usize> {
    let (argc, mut at, mut found) = (args.len() - skip, first, None);
    while at < argc {
        let option = args.at(skip + at);
        match option {
            _ if is(option, "LIMIT") => at += 2,
            _ if is(option, "GET") || is(option, "BY") => at += 1,
            _ if is(option, "STORE") && at + 1 < argc => found = Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    found
}

/// With GET, SET reads what it overwrites.
fn uses_of_set<'a>(mut options: impl Iterator<Item = &'a [u8]>) -> &'static str {
    if options.any(|arg| is(arg, "GET")) { "RW access update" } else { "OW update" }
}

/// BITFIELD only reads if all that is asked of it is GET. Source: bitfieldGetKeys of Redis.
fn uses_of_bitfield<'a>(mut operations: impl ExactSizeIterator<Item = &'a [u8]>) -> &'static str {
    while let Some(word) = operations.next() {
        let arguments = match word {
            _ if is(word, "GET") => 2,
            _ if is(word, "OVERFLOW") => 1,
            _ => return "RW access update",
        };
        if operations.len() < arguments {
            return "RW access update";
        }
        operations.by_ref().take(arguments).for_each(drop);
    }
    "RO access"
}
