//! The table of all commands, and how a request finds its row.
//!
//! The rows stand with their handlers; here they are joined at compile time and indexed by a hash of the name that
//! folds case, so that a look-up hashes the name once, compares once as a rule, and allocates nothing. Subcommands are
//! rows of their own under the name `parent|sub`.

use resp_codec::{Args, Reply};

use crate::command::{Command, Docs, Flags, Row};

/// Every module's rows. A new module adds its rows here and nowhere else.
const GROUPS: &[&[Row]] = &[
    crate::strings::ROWS,
    crate::bitmaps::ROWS,
    crate::keys::ROWS,
    crate::lists::ROWS,
    crate::sets::ROWS,
    crate::hashes::ROWS,
    crate::zsets::ROWS,
    crate::sort::ROWS,
    crate::server::ROWS,
    crate::engine_ops::ROWS,
];

const COUNT: usize = {
    let (mut n, mut group) = (0, 0);
    while group < GROUPS.len() {
        n += GROUPS[group].len();
        group += 1;
    }
    n
};

/// Slots of the index: a power of two, at least four times the rows, so that probes are short.
const SLOTS: usize = 2048;
const _: () = assert!(COUNT * 4 <= SLOTS, "the index of command names is too full: double SLOTS");

/// All commands and subcommands.
pub static TABLE: [Command; COUNT] = {
    let (rows, mut out, mut n) = (joined(), [GROUPS[0][0].command; COUNT], 0);
    while n < COUNT {
        out[n] = rows[n].command;
        out[n].docs = &DOCS[n];
        n += 1;
    }
    out
};

/// What is told about each, by the same numbers.
static DOCS: [Docs; COUNT] = {
    let (rows, mut out, mut n) = (joined(), [GROUPS[0][0].docs; COUNT], 0);
    while n < COUNT {
        out[n] = rows[n].docs;
        n += 1;
    }
    out
};

/// For each slot, the number of a row plus one; 0 is an empty slot.
static INDEX: [u16; SLOTS] = index();

#[expect(clippy::large_stack_arrays, reason = "runs at compile time only")]
const fn joined() -> [Row; COUNT] {
    let mut out = [GROUPS[0][0]; COUNT];
    let (mut n, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            out[n] = GROUPS[group][row];
            assert!(n < u16::MAX as usize, "ids fit 16 bits");
            #[expect(clippy::cast_possible_truncation, reason = "checked in the line above")]
            let id = n as u16;
            out[n].command.id = id;
            n += 1;
            row += 1;
        }
        group += 1;
    }
    out
}

const fn index() -> [u16; SLOTS] {
    let rows = joined();
    let mut slots = [0_u16; SLOTS];
    let mut n = 0;
    while n < rows.len() {
        let mut slot = NameHash::new().text(rows[n].command.name.as_bytes()).slot();
        while slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = rows[n].command.id + 1;
        n += 1;
    }
    slots
}

/// FNV-1a over the lower-case name. The names are ours, so nobody can choose colliding ones; a client's own names only
/// cost it a probe.
#[derive(Clone, Copy)]
struct NameHash(u32);

impl NameHash {
    const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte.to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193))
    }

    const fn text(mut self, text: &[u8]) -> Self {
        let mut i = 0;
        while i < text.len() {
            self = self.byte(text[i]);
            i += 1;
        }
        self
    }

    const fn slot(self) -> usize {
        (self.0 ^ (self.0 >> 16)) as usize % SLOTS
    }
}

/// No command has a longer name; longer ones are refused before they are hashed.
pub(crate) const LONGEST_NAME: usize = 32;

/// Finds a command by its name in any case; a subcommand by `parent|sub`.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    probe(NameHash::new().text(name), |row| row.eq_ignore_ascii_case(name))
}

/// Finds a subcommand by its parent's name and its own, without joining them.
pub fn find_subcommand(parent: &Command, sub: &[u8]) -> Option<&'static Command> {
    if sub.len() > LONGEST_NAME {
        return None;
    }
    let hash = NameHash::new().text(parent.name.as_bytes()).byte(b'|').text(sub);
    let at = parent.name.len();
    probe(hash, |row| {
        row.len() > at
            && row[..at] == *parent.name.as_bytes()
            && row[at] == b'|'
            && row[at + 1..].eq_ignore_ascii_case(sub)
    })
}

