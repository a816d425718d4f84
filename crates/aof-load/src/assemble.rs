//! Puts commands together to units: each alone, or all between `MULTI` and `EXEC`. Does no I/O: bytes come in, batches of
//! whole units go out, or the first damage.
//!
//! Invariant: `boundary` is the end of the last whole unit or annotation line, never inside an open `MULTI`; it is where a
//! cut would fall. Every byte moves at most once when a batch is taken.

use std::ops::Range;

use mutants::{Mutant, planted};
use resp_codec::Args;

use crate::damage::{Damage, Expected};
use crate::scan::{Flaw, Scan, Scanner};
use crate::unit::{Batch, CommandRecord, UnitRecord};

/// Bytes of a log on their way to units.
#[derive(Debug)]
pub(crate) struct Assembler {
    batch: Batch,
    scanner: Scanner,
    /// First byte of the current item, and its first span.
    item: usize,
    item_spans: usize,
    boundary: usize,
    open: Option<OpenMulti>,
    next_index: u64,
}

/// A `MULTI` whose `EXEC` did not come yet.
#[derive(Clone, Debug)]
struct OpenMulti {
    start: usize,
    commands: usize,
    index: u64,
}

/// What a command is to the grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    Multi,
    Exec,
    Discard,
}

impl Assembler {
    /// Starts at `offset` of the file, which is the start of an item.
    pub(crate) fn new(offset: u64) -> Self {
        Self {
            batch: Batch { offset, ..Batch::default() },
            scanner: Scanner::default(),
            item: 0,
            item_spans: 0,
            boundary: 0,
            open: None,
            next_index: 0,
        }
    }

