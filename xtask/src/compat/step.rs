//! One request of a sequence, and how it is printed.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use commands::Command;
use commands::command::Keys;

/// A request, with the command that it was drawn for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The row of its command, or subcommand.
    pub(super) command: &'static Command,
    /// Its words, the name included.
    pub(super) argv: Vec<Vec<u8>>,
}

/// A request of one of the clients.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Who sends it.
    pub(super) client: usize,
    /// What is sent.
    pub(super) request: Request,
}

impl Request {
    /// A request as it stands.
    pub(super) fn of<A: AsRef<[u8]>>(words: &[A]) -> Self {
        let argv = words.iter().map(|word| word.as_ref().to_vec()).collect();
        Self::named(argv).expect("a request of ours names a command")
    }

    /// A request from its words, if they name a command.
    fn named(argv: Vec<Vec<u8>>) -> Option<Self> {
        let command = commands::find(argv.first()?)?;
        let sub = argv.get(1).and_then(|sub| commands::table::find_subcommand(command, sub));
        Some(Self { command: sub.unwrap_or(command), argv })
    }

    /// Reads a line as it is printed: blanks separate words, double quotes hold any bytes, escaped.
    ///
    /// # Errors
    /// If a quote is not closed, an escape is none, or no command has the name.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let mut argv = Vec::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let (word, behind) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let end = closing_quote(quoted).context("a quote that is not closed")?;
                    (unescape(&quoted[..end])?, &quoted[end + 1..])
                }
                None => {
                    let end = rest.find(' ').unwrap_or(rest.len());
                    (rest.as_bytes()[..end].to_vec(), &rest[end..])
                }
            };
            argv.push(word);
            rest = behind.trim_start();
        }
        Self::named(argv).context("no command of ours")
    }

    /// The key that it names first.
    pub(super) fn first_key(&self) -> Option<&[u8]> {
        let at = match self.command.keys {
            Keys::None => return None,
            Keys::Range { first, .. } => usize::from(first),
            Keys::Numkeys { destination: true, .. } | Keys::Sort { .. } => 1,
            Keys::Numkeys { count_at, .. } => usize::from(count_at) + 1,
        };
        self.argv.get(at).map(Vec::as_slice)
    }

    /// Whether one of its words is this one, in any case.
    pub(super) fn has_word(&self, wanted: &str) -> bool {
        self.argv.iter().any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
    }

    /// The word at a position, if it is there.
    pub(super) fn word(&self, at: usize) -> &[u8] {
        self.argv.get(at).map_or(&[], Vec::as_slice)
    }
}

/// Where the quote ends that was opened.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// The bytes that were escaped as Rust escapes them.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(literal @ (b'"' | b'\'' | b'\\')) => literal,
            Some(b'x') => {
                let digits = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).context("two hexadecimal digits")?
            }
            _ => bail!("an escape that is none"),
        });
    }
    Ok(bytes)
}

/// The words as redis-cli takes them.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.argv.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            let plain = !word.is_empty() && word.iter().all(|b| b.is_ascii_graphic() && !b"\"'\\".contains(b));
            if plain {
                f.write_str(&String::from_utf8_lossy(word))?;
            } else {
                write!(f, "\"{}\"", word.escape_ascii())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.client > 0 {
            write!(f, "[client {}] ", self.client + 1)?;
        }
        self.request.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_printed() {
        let request = Request::of(&[b"SET".as_slice(), b"", b"a \"\\\0\xff\r\n\t'", b"plain"]);
        assert_eq!(Request::parse(&request.to_string()).unwrap().argv, request.argv);
    }

    #[test]
    fn a_line_that_is_no_request_is_refused() {
        for line in ["", "NOSUCHCOMMAND a", "GET \"a", "GET \"\\q\""] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_row_of_a_subcommand_is_found() {
        assert_eq!(Request::of(&["object", "ENCODING", "k"]).command.name, "object|encoding");
    }
}
