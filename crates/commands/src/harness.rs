//! Tests run commands through here: a small server without sockets, and transcripts of what it says.
//!
//! ```text
//! check(r#"
//!     > SET a 1 EX 10
//!     +OK
//!     ~ SET a 1 PXAT 1010000
//!     > GET a
//!     "1"
//! "#);
//! ```
//! A line `> …` is a command (quotes and `\xHH` as in redis-cli), the next line its reply, each `~ …` an effect (`~n …`
//! in database n ≠ 0). Directives: `> @at 5000` sets the clock (it starts at 1,000,000 ms), `> @db 1` selects,
//! `> @resp 3`, `> @replay on`, `> @keep_expired on`, `> @max_string 10`, `> @compact 3` (so many elements a collection may
//! have in its compact forms), `> @intset 3` (a set of integers alone); they have no output. Lines that are empty or start
//! with `#` are copied. The transcript is compared as a whole, without blanks around lines, so a failure shows all of it.

use std::fmt::Write as _;

use keyspace::{HashSeed, Keyspace, Thresholds, UnixMs};
use resp_codec::args::ArgSpan;
use resp_codec::{Args, Effects, Protocol, Reply};

use crate::{CommandLimits, Ctx, Garbage, KeyLog, Run, Store, execute, resolve};

/// A keyspace with a client in a database at a time.
pub(crate) struct Bench {
    pub(crate) keyspace: Keyspace,
    pub(crate) db: u32,
    pub(crate) now: UnixMs,
    pub(crate) replay: bool,
    pub(crate) keep_expired: bool,
    pub(crate) protocol: Protocol,
    pub(crate) limits: CommandLimits,
    pub(crate) rng: fastrand::Rng,
    pub(crate) keys: KeyLog,
    pub(crate) trash: Vec<Garbage>,
    effects: Effects,
}

/// What one command did.
pub(crate) struct Outcome {
    /// The reply's bytes.
    pub(crate) reply: Vec<u8>,
    /// Each effect with its database, encoded as in the log.
    pub(crate) effects: Vec<(u32, Vec<u8>)>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            keyspace: Keyspace::new(16, HashSeed([7; 16])),
            db: 0,
            now: UnixMs(1_000_000),
            replay: false,
            keep_expired: false,
            protocol: Protocol::Resp2,
            limits: CommandLimits::default(),
            rng: fastrand::Rng::with_seed(1),
            keys: KeyLog::default(),
            trash: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// Runs one request, refusals included. `keys` and `trash` show what it touched until the next one.
    pub(crate) fn run(&mut self, words: &[Vec<u8>]) -> Outcome {
        let (bytes, spans) = encode(words);
        let args = Args::new(&bytes, &spans, true);
        let mut reply = Vec::new();
        self.effects.clear();
        self.keys.clear();
        self.trash.clear();
        self.keyspace.set_clock(self.now.into());
        match resolve(args) {
            Err(refusal) => refusal.reply(&mut Reply::new(&mut reply, self.protocol)),
            Ok(command) if matches!(command.run, Run::Engine(_)) => {
                panic!("{} is the engine's", command.name)
            }
            Ok(command) => {
                let mut ctx = Ctx {
                    store: Store {
                        keyspace: &mut self.keyspace,
                        db: self.db,
                        now: self.now,
                        effects: &mut self.effects,
                        keys: &mut self.keys,
                        trash: &mut self.trash,
                        replay: self.replay,
                        keep_expired: self.keep_expired,
                    },
                    reply: Reply::new(&mut reply, self.protocol),
                    rng: &mut self.rng,
                    limits: &self.limits,
                    table: crate::CommandTable::default(),
                };
                execute(command, &mut ctx, args);
            }
        }
        let mut effects = Vec::new();
        self.effects.for_each(&args, |effect| effects.push((effect.db, effect.command.to_vec())));
        Outcome { reply, effects }
    }

    /// Runs a line as in a transcript; returns the lines that follow it there.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let words = words(line);
        if let Some(directive) = words[0].strip_prefix(b"@") {
            self.directive(&String::from_utf8_lossy(directive), &String::from_utf8_lossy(&words[1]));
            return String::new();
        }
        let outcome = self.run(&words);
        let mut out = String::new();
        let mut rest = &outcome.reply[..];
        show_reply(&mut out, &mut rest);
        assert!(rest.is_empty(), "{line}: one reply, well-formed, but {:?}", outcome.reply.escape_ascii().to_string());
        for (db, command) in &outcome.effects {
            let db = if *db == 0 { String::new() } else { db.to_string() };
            write!(out, "\n~{db}").unwrap();
            for word in decode(command) {
                out.push(' ');
                show_word(&mut out, &word);
            }
        }
        out
    }

    fn directive(&mut self, name: &str, value: &str) {
        match name {
            "at" => self.now = UnixMs(value.parse().unwrap()),
            "db" => self.db = value.parse().unwrap(),
            "resp" => self.protocol = Protocol::from_version(value.parse().unwrap()).unwrap(),
            "replay" => self.replay = value == "on",
            "keep_expired" => self.keep_expired = value == "on",
            "compact" => {
                let entries = value.parse().unwrap();
                self.limits.thresholds = Thresholds {
                    list_max_listpack_size: i32::try_from(entries).unwrap(),
                    set_max_intset_entries: entries,
                    set_max_listpack_entries: entries,
                    hash_max_listpack_entries: entries,
                    zset_max_listpack_entries: entries,
                    ..Thresholds::default()
                };
            }
            "intset" => self.limits.thresholds.set_max_intset_entries = value.parse().unwrap(),
            "max_string" => self.limits.max_string_bytes = value.parse().unwrap(),
            other => panic!("no directive @{other}"),
        }
    }
}

