//! Tells code from comments and literals: a file's text with both blanked, line for line.
//!
//! Not a parser: it knows just enough of Rust's lexing (nested comments, raw strings, lifetimes) that a word found in the
//! masked text is code.

/// Blanks comments, strings and character literals. Every line keeps its number.
pub(crate) fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at).unwrap_or(at);
        if end == at {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

/// Where the comment or literal that starts at `at` ends; none if none starts there.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => Some(find(chars, at, |c| c == '\n')),
        '/' if next == Some('*') => Some(comment_end(chars, at)),
        '"' => Some(string_end(chars, at + 1)),
        '\'' => character_end(chars, at),
        'r' if !is_word(chars, at) => raw_end(chars, at + 1),
        'b' if next == Some('r') && !is_word(chars, at) => raw_end(chars, at + 2),
        _ => None,
    }
}

/// Whether the character before `at` belongs to the same word.
fn is_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|&c| wanted(c)).map_or(chars.len(), |n| from + n)
}

fn comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut i) = (0_usize, at);
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// The end of a character literal; none for a lifetime.
fn character_end(chars: &[char], at: usize) -> Option<usize> {
    match (chars.get(at + 1)?, chars.get(at + 2)?) {
        ('\\', _) => Some((find(chars, at + 3, |c| c == '\'') + 1).min(chars.len())),
        (_, '\'') => Some(at + 3),
        _ => None,
    }
}

/// The end of a raw string whose `#`s or quote stand at `from`.
fn raw_end(chars: &[char], from: usize) -> Option<usize> {
    let quote = find(chars, from, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let hashes = quote - from;
    let closes =
        |i: usize| chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
    let close = (quote + 1..chars.len()).find(|&i| closes(i));
    Some(close.map_or(chars.len(), |i| i + 1 + hashes))
}

/// A function's name and the lines it takes, from 1, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// The functions with a body in masked text.
pub(crate) fn functions(masked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in masked.match_indices("fn ") {
        if masked[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &masked[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body(rest).and_then(|open| block_end(rest, open)) {
            let line_of = |i: usize| masked[..i].matches('\n').count() + 1;
            found.push(Function { name, first: line_of(at), last: line_of(at + 3 + end) });
        }
    }
    found
}

/// Where the body of a function opens; none if it has none.
fn body(signature: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (i, c) in signature.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

/// Where the block that opens at `open` closes.
pub(crate) fn block_end(masked: &str, open: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (i, c) in masked[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(open + i);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_code_is_not() {
        let text = "a // x\n/* y /* z */ w */ b \"q\\\"{\" c r#\"}\"# d '{' e '\\'' f b\"{\" g";
        let masked = mask(text);
        let left: Vec<&str> = masked.split_whitespace().collect();
        assert_eq!(left, ["a", "b", "c", "d", "e", "f", "b", "g"]);
        assert_eq!(masked.lines().count(), text.lines().count());
    }

    #[test]
    fn a_lifetime_is_code() {
        assert_eq!(mask("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        let text = "trait T { fn none(&self) -> [u8; 2]; }\nfn long(x: [u8; 3])\n{\n  if x { y }\n}\nfn short() {}\n";
        let found = functions(&mask(text));
        let long = Function { name: "long".to_owned(), first: 2, last: 5 };
        let short = Function { name: "short".to_owned(), first: 6, last: 6 };
        assert_eq!(found, [long, short]);
    }
}
