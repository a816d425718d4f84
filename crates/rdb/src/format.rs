//! The numbers of the format: versions, opcodes, value types and string encodings.
//!
//! Source: `rdb.h` of Redis 7.2 and of Valkey 8.0 (facts).

/// What every file begins with; four digits of the version follow.
pub(crate) const MAGIC: &[u8; 5] = b"REDIS";

/// The oldest version that is read.
pub const OLDEST_VERSION: u32 = 1;

/// The newest version that is read: that of Redis 7.4.
pub const NEWEST_VERSION: u32 = 12;

/// The oldest version that is written: that of Redis 5 and 6.
pub(crate) const OLDEST_WRITTEN_VERSION: u16 = 9;

/// From this version on a file ends in a checksum.
pub(crate) const CHECKSUM_SINCE: u32 = 5;

/// Slot of a cluster that the next keys belong to.
pub(crate) const OP_SLOT_INFO: u8 = 244;
/// A library of functions.
pub(crate) const OP_FUNCTION: u8 = 245;
/// A library of functions as release candidates of Redis 7.0 wrote it.
pub(crate) const OP_FUNCTION_PRE_GA: u8 = 246;
/// Data of a module beside the keys.
pub(crate) const OP_MODULE_AUX: u8 = 247;
/// Seconds since the next key was used.
pub(crate) const OP_IDLE: u8 = 248;
/// How often the next key was used.
pub(crate) const OP_FREQ: u8 = 249;
/// A field and its value.
pub(crate) const OP_AUX: u8 = 250;
/// How many keys the database has.
pub(crate) const OP_RESIZE_DB: u8 = 251;
/// The deadline of the next key in milliseconds.
pub(crate) const OP_EXPIRE_MS: u8 = 252;
/// The deadline of the next key in seconds.
pub(crate) const OP_EXPIRE_S: u8 = 253;
/// The database of the next keys.
pub(crate) const OP_SELECT_DB: u8 = 254;
/// The end; the checksum follows.
pub(crate) const OP_EOF: u8 = 255;

/// The two high bits of a length: six bits, fourteen bits, more bytes, an encoded string.
pub(crate) const LEN_14_BITS: u8 = 0x40;
/// Four bytes follow, the highest first.
pub(crate) const LEN_32_BITS: u8 = 0x80;
/// Eight bytes follow, the highest first.
pub(crate) const LEN_64_BITS: u8 = 0x81;
/// No length: the low six bits say how the string is encoded.
pub(crate) const LEN_ENCODED: u8 = 0xc0;

/// Encodings of a string: integers of 1, 2 and 4 bytes, and LZF.
pub(crate) const ENC_I8: u8 = 0;
/// Two bytes, the lowest first.
pub(crate) const ENC_I16: u8 = 1;
/// Four bytes, the lowest first.
pub(crate) const ENC_I32: u8 = 2;
/// Compressed length, length, compressed bytes.
pub(crate) const ENC_LZF: u8 = 3;

/// In front of a score of the oldest sorted sets, in place of the length of its text.
pub(crate) const SCORE_NAN: u8 = 253;
/// Positive infinity.
pub(crate) const SCORE_INF: u8 = 254;
/// Negative infinity.
pub(crate) const SCORE_NEG_INF: u8 = 255;

/// A node of a list: one element.
pub(crate) const NODE_PLAIN: u64 = 1;
/// A node of a list: a listpack.
pub(crate) const NODE_PACKED: u64 = 2;

/// What a part of a module's value is.
pub(crate) const PART_EOF: u64 = 0;
/// A signed integer.
pub(crate) const PART_SIGNED: u64 = 1;
/// An unsigned integer; what `RedisModule_SaveSigned` writes as well.
pub(crate) const PART_UNSIGNED: u64 = 2;
/// Four bytes.
pub(crate) const PART_FLOAT: u64 = 3;
/// Eight bytes.
pub(crate) const PART_DOUBLE: u64 = 4;
/// A string.
pub(crate) const PART_STRING: u64 = 5;

/// Longest string that is accepted, in bytes: what the keyspace can hold as one element.
pub const MAX_STRING_BYTES: u64 = (1 << 32) - (1 << 16);

/// How a value is laid out: the byte in front of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValueType {
    /// A string.
    String = 0,
    /// A list, element by element.
    List = 1,
    /// A set, member by member.
    Set = 2,
    /// A sorted set, its scores as text.
    ZSet = 3,
    /// A hash, field by field.
    Hash = 4,
    /// A sorted set, its scores as doubles.
    ZSet2 = 5,
    /// A value of a module in a form that cannot be walked over.
    ModulePreGa = 6,
    /// A value of a module, in parts.
    Module2 = 7,
    /// A hash as a zipmap (Redis 2.4).
    HashZipmap = 9,
    /// A list as a ziplist.
    ListZiplist = 10,
    /// A set as sorted integers.
    SetIntset = 11,
    /// A sorted set as a ziplist.
    ZSetZiplist = 12,
    /// A hash as a ziplist.
    HashZiplist = 13,
    /// A list as a sequence of ziplists.
    ListQuicklist = 14,
    /// A stream.
    StreamListpacks = 15,
    /// A hash as a listpack.
    HashListpack = 16,
    /// A sorted set as a listpack.
    ZSetListpack = 17,
    /// A list as a sequence of listpacks and large elements.
    ListQuicklist2 = 18,
    /// A stream with its first entry and a count of all entries ever (Redis 7.0).
    StreamListpacks2 = 19,
    /// A set as a listpack (Redis 7.2).
    SetListpack = 20,
    /// A stream with its consumers' last activity (Redis 7.2).
    StreamListpacks3 = 21,
}

impl ValueType {
    const ALL: [Self; 21] = [
        Self::String,
        Self::List,
        Self::Set,
        Self::ZSet,
        Self::Hash,
        Self::ZSet2,
        Self::ModulePreGa,
        Self::Module2,
        Self::HashZipmap,
        Self::ListZiplist,
        Self::SetIntset,
        Self::ZSetZiplist,
        Self::HashZiplist,
        Self::ListQuicklist,
        Self::StreamListpacks,
        Self::HashListpack,
        Self::ZSetListpack,
        Self::ListQuicklist2,
        Self::StreamListpacks2,
        Self::SetListpack,
        Self::StreamListpacks3,
    ];

    /// The type that `byte` stands for, if it is known.
    pub fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The byte in front of the key.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List | Self::ListZiplist | Self::ListQuicklist | Self::ListQuicklist2 => "list",
            Self::Set | Self::SetIntset | Self::SetListpack => "set",
            Self::ZSet | Self::ZSet2 | Self::ZSetZiplist | Self::ZSetListpack => "sorted set",
            Self::Hash | Self::HashZipmap | Self::HashZiplist | Self::HashListpack => "hash",
            Self::StreamListpacks | Self::StreamListpacks2 | Self::StreamListpacks3 => "stream",
            Self::ModulePreGa => "module value of a release candidate",
            Self::Module2 => "module value",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_byte_of_its_own() {
        for byte in 0..=u8::MAX {
            assert_eq!(ValueType::of(byte).map(ValueType::byte), (byte <= 21 && byte != 8).then_some(byte));
        }
    }
}
