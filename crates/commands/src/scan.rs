//! What SCAN, SSCAN, HSCAN and ZSCAN share: the cursor and the options.

use keyspace::Elem;
use numeric::IntBuf;
use resp_codec::{Args, Reply};

use crate::glob::Pattern;
use crate::{CommandError, parse};

/// What is iterated over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The keys of a database: `TYPE` is an option.
    Keys,
    /// The elements of a collection.
    Elements,
}

/// The options of an iteration.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// About how many elements one call visits. At least 1.
    pub count: usize,
    pattern: Option<Pattern<'a>>,
    type_name: Option<&'a [u8]>,
}

/// Parses a cursor as C's strtoul does: up to a zero byte, nothing is 0, a sign may lead, and a negative number counts
/// down from the top.
///
/// # Errors
/// `InvalidCursor`. Source: `parseScanCursorOrReply` of Redis, which refuses a leading blank besides.
pub fn cursor(arg: &[u8]) -> Result<u64, CommandError> {
    let text = arg.split(|byte| *byte == 0).next().unwrap_or_default();
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let number = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = number.and_then(|digits| digits.parse().ok()).ok_or(CommandError::InvalidCursor)?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// Appends a cursor as it is replied: as text.
pub fn reply_cursor(reply: &mut Reply<'_>, cursor: u64) {
    reply.bulk(IntBuf::new().format_u64(cursor));
}

impl<'a> Options<'a> {
    /// Parses the arguments from number `from` on.
    ///
    /// # Errors
    /// `Syntax`, `NotAnInteger`.
    pub fn parse(args: Args<'a>, from: usize, over: Over) -> Result<Self, CommandError> {
        const DEFAULT_COUNT: usize = 10;
        let mut options = Self { count: DEFAULT_COUNT, pattern: None, type_name: None };
        let mut rest = args.from(from);
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or(CommandError::Syntax)?;
            if parse::is(name, "COUNT") {
                options.count = usize::try_from(parse::int(value)?).map_err(|_| CommandError::Syntax)?;
                if options.count == 0 {
                    return Err(CommandError::Syntax);
                }
            } else if parse::is(name, "MATCH") {
                options.pattern = Some(Pattern::new(value));
            } else if over == Over::Keys && parse::is(name, "TYPE") {
                options.type_name = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether the pattern lets a key, member or field pass.
    pub fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| pattern.matches(name))
    }

    /// Whether the pattern lets an element of a collection pass. Free without a pattern.
    pub fn wants_elem(&self, elem: Elem<'_>) -> bool {
        self.pattern.is_none_or(|pattern| pattern.matches(elem.bytes(&mut IntBuf::new())))
    }

    /// Whether values of this type are wanted.
    pub fn wants_type(&self, type_name: &str) -> bool {
        self.type_name.is_none_or(|wanted| wanted.eq_ignore_ascii_case(type_name.as_bytes()))
    }
}
