//! What a command takes, from one line of text in the notation of Redis's documentation to a tree of arguments.
//!
//! A row of the table holds the line; COMMAND DOCS shows the tree, and generators of test requests draw from it, so there is
//! one place that says which options a command has. The lines repeat Redis 7.2 to the letter, even where it calls a number
//! an integer (WEIGHTS, ZINCRBY).
//!
//! | notation | meaning |
//! | --- | --- |
//! | `key`, `new-key` | an argument, by name |
//! | `NX` | a word as it stands |
//! | `EX seconds`, `BY (…)` | an argument with a word before it; brackets are named after the word |
//! | `[…]`, `(…)` | may be left out; must be there |
//! | `a \| b` in brackets | one of these |
//! | `x…` written `x...` | once or more; behind brackets that begin with a word, that word is repeated too |
//! | `name:(…)`, `name:[…]`, `name:NX` | names brackets or a word otherwise |
//! | `name:integer` | gives the type of an argument that its name does not tell |
//! | `name:<text>` | is shown as that text |
//! | `name@2` | belongs to that key specification, where it is no key or does not belong to the next one |
//!
//! ```
//! use commands::syntax::{Kind, parse};
//! let set = parse("key value condition:[NX | XX] [GET] expiration:[EX seconds | KEEPTTL]")?;
//! assert_eq!(set[0].kind, Kind::Key);
//! assert!(set[2].optional && matches!(&set[2].kind, Kind::OneOf(choices) if choices.len() == 2));
//! # Ok::<(), commands::syntax::SyntaxError>(())
//! ```

use std::borrow::Cow;

/// One argument, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument<'s> {
    /// Its name in the documentation: unless the line gives one, that of an argument itself, or its word in lower case.
    pub name: Cow<'s, str>,
    /// What a person is shown in its place, where that is not the name.
    pub shown_as: Option<&'s str>,
    /// The number of the key specification it belongs to, where it is no key or does not belong to the next one.
    pub key_spec: Option<u8>,
    /// The word that stands before it.
    pub token: Option<&'s str>,
    /// What it is.
    pub kind: Kind<'s>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// Its word is repeated with it.
    pub multiple_token: bool,
}

/// What an argument is, under Redis's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'s> {
    /// A key's name.
    Key,
    /// Any bytes.
    String,
    /// A 64-bit integer.
    Integer,
    /// A number.
    Double,
    /// A glob pattern, or one for keys.
    Pattern,
    /// Seconds or milliseconds since the epoch.
    UnixTime,
    /// Nothing but its word.
    PureToken,
    /// One of several.
    OneOf(Vec<Argument<'s>>),
    /// Several that belong together.
    Block(Vec<Argument<'s>>),
}

impl Kind<'_> {
    /// The name that COMMAND DOCS replies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf(_) => "oneof",
            Self::Block(_) => "block",
        }
    }

    /// The type of an argument by its name, unless its line says otherwise.
    fn of(name: &str) -> Self {
        match name {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "src" | "dst" => Self::Key,
            "seconds" | "milliseconds" | "timeout" | "increment" | "decrement" | "offset" | "count" | "num-matches"
            | "limit" | "rank" | "len" | "numkeys" | "cursor" | "start" | "stop" | "end" | "index" | "index1"
            | "index2" | "db" | "destination-db" | "weight" | "client-id" | "protover" | "numlocal" | "numreplicas" => {
                Self::Integer
            }
            "score" => Self::Double,
            "pattern" | "by-pattern" | "get-pattern" => Self::Pattern,
            "unix-time-seconds" | "unix-time-milliseconds" => Self::UnixTime,
            _ => Self::String,
        }
    }

    fn named(kind: &str) -> Option<Self> {
        [Self::Key, Self::String, Self::Integer, Self::Double, Self::Pattern, Self::UnixTime]
            .into_iter()
            .find(|known| known.name() == kind)
    }
}

/// A line that does not follow the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct SyntaxError {
    /// Where in the line.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads a line.
///
/// # Errors
/// If it does not follow the notation: a bug of whoever wrote it.
pub fn parse(line: &str) -> Result<Vec<Argument<'_>>, SyntaxError> {
    let mut reader = Reader { line, at: 0 };
    let arguments = reader.sequence()?;
    if reader.at < line.len() { Err(reader.error("a bracket or bar that nothing opened")) } else { Ok(arguments) }
}

/// The least number of words that these arguments are, the most if there is one.
pub fn word_count(arguments: &[Argument<'_>]) -> (usize, Option<usize>) {
    let both = |(least, most): (usize, Option<usize>), (low, high): (usize, Option<usize>)| {
        (least + low, most.zip(high).map(|(most, high)| most + high))
    };
    arguments.iter().map(Argument::word_count).fold((0, Some(0)), both)
}

impl Argument<'_> {
    /// What may be done with it, under Redis's names.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = [(self.optional, "optional"), (self.multiple, "multiple"), (self.multiple_token, "multiple_token")];
        flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name)
    }

    fn word_count(&self) -> (usize, Option<usize>) {
        let (least, most) = self.word_count_once();
        (if self.optional { 0 } else { least }, most.filter(|_| !self.multiple))
    }

    /// Of one that is there, and not repeated.
    fn word_count_once(&self) -> (usize, Option<usize>) {
        let (least, most) = match &self.kind {
            Kind::PureToken => (0, Some(0)),
            Kind::Block(parts) => word_count(parts),
            Kind::OneOf(choices) => {
                // Whichever is chosen is there, even where it is marked as one that may be left out (CLIENT KILL).
                let least = choices.iter().map(|choice| choice.word_count_once().0).min().unwrap_or(0);
                let most: Option<Vec<_>> = choices.iter().map(|choice| choice.word_count().1).collect();
                (least, most.and_then(|most| most.into_iter().max()))
            }
            _ => (1, Some(1)),
        };
        let token = usize::from(self.token.is_some());
        (least + token, most.map(|most| most + token))
    }
}

