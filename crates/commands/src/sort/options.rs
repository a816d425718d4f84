//! The options of SORT, and the part of the elements that LIMIT asks for.

use std::ops::Range;

use resp_codec::Args;

use super::pattern::Pattern;
use crate::CommandError;
use crate::parse::{self, is};

/// The options, with those that others imply.
pub(super) struct Options<'a> {
    /// Whether the elements are sorted at all: a BY without a star says that they are not, whatever BY follows.
    pub(super) sorts: bool,
    pub(super) by: Option<Pattern<'a>>,
    pub(super) alpha: bool,
    pub(super) descending: bool,
    pub(super) get: Vec<Pattern<'a>>,
    pub(super) store: Option<&'a [u8]>,
    offset: i64,
    /// Negative: all that follow.
    count: i64,
}

impl<'a> Options<'a> {
    /// Reads them from argument 2 on.
    pub(super) fn parse(args: Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut options = Self {
            sorts: true,
            by: None,
            alpha: false,
            descending: false,
            get: Vec::new(),
            store: None,
            offset: 0,
            count: -1,
        };
        let mut rest = args.from(2);
        while let Some(option) = rest.next() {
            let mut next = || rest.next().ok_or(CommandError::Syntax);
            if is(option, "ASC") {
                options.descending = false;
            } else if is(option, "DESC") {
                options.descending = true;
            } else if is(option, "ALPHA") {
                options.alpha = true;
            } else if is(option, "LIMIT") {
                let (offset, count) = (next()?, next()?);
                (options.offset, options.count) = (parse::int(offset)?, parse::int(count)?);
            } else if is(option, "BY") {
                let pattern = next()?;
                options.sorts &= pattern.contains(&b'*');
                options.by = Some(Pattern::new(pattern));
            } else if is(option, "GET") {
                options.get.push(Pattern::new(next()?));
            } else if may_store && is(option, "STORE") {
                options.store = Some(next()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// The part of `len` elements that LIMIT asks for.
    pub(super) fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset.max(0)).map_or(len, |start| start.min(len));
        let end = usize::try_from(self.count).map_or(len, |count| start.saturating_add(count).min(len));
        start..end
    }

    /// The same, counted from the end if the order is descending.
    pub(super) fn range_from_the_end(&self, len: usize) -> Range<usize> {
        let Range { start, end } = self.range(len);
        if self.descending { len - end..len - start } else { start..end }
    }
}
