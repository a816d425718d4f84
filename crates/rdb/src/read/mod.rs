//! A file as a sequence of events, in memory that only the current value determines.

mod blob;
mod event;
mod foreign;
mod value;
pub(crate) mod wire;

pub use event::{Checksum, Content, Entry, Event, KeyEntry, Options, Unsupported};
use rio::{Input, Source};
use wire::Wire;

use self::value::Values;
use crate::error::{Foreign, RdbError};
use crate::format::{
    CHECKSUM_SINCE, MAGIC, NEWEST_VERSION, OLDEST_VERSION, OP_AUX, OP_EOF, OP_EXPIRE_MS, OP_EXPIRE_S, OP_FREQ,
    OP_FUNCTION, OP_FUNCTION_PRE_GA, OP_IDLE, OP_MODULE_AUX, OP_RESIZE_DB, OP_SELECT_DB, OP_SLOT_INFO, PART_UNSIGNED,
    ValueType,
};
use keyspace::UnixMs;

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
        Ok(Self { wire, options, version, db: 0, is_over: false })
    }

    /// The version that the file states.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Where the next event begins.
    pub fn offset(&self) -> u64 {
        self.wire.offset()
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
        if self.is_over {
            return Ok(None);
        }
        let offset = self.wire.offset();
        let result = self.entry();
        self.is_over = !matches!(&result, Ok(entry) if !matches!(entry, Entry::End { .. }));
        result.map(|entry| Some(Event { offset, entry }))
    }

    fn entry(&mut self) -> Result<Entry, RdbError> {
        let mut attributes = Attributes::default();
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
                    return if opcode == OP_EOF { self.end() } else { self.beside_keys(offset, opcode) };
                }
                kind => return self.key(offset, kind, attributes),
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

    fn key(&mut self, offset: u64, kind: u8, attributes: Attributes) -> Result<Entry, RdbError> {
        let Some(kind) = ValueType::of(kind) else {
            let key = self.wire.excerpt();
            return Err(RdbError::Unsupported { offset, key, what: Foreign::UnknownType(kind) });
        };
        let key = self.text()?;
        let content = read_content(&mut self.wire, &self.options, offset, kind).map_err(|e| e.with_key(&key))?;
        let Attributes { expire_at, idle_s, freq } = attributes;
        Ok(Entry::Key(KeyEntry { db: self.db, key, expire_at, idle_s, freq, content }))
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
                return Ok(if value::is_empty(&value) { Content::Empty(kind) } else { Content::Value(value) });
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
            let value = Values::new(wire, &options.limits).read(kind)?;
            return Ok(value.map_or(Content::Empty(kind), Content::Value));
        }
    }
    Ok(Content::Skipped(kind))
}
