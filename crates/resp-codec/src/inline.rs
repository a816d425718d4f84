//! Splits a line into words by Redis's quoting rules, as inline requests and configuration files use them.

/// Splits `line` into its words; `None` if a quote stays open or is not followed by a space.
///
/// Outside quotes words end at spaces. `"…"` knows `\n \r \t \b \a \xHH` and takes any other escaped byte as it is; in
/// `'…'` only `\'` is an escape. A NUL ends the line, as in C.
///
/// Source: `sdssplitargs` of Redis 7.2 (semantics).
///
/// ```
/// let words = resp_codec::inline::split(br#"set "a\x20key" 'it\'s'"#).unwrap();
/// assert_eq!(words, [&b"set"[..], b"a key", b"it's"]);
/// assert_eq!(resp_codec::inline::split(b"get \"open"), None);
/// ```
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = &line[..line.iter().position(|b| *b == 0).unwrap_or(line.len())];
    let mut words = Vec::new();
    loop {
        rest = &rest[rest.iter().position(|b| !is_space(*b)).unwrap_or(rest.len())..];
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        rest = one_word(rest, &mut word)?;
        words.push(word);
    }
}

/// Takes one word off the front of `text`.
fn one_word<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match text {
            [] => return Some(text),
            // Narrower than what is skipped between words: so it is in Redis.
            [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] => return Some(rest),
            [b'"', rest @ ..] => return double_quoted(rest, word),
            [b'\'', rest @ ..] => return single_quoted(rest, word),
            [byte, rest @ ..] => {
                word.push(*byte);
                text = rest;
            }
        }
    }
}

fn double_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        text = match text {
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                rest
            }
            [b'\\', escaped, rest @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest
            }
            [b'"', rest @ ..] => return closed(rest),
            [byte, rest @ ..] => {
                word.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}

fn single_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        text = match text {
            [b'\\', b'\'', rest @ ..] => {
                word.push(b'\'');
                rest
            }
            [b'\'', rest @ ..] => return closed(rest),
            [byte, rest @ ..] => {
                word.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}

/// A closing quote ends the word: a space or nothing must follow it.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|b| is_space(*b)).then_some(rest)
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        other => (other | 0x20) - b'a' + 10,
    }
}