/// All commands that are no subcommands.
pub fn commands() -> impl Iterator<Item = &'static Command> + Clone {
    TABLE.iter().filter(|command| !command.is_subcommand())
}

/// The subcommands of a command.
pub fn subcommands(parent: &Command) -> impl Iterator<Item = &'static Command> + Clone {
    let name = parent.name;
    TABLE.iter().filter(move |row| row.parent() == Some(name))
}

fn probe(hash: NameHash, is_it: impl Fn(&[u8]) -> bool) -> Option<&'static Command> {
    let mut slot = hash.slot();
    loop {
        let row = &TABLE[INDEX[slot].checked_sub(1)? as usize];
        if is_it(row.name.as_bytes()) {
            return Some(row);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Why a request has no row that could run it.
#[derive(Clone, Copy, Debug)]
pub enum Refusal<'a> {
    /// No command of this name.
    UnknownCommand(Args<'a>),
    /// The command has no subcommand of this name.
    UnknownSubcommand {
        /// The command.
        parent: &'static Command,
        /// The subcommand as sent.
        sent: &'a [u8],
    },
    /// The number of arguments does not fit.
    WrongArity(&'static Command),
}

/// Finds the row that runs a request, subcommands included, and checks the number of arguments. Without extensions: see
/// [`CommandTable`](crate::CommandTable).
///
/// # Errors
/// As Redis, in this order: an unknown command, an unknown subcommand, a wrong number of arguments.
pub fn resolve(args: Args<'_>) -> Result<&'static Command, Refusal<'_>> {
    let mut command = find(args.name()).filter(|found| !found.is_subcommand()).ok_or(Refusal::UnknownCommand(args))?;
    if command.flags.has(Flags::CONTAINER)
        && let Some(sent) = args.get(1)
    {
        command = find_subcommand(command, sent).ok_or(Refusal::UnknownSubcommand { parent: command, sent })?;
    }
    if command.accepts(args.len()) { Ok(command) } else { Err(Refusal::WrongArity(command)) }
}

/// What [`resolve`] finds, of a command that has no subcommands: nearly every request. A refusal is as large as the request's
/// description, and is not carried through here.
#[inline]
pub(crate) fn resolve_plain(args: Args<'_>) -> Option<&'static Command> {
    find(args.name()).filter(|found| {
        let plain = !found.flags.has(Flags::CONTAINER) && !found.is_subcommand();
        plain && found.accepts(args.len())
    })
}

impl Refusal<'_> {
    /// Appends the error reply, in Redis's words.
    pub fn reply(&self, reply: &mut Reply<'_>) {
        let mut text = Vec::new();
        match self {
            Self::UnknownCommand(args) => unknown_command(&mut text, args),
            Self::UnknownSubcommand { parent, sent } => {
                text.extend_from_slice(b"unknown subcommand '");
                text.extend_from_slice(&sent[..sent.len().min(QUOTED_BYTES)]);
                text.extend_from_slice(b"'. Try ");
                text.extend_from_slice(parent.name.to_ascii_uppercase().as_bytes());
                text.extend_from_slice(b" HELP.");
            }
            Self::WrongArity(command) => {
                text.extend_from_slice(b"wrong number of arguments for '");
                text.extend_from_slice(command.name.as_bytes());
                text.extend_from_slice(b"' command");
            }
        }
        reply.err_bytes(&text);
    }
}

/// How much of a client's bytes an error quotes. Source: `rejectCommand` and friends of Redis 7.2.
const QUOTED_BYTES: usize = 128;

fn unknown_command(text: &mut Vec<u8>, args: &Args<'_>) {
    let name = args.name();
    text.extend_from_slice(b"unknown command '");
    text.extend_from_slice(&name[..name.len().min(QUOTED_BYTES)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let quoted_from = text.len();
    for arg in args.from(1) {
        let used = text.len() - quoted_from;
        if used >= QUOTED_BYTES {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(&arg[..arg.len().min(QUOTED_BYTES - used)]);
        text.extend_from_slice(b"' ");
    }
}

#[cfg(test)]
mod tests;
