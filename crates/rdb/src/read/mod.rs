//! A file as a sequence of events, in memory that only the current value determines.

mod blob;
mod event;
mod foreign;
mod growing;
mod value;
pub(crate) mod wire;

pub use event::{Checksum, Content, Entry, Event, KeyEntry, Options, Step, Unsupported};
use rio::{Input, Source};
use wire::Wire;

use self::growing::{Budget, Growing};
use self::value::Values;
use crate::error::{Foreign, RdbError};
use crate::format::{
    CHECKSUM_SINCE, MAGIC, NEWEST_VERSION, OLDEST_VERSION, OP_AUX, OP_EOF, OP_EXPIRE_MS, OP_EXPIRE_S, OP_FREQ,
    OP_FUNCTION, OP_FUNCTION_PRE_GA, OP_IDLE, OP_MODULE_AUX, OP_RESIZE_DB, OP_SELECT_DB, OP_SLOT_INFO, PART_UNSIGNED,
    ValueType,
};
use keyspace::{UnixMs, Value};

/// Reads a file, event by event.
///
/// The source is read as far as the end of the RDB data and no further: what follows in an append-only file can be had from
/// [`Reader::into_source`].
#[derive(Debug)]
pub struct Reader<I> {
    wire: Wire<I>,
    options: Options,
    version: u32,
    db: u32,
    is_over: bool,
    /// How many elements were read of collections that come one by one.
    elements: u64,
    /// The key of which a piece was read.
    begun: Option<Box<Begun>>,
}

/// A key whose value is being read.
#[derive(Debug)]
struct Begun {
    /// Where it begins.
    offset: u64,
    kind: ValueType,
    key: Vec<u8>,
    attributes: Attributes,
    value: Growing,
}

/// What stands in front of a key and belongs to it.
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    expire_at: Option<UnixMs>,
    idle_s: Option<u64>,
    freq: Option<u8>,
}

impl Attributes {
    fn are_some(&self) -> bool {
        self.expire_at.is_some() || self.idle_s.is_some() || self.freq.is_some()
    }
}

impl<I: Input> Reader<I> {
    /// Reads the head of the file.
    ///
    /// # Errors
    /// If the file does not begin as one of a known version does, or cannot be read.
    pub fn new(source: Source<I>, options: Options) -> Result<Self, RdbError> {
        let source = if options.verify_checksum { source.checksummed() } else { source };
        let mut wire = Wire::new(source, options.max_string_bytes);
        let offset = wire.offset();
        let head: [u8; 9] = wire.array()?;
        let (magic, digits) = head.split_at(MAGIC.len());
        if magic != MAGIC || !digits.iter().all(u8::is_ascii_digit) {
            return Err(RdbError::NotRdb { offset, found: head });
        }
        let version = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        if !(OLDEST_VERSION..=NEWEST_VERSION).contains(&version) {
            return Err(RdbError::Version { offset: offset + MAGIC.len() as u64, found: version });
        }
        Ok(Self { wire, options, version, db: 0, is_over: false, elements: 0, begun: None })
    }

    /// The version that the file states.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What was read: where the next event begins, or, after [`Step::More`], how far into it.
    pub fn offset(&self) -> u64 {
        self.wire.offset()
    }

    /// Where the next event begins, of which a part may have been read.
    pub fn event_offset(&self) -> u64 {
        self.begun.as_ref().map_or(self.wire.offset(), |begun| begun.offset)
    }

    /// How many elements were read so far of collections that are written element by element.
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// The source, which stands behind what was read: behind the checksum after [`Entry::End`].
    pub fn into_source(self) -> Source<I> {
        self.wire.source
    }

    /// Reads the next event; `None` after [`Entry::End`] and after an error.
    ///
    /// # Errors
    /// If the file ends too early, holds what no server writes, or what is not supported. Nothing more is read then.
    pub fn next_event(&mut self) -> Result<Option<Event>, RdbError> {
        loop {
            match self.step(u64::MAX, u64::MAX)? {
                Step::Event(event) => return Ok(Some(event)),
                Step::More => {}
                Step::Over => return Ok(None),
            }
        }
    }

