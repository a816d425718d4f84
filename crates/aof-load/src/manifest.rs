//! The manifest of a log in several files, as Redis 7 and Valkey keep it: which files there are, and in which order they are read.
//! Text comes in, names come out; no I/O.
//!
//! One line a file: `file <name> seq <n> type <b|h|i>`, in any order, with further pairs of a key and a value allowed behind or
//! between them, which are not looked at (later versions have such: `startoffset`, `endoffset`). A line that starts with `#` is a
//! comment. Words are quoted as in a configuration file. Stricter than Redis where a mistake would cost data or reach out of the
//! directory: a number is digits, a type is one letter, nothing is named twice.
//!
//! Invariant: every name is a single component of a path.
//!
//! Source: `aofLoadManifestFromFile` of Redis 7.2 (semantics).

use std::collections::HashSet;
use std::fmt;

use resp_codec::inline;

/// The longest line, its line end included. Source: `MANIFEST_MAX_LINE` of Redis 7.2.
const MAX_LINE_BYTES: usize = 1024;

/// The largest manifest: some twenty thousand files.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// The most that an error shows of a line, in bytes.
const SHOWN_BYTES: usize = 128;

/// One file of a log in several files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the directory of the manifest.
    pub name: String,
    /// Its number, from 1; of incremental files always larger than that of the one before.
    pub sequence: u64,
}

/// What a manifest names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The dataset as the last rewrite found it, in commands or in RDB format. Read first.
    pub base: Option<Part>,
    /// The commands since, in the order in which they are read.
    pub incremental: Vec<Part>,
    /// Files that a rewrite has replaced and that were not removed yet. Not read.
    pub history: Vec<Part>,
}

/// A manifest that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{flaw}{}", place(*line), shown(text))]
pub struct ManifestError {
    /// The line, from 1; 0 where no one line is wrong.
    pub line: usize,
    /// The line's first bytes, escaped; empty where no one line is wrong.
    pub text: String,
    /// What is wrong.
    pub flaw: ManifestFlaw,
}

/// What is wrong with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestFlaw {
    /// It has no line.
    #[error("the manifest is empty")]
    Empty,
    /// It has lines, but names neither a base nor an incremental file.
    #[error("the manifest names no file to read")]
    NothingToRead,
    /// It is larger than any manifest should be.
    #[error("the manifest is larger than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge,
    /// A line is too long.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    LongLine,
    /// The last line has no end: the rest of it may be missing.
    #[error("the line has no end, so a part of the manifest may be missing")]
    NoLineEnd,
    /// Neither a comment nor pairs of a key and a value with all of `file`, `seq` and `type` once.
    #[error("expected 'file <name> seq <number> type <b|h|i>'")]
    NotAFile,
    /// A name that may lead elsewhere.
    #[error("a file's name can't be a path, empty, or other than UTF-8")]
    BadName,
    /// A sequence number that is none.
    #[error("expected a sequence number from 1 to {}", i64::MAX)]
    BadSequence,
    /// A type that is not known.
    #[error("expected the type 'b' (base), 'h' (history) or 'i' (incremental)")]
    BadType,
    /// A second base.
    #[error("there is a base file already")]
    SecondBase,
    /// An incremental file out of order.
    #[error("the sequence number of an incremental file must be larger than {before}, that of the one before")]
    NotGrowing {
        /// The number before.
        before: u64,
    },
    /// A name that stands on another line.
    #[error("the file is named twice")]
    NamedTwice,
}

fn place(line: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}

fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": '{text}'") }
}

/// The role that a line gives its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Base,
    History,
    Incremental,
}

