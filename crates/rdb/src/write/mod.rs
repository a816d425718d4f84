//! Writing: a file piece by piece, a keyspace in steps, a single value.
//!
//! An encoder takes its memory when it is made and none after that, so that a forked child may use one made before the fork.

mod list;
mod module;
mod pack;
mod snapshot;
mod string;
mod target;
mod value;

use keyspace::{UnixMs, Unwritable, ValueRef};

pub use module::ModuleWriter;
pub use snapshot::{Preface, Progress, SnapshotSettings, SnapshotWriter};
use string::{Failed, Strings};
pub use target::{StringTooLong, Target};

use crate::format::{
    MAGIC, MAX_STRING_BYTES, OLDEST_WRITTEN_VERSION, OP_AUX, OP_EOF, OP_EXPIRE_MS, OP_FUNCTION, OP_RESIZE_DB,
    OP_SELECT_DB, ValueType,
};
use crate::module::ModuleValue;

/// The versions that can be written: with layouts that Redis 5, 7.0 and 7.2 write.
const VERSIONS: std::ops::RangeInclusive<u16> = OLDEST_WRITTEN_VERSION..=11;

/// The version from which on a file may hold functions.
const FUNCTIONS_SINCE: u16 = 10;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// The version that the file states: 9 (Redis 5 and later read it), 10 (7.0) or 11 (7.2).
    pub version: u16,
    /// Whether strings of more than 20 bytes are compressed where that pays (`rdbcompression`).
    pub compress: bool,
}

impl Default for WriteOptions {
    /// Version 9, compressed.
    fn default() -> Self {
        Self { version: OLDEST_WRITTEN_VERSION, compress: true }
    }
}

/// Writes the pieces of a file. The order is the caller's: head, fields, then for each database its number, its size and its
/// keys, then the end. [`SnapshotWriter`] does all that for a keyspace.
#[derive(Debug)]
pub struct Encoder {
    version: u16,
    strings: Strings,
}

impl Encoder {
    /// Takes all the memory that writing will need, about 200 kB.
    ///
    /// # Panics
    /// If the version is none of 9, 10 and 11.
    pub fn reserve(options: WriteOptions) -> Self {
        assert!(VERSIONS.contains(&options.version), "version {} cannot be written", options.version);
        Self { version: options.version, strings: Strings::reserve(options.compress) }
    }

    /// Refuses strings of more than `bytes`, in place of those that no reader takes back: of more than
    /// [`MAX_STRING_BYTES`].
    #[must_use]
    pub fn with_max_string_bytes(mut self, bytes: u64) -> Self {
        self.strings.max_bytes = bytes.min(MAX_STRING_BYTES);
        self
    }

    /// Writes the first nine bytes.
    ///
    /// # Errors
    /// What the target gave, as for everything below.
    pub fn head<T: Target + ?Sized>(&self, out: &mut T) -> Result<(), T::Error> {
        out.write(MAGIC)?;
        let tens = u8::try_from(self.version / 10).expect("a version of two digits");
        let ones = u8::try_from(self.version % 10).expect("one digit");
        out.write(&[b'0', b'0', b'0' + tens, b'0' + ones])
    }

