//! One request of a sequence, and how it is printed.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use commands::Command;
use commands::command::Keys;
use resp_codec::inline;

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

    /// Reads a line as it is printed.
    ///
    /// # Errors
    /// If it is not how a request is printed, or no command has the name.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let argv = inline::split(line.as_bytes()).context("a quote that is not closed")?;
        let request = Self::named(argv).context("no command of ours")?;
        ensure!(request.to_string() == line, "it is printed otherwise: {request}");
        Ok(request)
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