impl Manifest {
    /// Whether a file that starts with these bytes is a manifest: a line of one comes first, annotations aside.
    ///
    /// Source: `fileIsManifest` of redis-check-aof 7.
    #[must_use]
    pub fn starts_with(start: &[u8]) -> bool {
        let mut lines = start.split(|&byte| byte == b'\n').skip_while(|line| line.starts_with(b"#"));
        lines.next().is_some_and(|line| line.starts_with(b"file "))
    }

    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// The first line that cannot be followed. Nothing is guessed: a manifest that is wrong in one line may be wrong in others.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let no_line = |flaw| Err(ManifestError { line: 0, text: String::new(), flaw });
        if text.is_empty() {
            return no_line(ManifestFlaw::Empty);
        }
        if text.len() as u64 > MAX_MANIFEST_BYTES {
            return no_line(ManifestFlaw::TooLarge);
        }
        let mut manifest = Self::default();
        let mut names = HashSet::new();
        for (i, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let taken = manifest.take(line, &mut names);
            taken.map_err(|flaw| ManifestError { line: i + 1, text: escaped(line), flaw })?;
        }
        if manifest.reads().next().is_none() { no_line(ManifestFlaw::NothingToRead) } else { Ok(manifest) }
    }

    /// The files that are read, in order.
    pub fn reads(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.base.iter().chain(&self.incremental)
    }

    fn take(&mut self, line: &[u8], names: &mut HashSet<String>) -> Result<(), ManifestFlaw> {
        if line.len() > MAX_LINE_BYTES {
            return Err(ManifestFlaw::LongLine);
        }
        if line.first() == Some(&b'#') {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return Err(ManifestFlaw::NoLineEnd);
        }
        let (part, role) = part(line)?;
        if !names.insert(part.name.clone()) {
            return Err(ManifestFlaw::NamedTwice);
        }
        match role {
            Role::History => self.history.push(part),
            Role::Base if self.base.is_some() => return Err(ManifestFlaw::SecondBase),
            Role::Base => self.base = Some(part),
            Role::Incremental => {
                let before = self.incremental.last().map_or(0, |last| last.sequence);
                if part.sequence <= before {
                    return Err(ManifestFlaw::NotGrowing { before });
                }
                self.incremental.push(part);
            }
        }
        Ok(())
    }
}

/// The file that a line names, and its role.
fn part(line: &[u8]) -> Result<(Part, Role), ManifestFlaw> {
    let words = match inline::split(line) {
        Some(words) if !line.contains(&0) => words,
        _ => return Err(ManifestFlaw::NotAFile),
    };
    let (mut name, mut sequence, mut role) = (None, None, None);
    let mut pairs = words.chunks_exact(2);
    for pair in &mut pairs {
        let [key, value] = pair else { return Err(ManifestFlaw::NotAFile) };
        let twice = match key.to_ascii_lowercase().as_slice() {
            b"file" => name.replace(file_name(value)?).is_some(),
            b"seq" => sequence.replace(number(value)?).is_some(),
            b"type" => role.replace(role_of(value)?).is_some(),
            _ => false,
        };
        if twice {
            return Err(ManifestFlaw::NotAFile);
        }
    }
    match (name, sequence, role) {
        (Some(name), Some(sequence), Some(role)) if pairs.remainder().is_empty() => Ok((Part { name, sequence }, role)),
        _ => Err(ManifestFlaw::NotAFile),
    }
}

fn file_name(value: &[u8]) -> Result<String, ManifestFlaw> {
    let name = str::from_utf8(value).map_err(|_| ManifestFlaw::BadName)?;
    let leads_elsewhere = name.contains(['/', '\\', '\0']) || matches!(name, "" | "." | "..");
    if leads_elsewhere { Err(ManifestFlaw::BadName) } else { Ok(name.to_owned()) }
}

fn number(value: &[u8]) -> Result<u64, ManifestFlaw> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse().ok());
    number.filter(|n| (1..=i64::MAX.unsigned_abs()).contains(n)).ok_or(ManifestFlaw::BadSequence)
}

fn role_of(value: &[u8]) -> Result<Role, ManifestFlaw> {
    match value {
        b"b" => Ok(Role::Base),
        b"h" => Ok(Role::History),
        b"i" => Ok(Role::Incremental),
        _ => Err(ManifestFlaw::BadType),
    }
}