struct Reader<'s> {
    line: &'s str,
    at: usize,
}

impl<'s> Reader<'s> {
    fn error(&self, what: &'static str) -> SyntaxError {
        SyntaxError { at: self.at, what }
    }

    /// What is left, behind blanks.
    fn rest(&mut self) -> &'s str {
        let rest = self.line[self.at..].trim_start_matches(' ');
        self.at = self.line.len() - rest.len();
        rest
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn word(&mut self) -> &'s str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Arguments up to a bar, a closing bracket or the end.
    fn sequence(&mut self) -> Result<Vec<Argument<'s>>, SyntaxError> {
        let mut arguments = Vec::new();
        while !self.rest().is_empty() && !self.rest().starts_with([']', ')', '|']) {
            arguments.push(self.argument()?);
        }
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Argument<'s>, SyntaxError> {
        let mut argument = match self.rest().as_bytes().first() {
            Some(b'[' | b'(') => self.group()?,
            Some(b'<') => self.shown("")?,
            _ => self.named_or_token()?,
        };
        if self.take("@") {
            argument.key_spec = Some(self.word().parse().map_err(|_| self.error("no number of a key specification"))?);
        }
        if self.take("...") {
            argument.multiple = true;
            argument.multiple_token = argument.token.is_some();
        }
        Ok(argument)
    }

    fn named_or_token(&mut self) -> Result<Argument<'s>, SyntaxError> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.error("neither a word nor a bracket"));
        }
        if is_token(word) {
            return self.after_token(word);
        }
        if self.take(":") { self.named(word) } else { Ok(plain(word, Kind::of(word))) }
    }

    /// What stands behind `name:`.
    fn named(&mut self, name: &'s str) -> Result<Argument<'s>, SyntaxError> {
        if self.rest().starts_with('<') {
            return self.shown(name);
        }
        if self.rest().starts_with(['[', '(']) {
            return Ok(Argument { name: name.into(), ..self.group()? });
        }
        let word = self.word();
        if !word.is_empty() && is_token(word) {
            return Ok(Argument { token: Some(word), ..plain(name, Kind::PureToken) });
        }
        let kind = Kind::named(word).ok_or(self.error("no type of an argument"))?;
        Ok(plain(name, kind))
    }

    /// What a person is shown.
    fn shown(&mut self, name: &'s str) -> Result<Argument<'s>, SyntaxError> {
        self.take("<");
        let (text, _) = self.rest().split_once('>').ok_or(self.error("a bracket that is not closed"))?;
        self.at += text.len() + 1;
        Ok(Argument { shown_as: Some(text), ..plain(name, Kind::of(name)) })
    }

    /// A word as it stands takes what follows it as its argument: a name, or brackets that must be there.
    fn after_token(&mut self, token: &'s str) -> Result<Argument<'s>, SyntaxError> {
        let follows = self.rest().starts_with(|c: char| c == '(' || c == '<' || c.is_ascii_lowercase());
        let mut argument = if follows { self.argument()? } else { plain("", Kind::PureToken) };
        if argument.token.is_some() {
            return Err(self.error("two words before one argument"));
        }
        if argument.name.is_empty() {
            argument.name = token.to_ascii_lowercase().into();
        }
        Ok(Argument { token: Some(token), ..argument })
    }

    fn group(&mut self) -> Result<Argument<'s>, SyntaxError> {
        let optional = self.take("[");
        let closing = if optional { "]" } else { ")" };
        if !optional {
            self.take("(");
        }
        let mut choices = vec![one(self.sequence()?).ok_or(self.error("nothing between brackets"))?];
        while self.take("|") {
            choices.push(one(self.sequence()?).ok_or(self.error("nothing beside a bar"))?);
        }
        if !self.take(closing) {
            return Err(self.error("a bracket that is not closed"));
        }
        let mut argument = if choices.len() == 1 { choices.swap_remove(0) } else { plain("", Kind::OneOf(choices)) };
        argument.optional |= optional;
        Ok(argument)
    }
}

/// Whether a word stands for itself.
fn is_token(word: &str) -> bool {
    !word.bytes().any(|b| b.is_ascii_lowercase())
}

fn plain<'s>(name: &'s str, kind: Kind<'s>) -> Argument<'s> {
    Argument {
        name: name.into(),
        shown_as: None,
        key_spec: None,
        token: None,
        kind,
        optional: false,
        multiple: false,
        multiple_token: false,
    }
}

/// A sequence as one argument: a word before several arguments becomes the word of their block.
fn one(mut sequence: Vec<Argument<'_>>) -> Option<Argument<'_>> {
    if sequence.len() < 2 {
        return sequence.pop();
    }
    let first = sequence.first_mut()?;
    let token = if first.optional { None } else { first.token.take() };
    let name = token.map_or_else(|| first.name.clone(), |token| token.to_ascii_lowercase().into());
    if token.is_some() && first.kind == Kind::PureToken {
        sequence.remove(0);
    }
    Some(Argument { name, token, ..plain("", Kind::Block(sequence)) })
}

#[cfg(test)]
mod tests;
