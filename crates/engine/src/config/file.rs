//! redis.conf syntax and command-line directives, as text: splitting, quotes, comments. Reading files is the caller's.
//!
//! Source: loadServerConfigFromString and sdssplitargs of Redis 7.2 (behaviour).

use super::Config;
use super::directives::{ConfigError, Directive};

/// One directive as written: its words, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Line number, from 1.
    pub number: usize,
    /// The directive's name and its arguments, unquoted.
    pub words: Vec<String>,
    /// The line itself, for messages.
    pub text: String,
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at line {number}: >>> '{text}'")]
pub struct LineError {
    /// Line number, from 1.
    pub number: usize,
    /// The line as it stands.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub reason: LineProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// A quote is not closed, or is followed by something other than space.
    #[error("Unbalanced quotes in configuration line")]
    UnbalancedQuotes,
    /// The directive refuses its value, or is not known.
    #[error(transparent)]
    Directive(#[from] ConfigError),
}

/// Splits the text of a configuration file into directives; comments and lines without words are left out. `include` is returned
/// like any other: the caller reads the file it names.
///
/// # Errors
/// If quotes are unbalanced.
pub fn parse(text: &str) -> Result<Vec<Line>, LineError> {
    let mut lines = Vec::new();
    for (i, raw) in text.lines().enumerate() {
        let text = raw.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let error = || LineError { number: i + 1, text: text.to_owned(), reason: LineProblem::UnbalancedQuotes };
        let words = split_words(text).ok_or_else(error)?;
        if words.is_empty() {
            // Nothing but zero bytes, which separate words as spaces do.
            continue;
        }
        lines.push(Line { number: i + 1, words, text: text.to_owned() });
    }
    Ok(lines)
}

/// Applies one directive line to `config`. Returns the directive, so that the caller can log one that has no effect.
///
/// # Errors
/// If the directive is unknown or its value is refused.
pub fn apply(config: &mut Config, line: &Line) -> Result<&'static Directive, LineError> {
    let error = |reason: ConfigError| LineError { number: line.number, text: line.text.clone(), reason: reason.into() };
    let directive =
        line.words.first().and_then(|name| Directive::find(name)).ok_or_else(|| error(ConfigError::Unknown))?;
    if line.words.len() < 2 {
        return Err(error(ConfigError::Unknown));
    }
    if line.words.len() > 2 && !directive.takes_several() {
        return Err(error(ConfigError::Unknown));
    }
    directive.set(config, &line.words[1..].join(" ")).map_err(error)?;
    Ok(directive)
}

/// Turns `--name value … --name value …` into directive lines, as Redis's command line does. A name without a value is an
/// empty one only where the next word starts another directive.
pub fn parse_arguments(arguments: &[String]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for word in arguments {
        match (word.strip_prefix("--"), lines.last_mut()) {
            (Some(name), _) if !name.is_empty() => {
                lines.push(Line { number: lines.len() + 1, words: vec![name.to_owned()], text: name.to_owned() });
            }
            (_, Some(line)) => {
                line.words.push(word.clone());
                line.text = line.words.join(" ");
            }
            (_, None) => lines.push(Line { number: 1, words: vec![word.clone()], text: word.clone() }),
        }
    }
    lines
}

/// Splits a line into words: spaces separate, double quotes take `\n \r \t \a \b \xHH` and `\"`, single quotes only `\'`.
/// `None` if quotes are unbalanced.
pub fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        while let [b' ' | b'\t' | b'\r' | b'\n' | 0, tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        rest = read_word(rest, &mut word)?;
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
}

fn read_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [b' ' | b'\t' | b'\r' | b'\n' | 0, ..] => return Some(rest),
            [b'"', tail @ ..] => return closed(read_double_quoted(tail, word)?),
            [b'\'', tail @ ..] => return closed(read_single_quoted(tail, word)?),
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

/// A closing quote must be followed by a space or the end.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    (rest.is_empty() || rest[0].is_ascii_whitespace()).then_some(rest)
}

fn read_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

fn read_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                rest = tail;
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, LineError> {
        let mut config = Config::default();
        for line in parse(text)? {
            apply(&mut config, &line)?;
        }
        Ok(config)
    }

    #[test]
    fn quotes_and_escapes_are_read_as_redis_reads_them() {
        assert_eq!(split_words(r#"a "b c" 'd\'e' "\x41\n""#).unwrap(), ["a", "b c", "d'e", "A\n"]);
        assert_eq!(split_words(r#"logfile """#).unwrap(), ["logfile", ""]);
        for unbalanced in ["\"a", "'a", "\"a\"b"] {
            assert_eq!(split_words(unbalanced), None, "{unbalanced}");
        }
    }

    #[test]
    fn units_and_several_arguments_are_understood() {
        let c = load("# a comment\n\nauto-aof-rewrite-min-size 64mb\nbind 127.0.0.1 -::1\nclient-output-buffer-limit pubsub 1k 1kb 3\n").unwrap();
        assert_eq!(c.auto_aof_rewrite_min_size_bytes, 64 << 20);
        assert_eq!(c.bind, ["127.0.0.1", "-::1"]);
        assert_eq!((c.output_limit_pubsub.hard_bytes, c.output_limit_pubsub.soft_bytes), (1000, 1024));
    }

    #[test]
    fn an_unknown_directive_is_refused_with_its_line() {
        let e = load("port 7000\nnonsense yes\n").unwrap_err();
        assert_eq!(e.to_string(), "at line 2: >>> 'nonsense yes'");
        assert_eq!(e.reason.to_string(), "Bad directive or wrong number of arguments");
    }

    #[test]
    fn a_line_of_zero_bytes_alone_says_nothing() {
        // Found by fuzzing: such a line had no words, and whoever asked for its first one panicked.
        assert_eq!(parse("port 1\n\0\n \0 \n").unwrap().len(), 1);
    }

    #[test]
    fn a_directive_without_effect_is_accepted_at_its_default_only() {
        load("maxmemory 0\nmaxmemory 0kb\nreplica-serve-stale-data yes\n").unwrap();
        // Read as a number of bytes, a unit alone is 0.
        load("maxmemory kb\n").unwrap_err();
        let e = load("maxmemory 100mb\n").unwrap_err();
        assert_eq!(
            e.reason.to_string(),
            "'maxmemory' has no effect in this server and is only accepted at its default, '0'"
        );
    }

    #[test]
    fn command_line_directives_take_the_words_up_to_the_next_one() {
        let args = ["--port", "7000", "--save", "", "--bind", "127.0.0.1", "::1"].map(str::to_owned);
        let words: Vec<_> = parse_arguments(&args).into_iter().map(|l| l.words).collect();
        assert_eq!(words, [vec!["port", "7000"], vec!["save", ""], vec!["bind", "127.0.0.1", "::1"]]);
    }
}