/// The start of a line for a message.
fn escaped(line: &[u8]) -> String {
    let line = line.trim_ascii_end();
    let text = line[..line.len().min(SHOWN_BYTES)].escape_ascii().to_string();
    if line.len() > SHOWN_BYTES { text + "…" } else { text }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = if self.base.is_some() { "a base file" } else { "no base file" };
        match self.incremental.len() {
            1 => write!(f, "{base} and 1 incremental file"),
            count => write!(f, "{base} and {count} incremental files"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(name: &str, sequence: u64) -> Part {
        Part { name: name.to_owned(), sequence }
    }

    #[track_caller]
    fn check_refused(text: &str, line: usize, flaw: ManifestFlaw) {
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.flaw), (line, flaw), "{}: {error}", text.len());
    }

    #[test]
    fn files_of_every_type_are_read_in_their_order() {
        let text = "# made by hand\nfile a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n\
                    file old seq 7 type h\nfile a.9.incr.aof seq 9 type i\n#";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.base, Some(part("a.1.base.rdb", 1)));
        assert_eq!(manifest.incremental, [part("a.1.incr.aof", 1), part("a.9.incr.aof", 9)]);
        assert_eq!(manifest.history, [part("old", 7)]);
        let read: Vec<&str> = manifest.reads().map(|part| part.name.as_str()).collect();
        assert_eq!(read, ["a.1.base.rdb", "a.1.incr.aof", "a.9.incr.aof"]);
        assert_eq!(manifest.to_string(), "a base file and 2 incremental files");
    }

    #[test]
    fn keys_come_in_any_order_and_case_and_unknown_ones_are_passed_over() {
        let text = "startoffset 100 TYPE i Seq 2 file a endoffset 200\r\n";
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap().incremental, [part("a", 2)]);
    }

    #[test]
    fn names_are_unquoted_as_redis_quotes_them() {
        let text = "file \"a b\\x21\\\"\" seq 1 type b\nfile 'it\\'s' seq 1 type i\n";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!((manifest.base, manifest.incremental), (Some(part("a b!\"", 1)), vec![part("it's", 1)]));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["../a", "/etc/passwd", "a/b", "..", ".", "a\\b", "\"\"", "\"a\\x00\"", "\"\\xff\""] {
            check_refused(&format!("file {name} seq 1 type b\n"), 1, ManifestFlaw::BadName);
        }
    }

    #[test]
    fn a_second_base_a_name_named_twice_and_numbers_that_do_not_grow_are_refused() {
        let base = "file a seq 1 type b\n";
        check_refused(&format!("{base}file b seq 2 type b\n"), 2, ManifestFlaw::SecondBase);
        check_refused(&format!("{base}file a seq 2 type i\n"), 2, ManifestFlaw::NamedTwice);
        check_refused(&format!("{base}file a seq 2 type h\n"), 2, ManifestFlaw::NamedTwice);
        for next in [1, 2] {
            let text = format!("file a seq 2 type i\n#\nfile b seq {next} type i\n");
            check_refused(&text, 3, ManifestFlaw::NotGrowing { before: 2 });
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        check_refused("", 0, ManifestFlaw::Empty);
        check_refused("# nothing\n", 0, ManifestFlaw::NothingToRead);
        check_refused("file a seq 1 type h\n", 0, ManifestFlaw::NothingToRead);
    }

    #[test]
    fn lines_that_are_not_whole_or_not_pairs_are_refused() {
        for text in [
            "\n",
            "file a\n",
            "file a seq 1 type\n",
            "file a seq 1 typ b\n",
            "seq 1 type b x y\n",
            "file \"a seq 1 type b\n",
            "file a file b seq 1 type b\n",
            "file a seq 1 seq 1 type b\n",
            "file a seq 1 type b type b\n",
            "file a seq 1 type b\0\n",
            "file a seq 1 type b x\n",
        ] {
            check_refused(text, 1, ManifestFlaw::NotAFile);
        }
        for number in ["0", "-1", "+1", "1a", "\"\"", "9223372036854775808", "99999999999999999999"] {
            check_refused(&format!("file a seq {number} type b\n"), 1, ManifestFlaw::BadSequence);
        }
        for role in ["x", "B", "base", "\"\""] {
            check_refused(&format!("file a seq 1 type {role}\n"), 1, ManifestFlaw::BadType);
        }
        check_refused("file a seq 1 type b", 1, ManifestFlaw::NoLineEnd);
    }

    #[test]
    fn lines_and_the_whole_are_bounded() {
        let line = |len: usize| format!("file {} seq 1 type b\n", "a".repeat(len));
        let room = MAX_LINE_BYTES - line(0).len();
        assert!(Manifest::parse(line(room).as_bytes()).is_ok());
        check_refused(&line(room + 1), 1, ManifestFlaw::LongLine);
        check_refused(&"#\n".repeat(1 << 19), 0, ManifestFlaw::NothingToRead);
        check_refused(&"#\n".repeat((1 << 19) + 1), 0, ManifestFlaw::TooLarge);
    }

    #[test]
    fn an_error_names_the_line_and_shows_its_start() {
        let error = Manifest::parse(b"file a seq 1 type b\nfile b\x07 seq 0 type i\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: expected a sequence number from 1 to 9223372036854775807: 'file b\\x07 seq 0 type i'"
        );
        let error = Manifest::parse(b"").unwrap_err();
        assert_eq!(error.to_string(), "the manifest is empty");
    }

    /// A name as a server may have been told to use, quoted as it quotes such names.
    fn any_name() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9 .\"'#é\n-]{1,20}".prop_filter("leads elsewhere", |name| name != "." && name != "..")
    }

    fn quoted(name: &str) -> String {
        let escaped: String = name
            .bytes()
            .map(|byte| match byte {
                b'"' | b'\\' => format!("\\{}", char::from(byte)),
                b' '..=b'~' => char::from(byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            })
            .collect();
        format!("\"{escaped}\"")
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_read_back(
            names in prop::collection::hash_set(any_name(), 1..12), steps in prop::collection::vec(1..1000_u64, 12),
            with_base in any::<bool>(), histories in 0..3_usize, more in "[a-z]{0,8}",
        ) {
            let mut parts = names.into_iter().zip(steps).scan(0, |at, (name, step)| {
                *at += step;
                Some(Part { name, sequence: *at })
            });
            let base = if with_base { parts.next() } else { None };
            let history: Vec<Part> = parts.by_ref().take(histories).collect();
            let incremental: Vec<Part> = parts.collect();
            let line = |part: &Part, role: char| {
                let more = if more.is_empty() { String::new() } else { format!(" {more}x 1") };
                format!("file {} seq {} type {role}{more}\n", quoted(&part.name), part.sequence)
            };
            let text: String = base.iter().map(|part| line(part, 'b'))
                .chain(history.iter().map(|part| line(part, 'h')))
                .chain(incremental.iter().map(|part| line(part, 'i')))
                .collect();
            let nothing = base.is_none() && incremental.is_empty();
            let expected = Manifest { base, incremental, history };
            match Manifest::parse(text.as_bytes()) {
                Ok(manifest) => prop_assert_eq!(manifest, expected),
                Err(error) => prop_assert!(nothing && error.flaw == ManifestFlaw::NothingToRead, "{}", error),
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_and_every_name_stays_in_the_directory(
            lines in prop::collection::vec(prop_oneof![
                "(file|seq|type|b|i|h|[0-9]{1,3}|a/b|\\.\\.|[\"'\\\\x# ]){0,12}",
                "file [a-c./]{1,3} seq [0-9]{1,2} type [bhi]",
            ], 0..6),
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut bytes = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            for (at, byte) in noise {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            if let Ok(manifest) = Manifest::parse(&bytes) {
                let plain = |part: &Part| !part.name.contains('/') && !part.name.is_empty() && part.name != "..";
                prop_assert!(manifest.reads().chain(&manifest.history).all(plain));
                prop_assert!(manifest.incremental.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
            }
        }
    }
}
