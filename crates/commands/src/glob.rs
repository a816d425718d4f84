//! Glob patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^…]`, and `\` before a byte taken literally.
//!
//! The reference tries each `*` recursively, which costs exponential time for a pattern like `a*a*a*b`. Here only the
//! last `*` is ever tried again, which is enough: whatever an earlier one could take over, the last one can. So the cost
//! is at most the product of the two lengths.

/// A pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'p> {
    bytes: &'p [u8],
    case: Case,
}

/// Whether letters match in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` is not `A`.
    Sensitive,
    /// `a` is `A`, in ASCII.
    Ignored,
}

impl<'p> Pattern<'p> {
    /// A pattern for keys and members: case counts.
    pub fn new(bytes: &'p [u8]) -> Self {
        Self { bytes, case: Case::Sensitive }
    }

    /// A pattern for names in any case, as CONFIG GET takes.
    pub fn ignoring_case(bytes: &'p [u8]) -> Self {
        Self { bytes, case: Case::Ignored }
    }

    /// Whether the whole of `text` matches. Nothing at all matches `*` but not `**`, as in Redis, whose loop over both
    /// never begins there; its commands know `*` by itself.
    pub fn matches(&self, text: &[u8]) -> bool {
        if *self.bytes == *b"*" {
            return true;
        }
        if text.is_empty() {
            return self.bytes.is_empty();
        }
        let (mut pattern, mut rest) = (self.bytes, text);
        // After the last `*`: the pattern behind it, and the text it has not taken yet.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            if let [b'*', behind @ ..] = pattern {
                pattern = behind;
                retry = Some((behind, rest));
                continue;
            }
            if let Some((first, others)) = rest.split_first()
                && let Some(behind) = self.one(pattern, *first)
            {
                (pattern, rest) = (behind, others);
                continue;
            }
            if pattern.is_empty() && rest.is_empty() {
                return true;
            }
            let Some((behind, [_, fewer @ ..])) = retry else { return false };
            (pattern, rest) = (behind, fewer);
            retry = Some((behind, fewer));
        }
    }

    /// Matches one byte against the head of `pattern`, which is no `*`; the pattern behind it if it matches.
    fn one<'a>(&self, pattern: &'a [u8], byte: u8) -> Option<&'a [u8]> {
        match pattern {
            [] => None,
            [b'?', behind @ ..] => Some(behind),
            [b'[', class @ ..] => self.class(class, byte),
            [b'\\', literal, behind @ ..] | [literal, behind @ ..] => self.same(*literal, byte).then_some(behind),
        }
    }

    /// Matches one byte against a class whose `[` is gone; the pattern behind its `]` if it matches. A class without end
    /// reaches to the end of the pattern, as in Redis.
    fn class<'a>(&self, class: &'a [u8], byte: u8) -> Option<&'a [u8]> {
        let (negated, mut class) = match class {
            [b'^', class @ ..] => (true, class),
            class => (false, class),
        };
        let mut found = false;
        let behind = loop {
            class = match class {
                [] => break class,
                [b']', behind @ ..] => break behind,
                [b'\\', literal, others @ ..] => {
                    found |= self.same(*literal, byte);
                    others
                }
                [low, b'-', high, others @ ..] => {
                    found |= self.within(*low, *high, byte);
                    others
                }
                [literal, others @ ..] => {
                    found |= self.same(*literal, byte);
                    others
                }
            };
        };
        (found != negated).then_some(behind)
    }

    fn fold(&self, byte: u8) -> u8 {
        match self.case {
            Case::Sensitive => byte,
            Case::Ignored => byte.to_ascii_lowercase(),
        }
    }

    fn same(&self, a: u8, b: u8) -> bool {
        self.fold(a) == self.fold(b)
    }

    fn within(&self, low: u8, high: u8, byte: u8) -> bool {
        let (low, high) = (self.fold(low.min(high)), self.fold(low.max(high)));
        (low..=high).contains(&self.fold(byte))
    }
}

#[cfg(test)]
mod tests;