    /// The bytes not yet taken. The caller appends to them and touches nothing else.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.batch.bytes
    }

    /// Recognises all whole items in the bytes.
    ///
    /// # Errors
    /// The first damage. Units before it can still be taken; going on after it is not possible.
    pub(crate) fn advance(&mut self) -> Result<(), Damage> {
        loop {
            let item = &self.batch.bytes[self.item..];
            match self.scanner.scan(item, &mut self.batch.spans) {
                Ok(Scan::Incomplete) => return Ok(()),
                Ok(Scan::Annotation { len }) => self.end_item(len),
                Ok(Scan::Command { len }) => {
                    self.command(len).map_err(|expected| self.structural_damage(expected))?;
                    self.end_item(len);
                }
                Err(flaw) => {
                    let found = item.get(flaw.at).copied();
                    return Err(self.damage(flaw, found));
                }
            }
        }
    }

    fn end_item(&mut self, len: usize) {
        self.item += len;
        self.item_spans = self.batch.spans.len();
        if self.open.is_none() {
            self.boundary = self.item;
        }
    }

    /// Files the command of `len` bytes that ends the recognised bytes.
    fn command(&mut self, len: usize) -> Result<(), Expected> {
        let bytes = self.item..self.item + len;
        let spans = self.item_spans..self.batch.spans.len();
        let args = Args::new(&self.batch.bytes[bytes.clone()], &self.batch.spans[spans.clone()], true);
        let role = role(args.name());
        if !matches!(role, Role::Plain) && args.len() > 1 {
            return Err(Expected::NoArguments);
        }
        match (role, self.open.take()) {
            (Role::Plain, open) => {
                self.open = open;
                self.file(bytes, spans);
            }
            (Role::Multi, None) => {
                let commands = self.batch.commands.len();
                self.open = Some(OpenMulti { start: self.item, commands, index: self.next_index });
                self.batch.spans.truncate(self.item_spans);
            }
            (Role::Multi, Some(open)) => return Err(Expected::NoNestedMulti { multi: self.reopen(open) }),
            (Role::Exec, Some(open)) => {
                self.batch.spans.truncate(self.item_spans);
                self.batch.units.push(UnitRecord {
                    bytes: open.start..bytes.end,
                    commands: open.commands..self.batch.commands.len(),
                    index: open.index,
                    transaction: true,
                });
            }
            (Role::Exec, None) => return Err(Expected::OpenMulti),
            (Role::Discard, open) => {
                self.open = open;
                return Err(Expected::NoDiscard);
            }
        }
        self.next_index += 1;
        Ok(())
    }

    fn reopen(&mut self, open: OpenMulti) -> u64 {
        let multi = self.batch.offset + open.start as u64;
        self.open = Some(open);
        multi
    }

    fn file(&mut self, bytes: Range<usize>, spans: Range<usize>) {
        let index = self.next_index;
        self.batch.commands.push(CommandRecord { bytes: bytes.clone(), spans, index });
        if self.open.is_none() {
            let last = self.batch.commands.len();
            self.batch.units.push(UnitRecord { bytes, commands: last - 1..last, index, transaction: false });
        }
    }

    /// Takes the whole units, if there are any, and keeps what is behind them.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            // What is left may be annotation lines: they hold no unit, but should not hold memory either.
            if self.open.is_none() && self.boundary > 0 {
                self.split();
            }
            return None;
        }
        Some(self.split())
    }

    /// Splits at the boundary, and makes what is behind it the start of a new batch.
    fn split(&mut self) -> Batch {
        let boundary = self.boundary;
        let open_commands = self.open.as_ref().map_or(self.batch.commands.len(), |open| open.commands);
        let first_span = self.batch.commands.get(open_commands).map_or(self.item_spans, |first| first.spans.start);
        let mut rest = Batch {
            offset: self.batch.offset + boundary as u64,
            bytes: self.batch.bytes.split_off(boundary),
            spans: self.batch.spans.split_off(first_span),
            commands: self.batch.commands.split_off(open_commands),
            units: Vec::new(),
        };
        for command in &mut rest.commands {
            command.bytes = command.bytes.start - boundary..command.bytes.end - boundary;
            command.spans = command.spans.start - first_span..command.spans.end - first_span;
        }
        if let Some(open) = &mut self.open {
            open.start -= boundary;
            open.commands = 0;
        }
        self.item -= boundary;
        self.item_spans -= first_span;
        self.boundary = 0;
        std::mem::replace(&mut self.batch, rest)
    }

    /// Takes the commands of the open `MULTI` as one unit, after [`take`](Self::take) gave the last whole ones and nothing
    /// more will come. Empty if none is open.
    pub(crate) fn take_open(&mut self) -> Batch {
        let Some(open) = self.open.take() else { return Batch::default() };
        let mut batch = std::mem::take(&mut self.batch);
        let commands = open.commands..batch.commands.len();
        batch.units.push(UnitRecord { bytes: open.start..self.item, commands, index: open.index, transaction: true });
        (self.item, self.item_spans, self.boundary) = (0, 0, 0);
        batch
    }

    /// Judges the end of the file: nothing may be left behind the last whole item.
    ///
    /// # Errors
    /// The damage that an unexpected end is.
    pub(crate) fn end(&self) -> Result<(), Damage> {
        let item = &self.batch.bytes[self.item..];
        if !item.is_empty() {
            return Err(self.damage(self.scanner.missing(item), None));
        }
        let Some(open) = &self.open else { return Ok(()) };
        let expected = Expected::Exec { multi: self.batch.offset + open.start as u64 };
        Err(self.damage(Flaw { at: 0, expected, argument: None }, None))
    }

    /// Damage that is a whole command where it may not stand.
    fn structural_damage(&self, expected: Expected) -> Damage {
        let found = self.batch.bytes.get(self.item).copied();
        self.damage(Flaw { at: 0, expected, argument: None }, found)
    }

    fn damage(&self, flaw: Flaw, found: Option<u8>) -> Damage {
        let command_offset = self.batch.offset + self.item as u64;
        Damage {
            offset: command_offset + flaw.at as u64,
            found,
            expected: flaw.expected,
            command_offset,
            command_index: self.next_index,
            cut_at: self.batch.offset + if planted(Mutant::TornInsideMulti) { self.item } else { self.boundary } as u64,
            in_transaction: self.open.is_some(),
            argument: flaw.argument.map(|a| command_offset + a.start as u64..command_offset + a.end as u64),
        }
    }
}

