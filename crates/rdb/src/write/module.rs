//! Values of custom types, part by part.

use keyspace::{CustomValue, Unwritable, WriteParts};

use super::Target;
use super::string::{Failed, Strings, write_length};
use crate::format::{PART_DOUBLE, PART_EOF, PART_FLOAT, PART_SIGNED, PART_STRING, PART_UNSIGNED};
use crate::module::{ModuleId, ModuleValue, Part};

/// Writes the parts of one value. Allocates nothing, so that a custom type's own code may use it in a forked child.
#[must_use = "a value that is not finished makes the rest of the file unreadable"]
pub struct ModuleWriter<'e, T: ?Sized> {
    strings: &'e mut Strings,
    out: &'e mut T,
    id: ModuleId,
    key: &'e [u8],
}

impl<'e, T: Target + ?Sized> ModuleWriter<'e, T> {
    pub(super) fn begin(
        strings: &'e mut Strings,
        out: &'e mut T,
        id: ModuleId,
        key: &'e [u8],
    ) -> Result<Self, T::Error> {
        write_length(out, id.bits())?;
        Ok(Self { strings, out, id, key })
    }

    /// Writes an unsigned integer.
    ///
    /// # Errors
    /// What the target gave, as for everything below.
    pub fn unsigned(&mut self, value: u64) -> Result<(), T::Error> {
        self.number(PART_UNSIGNED, value)
    }

    /// Writes a signed integer as `RedisModule_SaveSigned` does, so that a module's `RedisModule_LoadSigned` reads it: under the
    /// mark of an unsigned one.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn signed(&mut self, value: i64) -> Result<(), T::Error> {
        self.number(PART_UNSIGNED, value.cast_unsigned())
    }

    /// Writes a float of four bytes.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn float(&mut self, value: f32) -> Result<(), T::Error> {
        write_length(self.out, PART_FLOAT)?;
        self.out.write(&value.to_le_bytes())
    }

    /// Writes a float of eight bytes.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn double(&mut self, value: f64) -> Result<(), T::Error> {
        write_length(self.out, PART_DOUBLE)?;
        self.out.write(&value.to_le_bytes())
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned); or [`Target::refuse`], if they are more than [`MAX_STRING_BYTES`](crate::MAX_STRING_BYTES).
    pub fn string(&mut self, bytes: &[u8]) -> Result<(), T::Error> {
        self.text(bytes).map_err(|failed| {
            let name = self.id.name();
            let type_name = str::from_utf8(&name).unwrap_or_default();
            failed.told(self.out, Unwritable { type_name, is_custom: true, key: self.key, reason: "", command: None })
        })
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), Failed<T::Error>> {
        write_length(self.out, PART_STRING)?;
        self.strings.write(self.out, bytes)
    }

    /// Writes a part exactly as it was read.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn part(&mut self, part: &Part) -> Result<(), T::Error> {
        match part {
            Part::Signed(value) => self.number(PART_SIGNED, value.cast_unsigned()),
            Part::Unsigned(value) => self.unsigned(*value),
            Part::Float(value) => self.float(*value),
            Part::Double(value) => self.double(*value),
            Part::String(bytes) => self.string(bytes),
        }
    }

    /// Ends the value.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn finish(self) -> Result<(), T::Error> {
        write_length(self.out, PART_EOF)
    }

    /// Writes all parts of `value` and ends it.
    pub(super) fn value(mut self, value: &ModuleValue) -> Result<(), T::Error> {
        for part in &value.parts {
            self.part(part)?;
        }
        self.finish()
    }

    fn number(&mut self, kind: u64, value: u64) -> Result<(), T::Error> {
        write_length(self.out, kind)?;
        write_length(self.out, value)
    }
}

impl Strings {
    /// Writes a value of the keyspace, without the type.
    pub(super) fn parts<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        value: &dyn CustomValue,
    ) -> Result<(), Failed<T::Error>> {
        let writer = ModuleWriter::begin(self, out, ModuleId::of(value.custom_type()), &[])?;
        let mut saved = Saved { writer, error: None };
        value.save(&mut saved);
        match saved.error {
            None => Ok(saved.writer.finish()?),
            Some(error) => Err(error),
        }
    }
}

/// Takes the parts that a value saves, up to the first error: the value is not told of it.
struct Saved<'e, T: Target + ?Sized> {
    writer: ModuleWriter<'e, T>,
    error: Option<Failed<T::Error>>,
}

impl<'e, T: Target + ?Sized> Saved<'e, T> {
    fn write(&mut self, part: impl FnOnce(&mut ModuleWriter<'e, T>) -> Result<(), T::Error>) {
        if self.error.is_none() {
            self.error = part(&mut self.writer).err().map(Failed::Target);
        }
    }
}

impl<T: Target + ?Sized> WriteParts for Saved<'_, T> {
    fn unsigned(&mut self, value: u64) {
        self.write(|writer| writer.unsigned(value));
    }

    fn signed(&mut self, value: i64) {
        self.write(|writer| writer.signed(value));
    }

    fn float(&mut self, value: f32) {
        self.write(|writer| writer.float(value));
    }

    fn double(&mut self, value: f64) {
        self.write(|writer| writer.double(value));
    }

    fn string(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.writer.text(bytes).err();
        }
    }
}
