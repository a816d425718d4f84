//! Single values, as DUMP gives them and RESTORE takes them: type byte, value, two bytes of version, CRC-64.

use rio::Source;

use crate::error::{Found, RdbError};
use crate::format::{NEWEST_VERSION, OLDEST_WRITTEN_VERSION, ValueType};
use crate::read::wire::Wire;
use crate::read::{Content, Options, read_content};

/// Bytes of version and checksum.
const FOOTER_BYTES: usize = 10;
/// Bytes of the checksum.
const SUM_BYTES: usize = 8;
/// The buffer between payload and reader, in bytes.
const BUFFER_BYTES: usize = 4096;

/// A payload whose version is known and whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// All but the footer.
    value: &'a [u8],
    version: u32,
}

impl<'a> Payload<'a> {
    /// Verifies the footer.
    ///
    /// The checksum is always compared, and counts even where it is 0: it was made a moment ago, not by a server that was told to
    /// save time.
    ///
    /// # Errors
    /// If the payload is too short, of a newer version, or was changed.
    pub fn verify(payload: &'a [u8]) -> Result<Self, RdbError> {
        let Some((value, footer)) = payload.split_last_chunk::<FOOTER_BYTES>() else {
            return Err(RdbError::corrupt(0, "a value, its version and a checksum", Found::End));
        };
        let [low, high, sum @ ..] = *footer;
        let version = u32::from(u16::from_le_bytes([low, high]));
        if version > NEWEST_VERSION {
            return Err(RdbError::Version { offset: value.len() as u64, found: version });
        }
        let summed = payload.len() - SUM_BYTES;
        let (expected, found) = (rio::crc64(&payload[..summed]), u64::from_le_bytes(sum));
        if expected != found {
            return Err(RdbError::Checksum { offset: summed as u64, expected, found });
        }
        Ok(Self { value, version })
    }

    /// Whether every server since Redis 5 takes it as well: by its version and its layout.
    pub fn is_widely_read(&self) -> bool {
        let kind = self.value.first().and_then(|byte| ValueType::of(*byte));
        kind.is_some_and(|kind| kind.byte() <= ValueType::ListQuicklist.byte())
            && self.version <= u32::from(OLDEST_WRITTEN_VERSION)
    }

    /// Reads the value: [`Content::Value`] or, if the options ask for it, [`Content::Module`] or [`Content::Skipped`].
    /// `options.verify_checksum` says nothing here.
    ///
    /// # Errors
    /// If it is not exactly one value, or an empty collection.
    pub fn read(&self, options: &Options) -> Result<Content, RdbError> {
        let source = Source::with_buffer(self.value, Vec::with_capacity(BUFFER_BYTES));
        let mut wire = Wire::new(source, options.max_string_bytes);
        let byte = wire.byte()?;
        let kind = ValueType::of(byte).ok_or_else(|| RdbError::corrupt(0, "a value type", byte))?;
        let content = read_content(&mut wire, options, 0, kind)?;
        let (end, len) = (wire.offset(), self.value.len() as u64);
        if end != len {
            return Err(RdbError::corrupt(end, "nothing behind the value", len.saturating_sub(end)));
        }
        match content {
            Content::Empty(_) => Err(RdbError::corrupt(0, "a value with elements", 0_u64)),
            content => Ok(content),
        }
    }
}

/// Verifies and reads a payload.
///
/// ```
/// let mut payload = Vec::new();
/// let text = keyspace::Str::new(b"hello");
/// rdb::Encoder::reserve(rdb::WriteOptions::default()).payload(keyspace::ValueRef::Str(text.as_ref()), &mut payload).unwrap();
/// assert!(matches!(rdb::read_payload(&payload, &rdb::Options::default()), Ok(rdb::Content::Value(_))));
/// payload[3] ^= 1;
/// assert!(matches!(rdb::read_payload(&payload, &rdb::Options::default()), Err(rdb::RdbError::Checksum { .. })));
/// ```
///
/// # Errors
/// As [`Payload::verify`] and [`Payload::read`].
pub fn read_payload(payload: &[u8], options: &Options) -> Result<Content, RdbError> {
    Payload::verify(payload)?.read(options)
}
