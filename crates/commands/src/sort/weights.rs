//! What elements are compared by.

use std::cmp::Ordering;

use keyspace::{Elem, IntBuf};

use super::options::Options;
use super::pattern::Pattern;
use crate::{CommandError, Store};

/// Texts one behind the other, each by its number.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[number]]
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| self.get(number))
    }
}

/// What the elements weigh, by their numbers.
pub(super) enum Weights {
    /// The elements themselves, as texts.
    Own,
    /// Numbers; equal ones are told apart by their elements.
    Numbers(Vec<f64>),
    /// Texts, of those elements that have one; an element without comes first.
    Texts(Texts, Vec<bool>),
}

impl Weights {
    pub(super) fn of(store: &mut Store<'_>, elements: &Texts, options: &Options<'_>) -> Result<Self, CommandError> {
        let mut name = Vec::new();
        match &options.by {
            None if options.alpha => Ok(Self::Own),
            None => numbers(elements.iter().map(number)),
            Some(by) if options.alpha => Ok(Self::texts(store, elements, by)),
            // Without a value an element weighs nothing.
            Some(by) => {
                numbers(elements.iter().map(|element| by.value(store, element, &mut name).map_or(Some(0.0), number_of)))
            }
        }
    }

    fn texts(store: &mut Store<'_>, elements: &Texts, by: &Pattern<'_>) -> Self {
        let (mut texts, mut there, mut name) = (Texts::default(), Vec::with_capacity(elements.len()), Vec::new());
        for element in elements.iter() {
            let mut int = IntBuf::new();
            let value = by.value(store, element, &mut name);
            there.push(value.is_some());
            texts.push(value.map_or(&b""[..], |value| value.bytes(&mut int)));
        }
        Self::Texts(texts, there)
    }

    pub(super) fn compare(&self, elements: &Texts, a: usize, b: usize) -> Ordering {
        let by_element = || elements.get(a).cmp(elements.get(b));
        match self {
            Self::Own => by_element(),
            Self::Numbers(numbers) => {
                // None of them is NaN; -0 and 0 are equal.
                numbers[a].partial_cmp(&numbers[b]).unwrap_or(Ordering::Equal).then_with(by_element)
            }
            Self::Texts(texts, there) => {
                let text = |number: usize| there[number].then(|| texts.get(number));
                text(a).cmp(&text(b))
            }
        }
    }
}

fn numbers(numbers: impl Iterator<Item = Option<f64>>) -> Result<Weights, CommandError> {
    // All of them are looked up before one is refused, as in Redis.
    let mut refused = false;
    let numbers = numbers
        .map(|number| {
            number.unwrap_or_else(|| {
                refused = true;
                0.0
            })
        })
        .collect();
    if refused {
        return Err(CommandError::Text("ERR One or more scores can't be converted into double"));
    }
    Ok(Weights::Numbers(numbers))
}

fn number_of(value: Elem<'_>) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "rounded as the reader of doubles rounds")]
        Elem::Int(value) => Some(value as f64),
        Elem::Bytes(text) => number(text),
    }
}

/// Reads a number as C's strtod does: up to the first zero byte, blanks before it, nothing at all for 0.
fn number(text: &[u8]) -> Option<f64> {
    const BLANKS: &[u8] = b" \t\n\x0b\x0c\r";
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !BLANKS.contains(byte))?;
    numeric::parse_f64(&text[start..])
}
