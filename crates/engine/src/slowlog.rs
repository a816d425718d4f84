//! The slow log: the last commands that took longer than `slowlog-log-slower-than`, with their arguments.
//!
//! Memory is bounded: `slowlog-max-len` entries of at most 32 arguments of at most 128 bytes each, and as much of the client's
//! name. Passwords never get here.

use std::collections::VecDeque;

use resp_codec::Args;

/// Arguments kept of one command, and bytes kept of one argument.
/// Source: SLOWLOG_ENTRY_MAX_ARGC and SLOWLOG_ENTRY_MAX_STRING of Redis.
const MAX_ARGUMENTS: usize = 32;
const MAX_ARGUMENT_BYTES: usize = 128;

/// One slow command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Grows by one from entry to entry, for as long as the server runs.
    pub(crate) id: u64,
    /// When it ran, in seconds since the epoch.
    pub(crate) unix_s: i64,
    /// How long it took, in microseconds.
    pub(crate) took_us: u64,
    /// Its arguments, the name included, shortened.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// Where its client comes from.
    pub(crate) addr: String,
    /// CLIENT SETNAME of its client, shortened.
    pub(crate) client_name: Vec<u8>,
}

/// The slow commands, the newest first.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl SlowLog {
    /// Notes a command; `entry`'s id is set here. Keeps at most `max_len` entries.
    pub(crate) fn push(&mut self, entry: Entry, max_len: usize) {
        self.entries.push_front(Entry { id: self.next_id, ..entry });
        self.next_id += 1;
        self.keep(max_len);
    }

    /// Keeps at most `max_len` entries from now on, the newest.
    pub(crate) fn keep(&mut self, max_len: usize) {
        self.entries.truncate(max_len);
    }

    /// The newest entries first.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all entries; their numbers are not used again.
    pub(crate) fn reset(&mut self) {
        self.entries = VecDeque::new();
    }
}

/// The arguments as the slow log keeps them.
pub(crate) fn kept_arguments(args: Args<'_>) -> Vec<Vec<u8>> {
    let whole = if args.len() > MAX_ARGUMENTS { MAX_ARGUMENTS - 1 } else { args.len() };
    let shorten = |(i, argument): (usize, &[u8])| {
        if is_secret(args, i) { b"(redacted)".to_vec() } else { shortened(argument) }
    };
    let mut kept: Vec<Vec<u8>> = args.from(0).take(whole).enumerate().map(shorten).collect();
    if whole < args.len() {
        kept.push(format!("... ({} more arguments)", args.len() - whole).into_bytes());
    }
    kept
}

/// An argument or a name as the slow log keeps it.
pub(crate) fn shortened(argument: &[u8]) -> Vec<u8> {
    let mut kept = argument[..argument.len().min(MAX_ARGUMENT_BYTES)].to_vec();
    if argument.len() > MAX_ARGUMENT_BYTES {
        kept.extend_from_slice(format!("... ({} more bytes)", argument.len() - MAX_ARGUMENT_BYTES).as_bytes());
    }
    kept
}

/// Whether the argument is a password, or a user's name beside one. Source: redactClientCommandArgument of Redis.
fn is_secret(args: Args<'_>, i: usize) -> bool {
    const SECRET_DIRECTIVES: [&[u8]; 5] =
        [b"requirepass", b"masterauth", b"masteruser", b"tls-key-file-pass", b"tls-client-key-file-pass"];
    let is = |at: usize, name: &[u8]| args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(name));
    let back = |distance: usize, name: &[u8]| i.checked_sub(distance).is_some_and(|at| is(at, name));
    if is(0, b"auth") {
        return i > 0;
    }
    if is(0, b"hello") {
        return i > 2 && (back(1, b"auth") || back(2, b"auth"));
    }
    is(0, b"config") && is(1, b"set") && i > 2 && SECRET_DIRECTIVES.iter().any(|name| back(1, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(words: &[&[u8]]) -> Vec<String> {
        let mut bytes = Vec::new();
        resp_codec::encode_command(&mut bytes, words.iter().copied());
        let mut decoder = resp_codec::RequestDecoder::new(resp_codec::Limits::default());
        decoder.decode(&bytes).unwrap();
        kept_arguments(decoder.args(&bytes)).iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    #[test]
    fn long_arguments_and_many_are_shortened() {
        let long = [b'x'; 130];
        let kept_long = kept(&[b"SET", b"k", &long]);
        assert_eq!(kept_long[2], "x".repeat(128) + "... (2 more bytes)");
        let many: Vec<&[u8]> = std::iter::repeat_n(&b"a"[..], 40).collect();
        let kept_many = kept(&many);
        assert_eq!((kept_many.len(), kept_many[31].as_str()), (32, "... (9 more arguments)"));
        assert_eq!(kept(&many[..32]).len(), 32);
    }

    #[test]
    fn passwords_are_never_kept() {
        assert_eq!(kept(&[b"AUTH", b"u", b"p"]), ["AUTH", "(redacted)", "(redacted)"]);
        let hello = kept(&[b"hello", b"3", b"AUTH", b"u", b"p", b"SETNAME", b"n"]);
        assert_eq!(hello, ["hello", "3", "AUTH", "(redacted)", "(redacted)", "SETNAME", "n"]);
        let config = kept(&[b"CONFIG", b"SET", b"hz", b"10", b"requirePass", b"p"]);
        assert_eq!(config, ["CONFIG", "SET", "hz", "10", "requirePass", "(redacted)"]);
        let tls = kept(&[b"CONFIG", b"SET", b"tls-client-key-file-pass", b"p"]);
        assert_eq!(tls, ["CONFIG", "SET", "tls-client-key-file-pass", "(redacted)"]);
    }

    #[test]
    fn the_oldest_entries_leave_and_numbers_go_on() {
        let mut log = SlowLog::default();
        let entry = |took_us| Entry {
            id: 0,
            unix_s: 0,
            took_us,
            arguments: Vec::new(),
            addr: String::new(),
            client_name: Vec::new(),
        };
        (0..5).for_each(|took_us| log.push(entry(took_us), 2));
        let ids: Vec<_> = log.entries().map(|e| (e.id, e.took_us)).collect();
        assert_eq!(ids, [(4, 4), (3, 3)]);
        log.reset();
        log.push(entry(9), 2);
        assert_eq!(log.entries().map(|e| e.id).collect::<Vec<_>>(), [5]);
    }
}