/// What a command of this name is to the grouping.
pub(crate) fn role(name: &[u8]) -> Role {
    if name.eq_ignore_ascii_case(b"multi") {
        Role::Multi
    } else if name.eq_ignore_ascii_case(b"exec") {
        Role::Exec
    } else if name.eq_ignore_ascii_case(b"discard") {
        Role::Discard
    } else {
        Role::Plain
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small offsets")]
mod tests {
    use proptest::prelude::*;
    use resp_codec::encode_command;

    use super::*;

    /// One unit as plain words: whether it is a transaction, and its commands.
    type Words = (bool, Vec<Vec<Vec<u8>>>);

    fn words(batch: &Batch) -> Vec<(Words, Range<u64>, u64)> {
        let unit = |unit: crate::Unit<'_>| {
            let commands =
                unit.commands().map(|command| command.args().from(0).map(<[u8]>::to_vec).collect()).collect();
            ((unit.is_transaction(), commands), unit.range(), unit.index())
        };
        batch.units().map(unit).collect()
    }

    fn encode(units: &[Words]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (transaction, commands) in units {
            let around = |bytes: &mut Vec<u8>, name: &[u8]| {
                if *transaction {
                    encode_command(bytes, [name].into_iter());
                }
            };
            around(&mut bytes, b"MULTI");
            for command in commands {
                bytes.extend_from_slice(b"#note\r\n");
                encode_command(&mut bytes, command.iter().map(Vec::as_slice));
            }
            around(&mut bytes, b"EXEC");
        }
        bytes
    }

    fn any_units() -> impl Strategy<Value = Vec<Words>> {
        let word = prop::collection::vec(any::<u8>(), 0..12);
        let command = prop::collection::vec(word, 0..4).prop_map(|mut words| {
            words.insert(0, b"SET".to_vec());
            words
        });
        let plain = command.clone().prop_map(|command| (false, vec![command]));
        let transaction = prop::collection::vec(command, 0..4).prop_map(|commands| (true, commands));
        prop::collection::vec(prop_oneof![plain, transaction], 0..12)
    }

    proptest! {
        #[test]
        fn units_do_not_depend_on_how_the_bytes_arrive(units in any_units(), pieces in prop::collection::vec((1..40_usize, any::<bool>()), 1..20)) {
            let bytes = encode(&units);
            let mut assembler = Assembler::new(1000);
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            for (len, take) in pieces.iter().cycle() {
                let (piece, after) = rest.split_at((*len).min(rest.len()));
                rest = after;
                assembler.bytes_mut().extend_from_slice(piece);
                assembler.advance().unwrap();
                if *take && let Some(batch) = assembler.take() {
                    found.extend(words(&batch));
                }
                if rest.is_empty() {
                    break;
                }
            }
            if let Some(batch) = assembler.take() {
                found.extend(words(&batch));
            }
            prop_assert!(assembler.end().is_ok());
            prop_assert_eq!(found.iter().map(|(words, ..)| words.clone()).collect::<Vec<_>>(), units);
            prop_assert!(found.windows(2).all(|pair| pair[0].1.end <= pair[1].1.start && pair[0].2 < pair[1].2));
            let lies_there = found.iter().all(|(words, range, _)| {
                let own = encode(std::slice::from_ref(words));
                let text = &bytes[range.start as usize - 1000..range.end as usize - 1000];
                own.ends_with(text)
            });
            prop_assert!(lies_there);
        }

        #[test]
        fn any_bytes_end_in_units_or_damage_at_the_same_place(bytes in "[*$0-3#\r\nMULTIEXEC]{0,60}", piece in 1..9_usize) {
            let outcome = |piece: usize| {
                let mut assembler = Assembler::new(0);
                for piece in bytes.as_bytes().chunks(piece) {
                    assembler.bytes_mut().extend_from_slice(piece);
                    assembler.advance()?;
                    assembler.take();
                }
                assembler.end()
            };
            let whole = outcome(usize::MAX);
            prop_assert_eq!(&outcome(piece), &whole);
            if let Err(damage) = whole {
                prop_assert!(damage.cut_at <= damage.command_offset && damage.command_offset <= damage.offset);
                prop_assert_eq!(damage.found, bytes.as_bytes().get(damage.offset as usize).copied());
            }
        }
    }

    #[test]
    fn announced_counts_and_lengths_take_no_memory() {
        for head in ["*2147483647\r\n$3\r\nSET\r\n", "*1\r\n$4294967000\r\nab"] {
            let mut assembler = Assembler::new(0);
            assembler.bytes_mut().extend_from_slice(head.as_bytes());
            assembler.advance().unwrap();
            assert!(assembler.batch.size_bytes() < 1000);
        }
    }

    #[test]
    fn an_open_transaction_can_be_looked_at() {
        let mut assembler = Assembler::new(0);
        assembler.bytes_mut().extend_from_slice(b"#x\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$3\r\nSET\r\n*1\r\n$3\r\nDE");
        assembler.advance().unwrap();
        assert!(assembler.take().is_none());
        assert!(assembler.end().unwrap_err().in_transaction);
        let open = words(&assembler.take_open());
        assert_eq!(open, [((true, vec![vec![b"SET".to_vec()]]), 4..32, 0)]);
        assert!(assembler.take().is_none());
    }
}