/// Runs the commands of a transcript and compares the whole with what they say.
#[track_caller]
pub(crate) fn check(transcript: &str) {
    let mut bench = Bench::new();
    let (mut expected, mut actual) = (String::new(), String::new());
    for line in transcript.lines().map(str::trim) {
        writeln!(expected, "{line}").unwrap();
        if let Some(command) = line.strip_prefix("> ") {
            writeln!(actual, "{line}").unwrap();
            let output = bench.line(command);
            for line in output.lines() {
                writeln!(actual, "{}", line.trim_end()).unwrap();
            }
        } else if line.is_empty() || line.starts_with('#') {
            writeln!(actual, "{line}").unwrap();
        }
    }
    assert!(expected == actual, "expected:\n{expected}\nactual:\n{actual}");
}

/// The arguments as one canonical request.
fn encode(words: &[Vec<u8>]) -> (Vec<u8>, Vec<ArgSpan>) {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    let mut spans = Vec::new();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        let start = u32::try_from(bytes.len()).unwrap();
        bytes.extend_from_slice(word);
        spans.push(ArgSpan { start, end: u32::try_from(bytes.len()).unwrap() });
        bytes.extend_from_slice(b"\r\n");
    }
    (bytes, spans)
}

/// The arguments of one encoded effect.
pub(crate) fn decode(command: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = command;
    let count: usize = header(&mut rest, b'*').parse().unwrap();
    let words = (0..count).map(|_| {
        let len: usize = header(&mut rest, b'$').parse().unwrap();
        let word = rest[..len].to_vec();
        rest = &rest[len + 2..];
        word
    });
    let words = words.collect();
    assert!(rest.is_empty());
    words
}

fn header<'a>(rest: &mut &'a [u8], kind: u8) -> &'a str {
    assert_eq!(rest[0], kind);
    header_text(rest)
}

fn header_text<'a>(rest: &mut &'a [u8]) -> &'a str {
    let end = rest.windows(2).position(|w| w == b"\r\n").expect("a line ends");
    let text = &rest[1..end];
    *rest = &rest[end + 2..];
    std::str::from_utf8(text).unwrap()
}

/// Splits a line into words: blanks separate, double quotes group, `\xHH`, `\n`, `\r`, `\"` and `\\` inside quotes.
pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut chars = line.trim().bytes().peekable();
    while let Some(first) = chars.next() {
        match first {
            b' ' => {}
            b'"' => {
                let mut word = Vec::new();
                loop {
                    match chars.next().expect("a closing quote") {
                        b'"' => break,
                        b'\\' => word.push(match chars.next().unwrap() {
                            b'n' => b'\n',
                            b'r' => b'\r',
                            b'x' => {
                                let digits = [chars.next().unwrap(), chars.next().unwrap()];
                                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                            }
                            other => other,
                        }),
                        other => word.push(other),
                    }
                }
                words.push(word);
            }
            other => {
                let mut word = vec![other];
                while let Some(byte) = chars.next_if(|byte| *byte != b' ') {
                    word.push(byte);
                }
                words.push(word);
            }
        }
    }
    words
}

fn show_word(out: &mut String, word: &[u8]) {
    if !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"') {
        out.push_str(std::str::from_utf8(word).unwrap());
    } else {
        write!(out, "\"{}\"", word.escape_ascii()).unwrap();
    }
}

/// Shows one reply on one line: `+OK`, `-ERR …`, `1`, `"bulk"`, `nil`, `nil[]`, `["a", 1]`, `{"a": 1}`, `~["a"]`,
/// `,1.5`, `#t`. Takes it off `rest`.
pub(crate) fn show_reply(out: &mut String, rest: &mut &[u8]) {
    let kind = rest[0];
    let text = header_text(rest).to_owned();
    match kind {
        b'+' | b'-' | b',' | b'#' | b'(' => write!(out, "{}{text}", kind as char).unwrap(),
        b':' => out.push_str(&text),
        b'_' => out.push_str("nil"),
        b'$' if text == "-1" => out.push_str("nil"),
        b'*' if text == "-1" => out.push_str("nil[]"),
        b'$' | b'=' => {
            let len: usize = text.parse().unwrap();
            write!(out, "\"{}\"", rest[..len].escape_ascii()).unwrap();
            assert_eq!(&rest[len..len + 2], b"\r\n");
            *rest = &rest[len + 2..];
        }
        b'*' | b'~' | b'>' => {
            if kind != b'*' {
                out.push(kind as char);
            }
            show_items(out, rest, text.parse().unwrap(), ("[", "]"), show_reply);
        }
        b'%' => show_items(out, rest, text.parse().unwrap(), ("{", "}"), |out, rest| {
            show_reply(out, rest);
            out.push_str(": ");
            show_reply(out, rest);
        }),
        other => panic!("no reply starts with {:?}", other as char),
    }
}

fn show_items(
    out: &mut String,
    rest: &mut &[u8],
    count: usize,
    (open, close): (&str, &str),
    mut show: impl FnMut(&mut String, &mut &[u8]),
) {
    out.push_str(open);
    for i in 0..count {
        if i > 0 {
            out.push_str(", ");
        }
        show(out, rest);
    }
    out.push_str(close);
}