    /// Writes a field about the file.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn aux<T: Target + ?Sized>(&mut self, out: &mut T, key: &[u8], value: &[u8]) -> Result<(), T::Error> {
        out.write(&[OP_AUX])?;
        self.texts(out, "field of the file", key, &[key, value])
    }

    /// Writes the source text of a library of functions.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    ///
    /// # Panics
    /// If the version is 9, which knows no functions.
    pub fn function<T: Target + ?Sized>(&mut self, out: &mut T, text: &[u8]) -> Result<(), T::Error> {
        assert!(self.version >= FUNCTIONS_SINCE, "version {} knows no functions", self.version);
        out.write(&[OP_FUNCTION])?;
        self.texts(out, "function", &[], &[text])
    }

    fn texts<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        type_name: &str,
        key: &[u8],
        texts: &[&[u8]],
    ) -> Result<(), T::Error> {
        let written = texts.iter().try_for_each(|text| self.strings.write(out, text));
        let whose = Unwritable { type_name, is_custom: false, key, reason: "", command: None };
        written.map_err(|failed| failed.told(out, whose))
    }

    /// Says which database the keys that follow belong to.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn select_db<T: Target + ?Sized>(&self, out: &mut T, db: u32) -> Result<(), T::Error> {
        out.write(&[OP_SELECT_DB])?;
        string::write_length(out, u64::from(db))
    }

    /// Says how many keys follow in this database, and how many of them have a deadline. A hint: more is no harm.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn resize_db<T: Target + ?Sized>(&self, out: &mut T, keys: u64, expires: u64) -> Result<(), T::Error> {
        out.write(&[OP_RESIZE_DB])?;
        string::write_length(out, keys)?;
        string::write_length(out, expires)
    }

    /// Writes a key with its value. An empty collection is no value: Redis passes over it.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn key<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        key: &[u8],
        value: ValueRef<'_>,
        expire_at: Option<UnixMs>,
    ) -> Result<(), T::Error> {
        let layout = self.strings.layout(out, value, self.version)?;
        let written = self.key_head(out, layout.kind, key, expire_at);
        let written = written.and_then(|()| self.strings.value(out, value, layout));
        written.map_err(|failed| failed.told(out, Unwritable::new(value, key, "")))
    }

    /// Begins a key of a custom type, whose value is then written part by part and ended with [`ModuleWriter::finish`].
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn module_key<'e, T: Target + ?Sized>(
        &'e mut self,
        out: &'e mut T,
        key: &'e [u8],
        id: crate::ModuleId,
        expire_at: Option<UnixMs>,
    ) -> Result<ModuleWriter<'e, T>, T::Error> {
        if let Err(failed) = self.key_head(out, ValueType::Module2, key, expire_at) {
            let whose = Unwritable { type_name: "module", is_custom: false, key, reason: "", command: None };
            return Err(failed.told(out, whose));
        }
        ModuleWriter::begin(&mut self.strings, out, id, key)
    }

    fn key_head<T: Target + ?Sized>(
        &mut self,
        out: &mut T,
        kind: ValueType,
        key: &[u8],
        expire_at: Option<UnixMs>,
    ) -> Result<(), Failed<T::Error>> {
        if let Some(UnixMs(at)) = expire_at {
            out.write(&[OP_EXPIRE_MS])?;
            out.write(&at.to_le_bytes())?;
        }
        out.write(&[kind.byte()])?;
        self.strings.write(out, key)
    }

    /// Writes the end and the target's checksum.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn end<T: Target + ?Sized>(&self, out: &mut T) -> Result<(), T::Error> {
        out.write(&[OP_EOF])?;
        let sum = out.checksum().unwrap_or(0);
        out.write(&sum.to_le_bytes())
    }

    /// Appends a value to `out` as DUMP gives it. Here memory is taken: that of `out`.
    ///
    /// # Errors
    /// If no reader would take it back. What `out` holds behind what it held before is of no use then.
    pub fn payload(&mut self, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), StringTooLong> {
        let start = out.len();
        let layout = self.strings.layout(out, value, self.version)?;
        out.push(layout.kind.byte());
        self.strings.value(out, value, layout).map_err(|_| StringTooLong)?;
        self.footer(start, out);
        Ok(())
    }

    /// Appends a value of a custom type to `out` as DUMP gives it.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn module_payload(&mut self, value: &ModuleValue, out: &mut Vec<u8>) -> Result<(), StringTooLong> {
        let start = out.len();
        out.push(ValueType::Module2.byte());
        ModuleWriter::begin(&mut self.strings, out, value.id, &[])?.value(value)?;
        self.footer(start, out);
        Ok(())
    }

    fn footer(&self, start: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_le_bytes());
        let sum = rio::crc64(&out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }
}