    /// Reads the next event, or a piece of it: of a collection that is written element by element no more than as far as the offset
    /// `stop` and `elements` of its elements. One element, or one string, is read whole in any case.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub fn step(&mut self, stop: u64, elements: u64) -> Result<Step, RdbError> {
        if self.is_over {
            return Ok(Step::Over);
        }
        let offset = self.event_offset();
        let budget = Budget { stop, elements };
        let result = match self.begun.take() {
            Some(begun) => self.go_on(begun, budget),
            None => self.entry(budget),
        };
        self.is_over = !matches!(&result, Ok(entry) if !matches!(entry, Some(Entry::End { .. })));
        Ok(result?.map_or(Step::More, |entry| Step::Event(Event { offset, entry })))
    }

    fn entry(&mut self, budget: Budget) -> Result<Option<Entry>, RdbError> {
        let mut attributes = Attributes::default();
        let begins = self.wire.offset();
        loop {
            let offset = self.wire.offset();
            match self.wire.byte()? {
                OP_EXPIRE_MS => attributes.expire_at = Some(UnixMs(i64::from_le_bytes(self.wire.array()?))),
                OP_EXPIRE_S => {
                    let at_s = i32::from_le_bytes(self.wire.array()?);
                    attributes.expire_at = Some(UnixMs(i64::from(at_s) * 1000));
                }
                OP_IDLE => attributes.idle_s = Some(self.wire.number("seconds")?),
                OP_FREQ => attributes.freq = Some(self.wire.byte()?),
                opcode if opcode >= OP_SLOT_INFO => {
                    // A deadline that belonged to no key would be lost unnoticed.
                    if attributes.are_some() {
                        return Err(RdbError::corrupt(offset, "the key that a deadline or a use belongs to", opcode));
                    }
                    let entry = if opcode == OP_EOF { self.end() } else { self.beside_keys(offset, opcode) };
                    return entry.map(Some);
                }
                kind => return self.key(begins, offset, kind, attributes, budget),
            }
        }
    }

    fn beside_keys(&mut self, offset: u64, opcode: u8) -> Result<Entry, RdbError> {
        match opcode {
            OP_AUX => Ok(Entry::Aux { key: self.text()?, value: self.text()? }),
            OP_SELECT_DB => self.select_db(),
            OP_RESIZE_DB => Ok(Entry::ResizeDb {
                keys: self.wire.number("the number of keys")?,
                expires: self.wire.number("the number of keys with a deadline")?,
            }),
            OP_SLOT_INFO => Ok(Entry::SlotInfo {
                slot: self.wire.number("a slot")?,
                keys: self.wire.number("the number of keys")?,
                expires: self.wire.number("the number of keys with a deadline")?,
            }),
            OP_FUNCTION => Ok(Entry::Function(self.text()?)),
            OP_MODULE_AUX => self.module_aux(offset),
            OP_FUNCTION_PRE_GA => Err(RdbError::Unsupported { offset, key: None, what: Foreign::FunctionPreGa }),
            other => Err(RdbError::corrupt(offset, "a value type or an opcode", other)),
        }
    }

    fn text(&mut self) -> Result<Vec<u8>, RdbError> {
        let mut text = Vec::new();
        self.wire.string(&mut text)?;
        Ok(text)
    }

    fn select_db(&mut self) -> Result<Entry, RdbError> {
        let offset = self.wire.offset();
        let number = self.wire.number("the number of a database")?;
        self.db = u32::try_from(number)
            .map_err(|_| RdbError::corrupt(offset, "the number of a database below 2^32", number))?;
        Ok(Entry::SelectDb(self.db))
    }

    fn module_aux(&mut self, offset: u64) -> Result<Entry, RdbError> {
        let id = self.wire.module_id()?;
        let at = self.wire.offset();
        let kind = self.wire.number("an unsigned integer of a module")?;
        if kind != PART_UNSIGNED {
            return Err(RdbError::corrupt(at, "an unsigned integer of a module", kind));
        }
        let when = self.wire.number("when a module's data are loaded")?;
        let value = if self.options.parse_modules {
            Some(self.wire.module_value(id)?)
        } else if self.options.unsupported == Unsupported::Skip {
            self.wire.skip_module_value()?;
            None
        } else {
            return Err(RdbError::Unsupported { offset, key: None, what: Foreign::ModuleAux(id) });
        };
        Ok(Entry::ModuleAux { id, when, value })
    }

    fn key(
        &mut self,
        begins: u64,
        offset: u64,
        kind: u8,
        attributes: Attributes,
        budget: Budget,
    ) -> Result<Option<Entry>, RdbError> {
        let Some(kind) = ValueType::of(kind) else {
            let key = self.wire.excerpt();
            return Err(RdbError::Unsupported { offset, key, what: Foreign::UnknownType(kind) });
        };
        let key = self.text()?;
        match Growing::begin(&mut self.wire, kind).map_err(|e| e.with_key(&key))? {
            Some(value) => self.go_on(Box::new(Begun { offset: begins, kind, key, attributes, value }), budget),
            None => {
                let read = read_content(&mut self.wire, &self.options, offset, kind);
                let content = read.map_err(|e| e.with_key(&key))?;
                Ok(Some(self.entry_of(key, attributes, content)))
            }
        }
    }

    /// Reads a piece of a key that was begun; the entry, if it was the last.
    fn go_on(&mut self, mut begun: Box<Begun>, budget: Budget) -> Result<Option<Entry>, RdbError> {
        let stepped = begun.value.step(&mut self.wire, &self.options.limits, budget);
        self.elements += stepped.map_err(|e| e.with_key(&begun.key))?;
        if !begun.value.is_whole() {
            self.begun = Some(begun);
            return Ok(None);
        }
        let Begun { kind, key, attributes, value, .. } = *begun;
        Ok(Some(self.entry_of(key, attributes, content_of(kind, value.finish()))))
    }

    fn entry_of(&self, key: Vec<u8>, attributes: Attributes, content: Content) -> Entry {
        let Attributes { expire_at, idle_s, freq } = attributes;
        Entry::Key(KeyEntry { db: self.db, key, expire_at, idle_s, freq, content })
    }

    fn end(&mut self) -> Result<Entry, RdbError> {
        if self.version < CHECKSUM_SINCE {
            return Ok(Entry::End(Checksum::Absent));
        }
        let expected = self.options.verify_checksum.then(|| self.wire.source.checksum()).flatten();
        let offset = self.wire.offset();
        let found = u64::from_le_bytes(self.wire.array()?);
        Ok(Entry::End(match expected {
            _ if found == 0 => Checksum::NotComputed,
            None => Checksum::NotVerified(found),
            Some(expected) if expected == found => Checksum::Verified(found),
            Some(expected) => return Err(RdbError::Checksum { offset, expected, found }),
        }))
    }
}

