//! Values that the keyspace does not have: walked over, or, of custom types, taken apart or given to their type.

use keyspace::{CannotLoad, CustomType, ReadParts, Value};
use rio::Input;

use super::wire::Wire;
use crate::error::RdbError;
use crate::format::{PART_DOUBLE, PART_EOF, PART_FLOAT, PART_SIGNED, PART_STRING, PART_UNSIGNED, ValueType};
use crate::module::{ModuleId, ModuleValue, Part};

const VALUE_END: &str = "the end of a module's value";

/// Bytes of an entry's id in a list of pending entries.
const STREAM_ID_BYTES: u64 = 16;
/// Bytes of a time in milliseconds.
const TIME_BYTES: u64 = 8;

impl<I: Input> Wire<I> {
    /// Reads the id of a custom type.
    pub(super) fn module_id(&mut self) -> Result<ModuleId, RdbError> {
        self.number("the id of a module's type").map(ModuleId::from_bits)
    }

    /// Reads the parts of a custom value, up to its end.
    pub(super) fn module_value(&mut self, id: ModuleId) -> Result<ModuleValue, RdbError> {
        let mut parts = Vec::new();
        while let Some(part) = self.part()? {
            parts.push(part);
        }
        Ok(ModuleValue { id, parts })
    }

    fn part(&mut self) -> Result<Option<Part>, RdbError> {
        let offset = self.offset();
        Ok(Some(match self.number("a part of a module's value")? {
            PART_EOF => return Ok(None),
            PART_SIGNED => Part::Signed(self.number("an integer")?.cast_signed()),
            PART_UNSIGNED => Part::Unsigned(self.number("an integer")?),
            PART_FLOAT => Part::Float(f32::from_le_bytes(self.array()?)),
            PART_DOUBLE => Part::Double(f64::from_le_bytes(self.array()?)),
            PART_STRING => {
                let mut bytes = Vec::new();
                self.string(&mut bytes)?;
                Part::String(bytes)
            }
            other => return Err(RdbError::corrupt(offset, "a part of kind 0 to 5", other)),
        }))
    }

    /// Lets a registered type load the value that begins at `offset`, up to its end.
    pub(super) fn custom_value(&mut self, offset: u64, id: ModuleId, ty: &CustomType) -> Result<Value, RdbError> {
        let mut parts = Parts { wire: self, error: None };
        let loaded = ty.load(id.version(), &mut parts);
        if let Some(error) = parts.error {
            return Err(error);
        }
        let value = loaded.map_err(|CannotLoad(reason)| RdbError::Custom { offset, key: None, id, reason })?;
        let end = self.offset();
        match self.number(VALUE_END)? {
            PART_EOF => Ok(Value::Custom(value)),
            other => Err(RdbError::corrupt(end, VALUE_END, other)),
        }
    }

    /// Passes over the parts of a custom value.
    pub(super) fn skip_module_value(&mut self) -> Result<(), RdbError> {
        loop {
            let offset = self.offset();
            match self.number("a part of a module's value")? {
                PART_EOF => return Ok(()),
                PART_SIGNED | PART_UNSIGNED => {
                    self.number("an integer")?;
                }
                PART_FLOAT => self.source.skip(4)?,
                PART_DOUBLE => self.source.skip(8)?,
                PART_STRING => self.skip_string()?,
                other => return Err(RdbError::corrupt(offset, "a part of kind 0 to 5", other)),
            }
        }
    }

    /// Passes over a stream.
    ///
    /// Source: `rdbLoadObject` of Redis 7.2 (facts).
    pub(super) fn skip_stream(&mut self, kind: ValueType) -> Result<(), RdbError> {
        let has_first_entry = kind != ValueType::StreamListpacks;
        for _ in 0..self.number("the number of listpacks")? {
            self.skip_string()?;
            self.skip_string()?;
        }
        // Length and last id; then first id, highest deleted id and the count of all entries ever.
        self.skip_numbers(if has_first_entry { 8 } else { 3 })?;
        for _ in 0..self.number("the number of groups")? {
            self.skip_string()?;
            // The id delivered last; then how many were read.
            self.skip_numbers(if has_first_entry { 3 } else { 2 })?;
            for _ in 0..self.number("the number of pending entries")? {
                self.source.skip(STREAM_ID_BYTES + TIME_BYTES)?;
                self.number("the number of deliveries")?;
            }
            self.skip_consumers(kind == ValueType::StreamListpacks3)?;
        }
        Ok(())
    }

    fn skip_consumers(&mut self, has_active_time: bool) -> Result<(), RdbError> {
        for _ in 0..self.number("the number of consumers")? {
            self.skip_string()?;
            self.source.skip(if has_active_time { 2 * TIME_BYTES } else { TIME_BYTES })?;
            for _ in 0..self.number("the number of pending entries")? {
                self.source.skip(STREAM_ID_BYTES)?;
            }
        }
        Ok(())
    }

    fn skip_numbers(&mut self, count: u32) -> Result<(), RdbError> {
        for _ in 0..count {
            self.number("a number of a stream")?;
        }
        Ok(())
    }
}

/// Gives a type the parts of its value, up to the first error: what the type makes of that does not count.
struct Parts<'w, I> {
    wire: &'w mut Wire<I>,
    error: Option<RdbError>,
}

impl<I: Input> Parts<'_, I> {
    fn read<T>(
        &mut self,
        what: &'static str,
        kinds: &[u64],
        read: impl FnOnce(&mut Wire<I>) -> Result<T, RdbError>,
    ) -> Result<T, CannotLoad> {
        let failed = CannotLoad("its parts are not those of a value");
        if self.error.is_some() {
            return Err(failed);
        }
        let offset = self.wire.offset();
        let read = self.wire.number(what).and_then(|kind| {
            if kinds.contains(&kind) { read(self.wire) } else { Err(RdbError::corrupt(offset, what, kind)) }
        });
        read.map_err(|error| {
            self.error = Some(error);
            failed
        })
    }
}

impl<I: Input> ReadParts for Parts<'_, I> {
    fn unsigned(&mut self) -> Result<u64, CannotLoad> {
        self.read("an integer of a module (kind 1 or 2)", &[PART_UNSIGNED, PART_SIGNED], |wire| {
            wire.number("an integer")
        })
    }

    fn signed(&mut self) -> Result<i64, CannotLoad> {
        self.unsigned().map(u64::cast_signed)
    }

    fn float(&mut self) -> Result<f32, CannotLoad> {
        self.read("a float of a module (kind 3)", &[PART_FLOAT], |wire| wire.array().map(f32::from_le_bytes))
    }

    fn double(&mut self) -> Result<f64, CannotLoad> {
        self.read("a double of a module (kind 4)", &[PART_DOUBLE], |wire| wire.array().map(f64::from_le_bytes))
    }

    fn string(&mut self) -> Result<Vec<u8>, CannotLoad> {
        self.read("a string of a module (kind 5)", &[PART_STRING], |wire| {
            let mut bytes = Vec::new();
            wire.string(&mut bytes)?;
            Ok(bytes)
        })
    }
}
