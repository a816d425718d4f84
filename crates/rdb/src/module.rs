//! Values of custom types: a type's id, and a value as a sequence of typed parts.
//!
//! The form is that of Redis's modules, so that what an embedding program keeps under a type of its own can be walked over,
//! checked and carried by tools that do not know the type.

use std::fmt;

use keyspace::CustomType;

/// The characters of a type's name, six bits each. Source: `ModuleTypeNameCharSet` of Redis.
const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const NAME_LEN: usize = 9;
const VERSION_BITS: u32 = 10;

/// The 64-bit id of a custom type: a name of nine characters (`A-Z a-z 0-9 - _`) and the version of its layout, 0 to 1023.
///
/// ```
/// let id = rdb::ModuleId::new("ReJSON-RL", 3).unwrap();
/// assert_eq!((&id.name()[..], id.version()), (&b"ReJSON-RL"[..], 3));
/// assert_eq!(id.to_string(), "ReJSON-RL version 3");
/// assert_eq!(rdb::ModuleId::new("short", 0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleId(u64);

impl ModuleId {
    /// Makes an id; `None` if the name is not of nine such characters or the version is above 1023.
    pub fn new(name: &str, version: u16) -> Option<Self> {
        if name.len() != NAME_LEN || version >> VERSION_BITS != 0 {
            return None;
        }
        let mut id = 0;
        for byte in name.bytes() {
            id = id << 6 | CHARACTERS.iter().position(|c| *c == byte)? as u64;
        }
        Some(Self(id << VERSION_BITS | u64::from(version)))
    }

    /// The id of values that a registered type writes.
    pub fn of(ty: &CustomType) -> Self {
        Self::new(ty.name(), ty.version()).expect("a custom type checks its name and version")
    }

    /// The id as a file states it; each number is one.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number that stands in a file.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The name of the type.
    pub fn name(self) -> [u8; NAME_LEN] {
        let mut name = [0; NAME_LEN];
        for (place, byte) in name.iter_mut().rev().enumerate() {
            *byte = CHARACTERS[(self.0 >> (VERSION_BITS as usize + 6 * place) & 63) as usize];
        }
        name
    }

    /// The version of the layout.
    pub fn version(self) -> u16 {
        u16::try_from(self.0 & ((1 << VERSION_BITS) - 1)).expect("ten bits")
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name().escape_ascii(), self.version())
    }
}

impl fmt::Debug for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModuleId({self})")
    }
}

/// One part of a custom value.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A signed integer. Redis's own modules write these as [`Part::Unsigned`]: read them with [`Part::as_i64`].
    Signed(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A float of four bytes.
    Float(f32),
    /// A float of eight bytes.
    Double(f64),
    /// Bytes.
    String(Vec<u8>),
}

impl Part {
    /// The integer, signed, whichever way it was written.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Signed(value) => Some(*value),
            Self::Unsigned(value) => Some(value.cast_signed()),
            _ => None,
        }
    }

    /// The integer, unsigned, whichever way it was written.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_i64().map(i64::cast_unsigned)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A value of a custom type.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleValue {
    /// Whose value it is.
    pub id: ModuleId,
    /// What it is made of, in the order in which it was written.
    pub parts: Vec<Part>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_number_that_redis_makes_of_name_and_version() {
        let id = ModuleId::new("AAAAAAAAB", 5).unwrap();
        assert_eq!(id.bits(), 1 << 10 | 5);
        let last = ModuleId::new("_________", 1023).unwrap();
        assert_eq!(last.bits(), u64::MAX);
        assert_eq!((last.name(), last.version()), (*b"_________", 1023));
        assert_eq!(ModuleId::from_bits(id.bits()), id);
    }

    #[test]
    fn what_is_no_name_or_no_version_makes_no_id() {
        for name in ["", "AAAAAAAA", "AAAAAAAAAA", "AAAA.AAAA", "ääAAAAA"] {
            assert_eq!(ModuleId::new(name, 0), None, "{name}");
        }
        assert_eq!(ModuleId::new("AAAAAAAAA", 1024), None);
    }
}