/// Reads a value whose type byte stands at `offset`.
pub(crate) fn read_content<I: Input>(
    wire: &mut Wire<I>,
    options: &Options,
    offset: u64,
    kind: ValueType,
) -> Result<Content, RdbError> {
    let skip = options.unsupported == Unsupported::Skip;
    let refusal = |what| RdbError::Unsupported { offset, key: None, what };
    match kind {
        ValueType::Module2 => {
            let id = wire.module_id()?;
            if let Some(ty) = options.types.find(&id.name()) {
                let value = wire.custom_value(offset, id, ty)?;
                return Ok(content_of(kind, value));
            } else if options.parse_modules {
                return Ok(Content::Module(wire.module_value(id)?));
            } else if !skip {
                return Err(refusal(Foreign::Module(id)));
            }
            wire.skip_module_value()?;
        }
        ValueType::StreamListpacks | ValueType::StreamListpacks2 | ValueType::StreamListpacks3 if skip => {
            wire.skip_stream(kind)?;
        }
        ValueType::ModulePreGa
        | ValueType::StreamListpacks
        | ValueType::StreamListpacks2
        | ValueType::StreamListpacks3 => return Err(refusal(Foreign::Type(kind))),
        _ => {
            let value = match Growing::begin(wire, kind)? {
                None => Values::new(wire, &options.limits).read(kind)?,
                Some(mut growing) => {
                    growing.step(wire, &options.limits, Budget { stop: u64::MAX, elements: u64::MAX })?;
                    growing.finish()
                }
            };
            return Ok(content_of(kind, value));
        }
    }
    Ok(Content::Skipped(kind))
}

/// A collection without elements is no value: the caller decides.
fn content_of(kind: ValueType, value: Value) -> Content {
    if value::is_empty(&value) { Content::Empty(kind) } else { Content::Value(value) }
}
