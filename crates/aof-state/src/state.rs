//! The state file's content, byte by byte.
//!
//! One record for the log, and beside it one for each file that was about to take its name when the file was written: four at
//! most. All numbers little-endian, 80 bytes a record:
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 | magic: `LSTONEST` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | flags: bit 0 clean end, bit 1 birth time known, bit 2 mark kept, bit 3 announced, bit 4 a copy; the others 0 |
//! | 16 | 8 | inode number of the log |
//! | 24 | 8 | birth time of the log in nanoseconds since the epoch; 0 if not known |
//! | 32 | 16 | mark (generation) of the log; zeros if none is kept |
//! | 48 | 16 | boot id of the machine when this was written |
//! | 64 | 8 | offset in the log's file up to which an fsync has succeeded |
//! | 72 | 8 | CRC-64 (Jones, as in RDB files) of bytes 0 to 71 |
//!
//! Another version is another layout: it is not read, which costs one proof of the log's tail at the next start.

use crate::{BootId, Identity};
use crc_fast::{CrcAlgorithm, checksum};

/// Length of one record in bytes.
pub const STATE_FILE_BYTES: usize = 80;

/// How many records a state file holds at most: the log's, and those of files announced since. More than one of these are only
/// there after switches whose end is not known to be durable.
pub const MOST_RECORDS: usize = 4;

const MAGIC: [u8; 8] = *b"LSTONEST";
const VERSION: u32 = 1;
const CLEAN_END: u32 = 1;
const BIRTH_KNOWN: u32 = 1 << 1;
const MARK_KEPT: u32 = 1 << 2;
const ANNOUNCED: u32 = 1 << 3;
const COPY: u32 = 1 << 4;
/// Where the checksum stands, and so what it covers.
const CRC_AT: usize = 72;

/// What is known for certain about a log: up to where it was fsynced, and whether it was closed in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFile {
    /// The file it speaks of.
    pub identity: Identity,
    /// The boot in which it was written.
    pub boot_id: BootId,
    /// An fsync that covered the file up to this offset, in bytes, has succeeded. A lower bound, where a command or a transaction ends:
    /// whoever recovers the file takes a part of one before it for damage.
    pub fsynced_offset_bytes: u64,
    /// The server ended in order, with everything fsynced: the file is exactly `fsynced_offset_bytes` long and proven.
    pub clean_end: bool,
    /// Written before the file got the log's name, or, of a copy, while that was not known to be durable: it says nothing of the name, only of
    /// the file.
    pub announced: bool,
    /// The file is a copy of a dataset that a server had without a log: it made it, or had it when its log was turned off, and nobody has gone
    /// on with it.
    pub copy: bool,
}

/// Why bytes are no state file of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Too short or too long: torn, or never one.
    #[error("{len_bytes} bytes long instead of {STATE_FILE_BYTES} a record, and {MOST_RECORDS} records at most")]
    Length {
        /// Its length.
        len_bytes: u64,
    },
    /// Something else, or zeros left by a power loss.
    #[error("no state file: wrong magic")]
    Magic,
    /// Written by another version of this program.
    #[error("version {version} instead of {VERSION}")]
    Version {
        /// The version it states.
        version: u32,
    },
    /// Torn or damaged.
    #[error("checksum mismatch")]
    Checksum,
    /// Flags that this version does not write, under a right checksum.
    #[error("unknown flags {flags:#x}")]
    Flags {
        /// The flags it states.
        flags: u32,
    },
}

impl StateFile {
    /// The bytes of a record.
    #[must_use]
    pub fn encode(&self) -> [u8; STATE_FILE_BYTES] {
        let Identity { inode, birth_ns, mark } = self.identity;
        let mut flags = 0;
        for (bit, is_set) in [
            (CLEAN_END, self.clean_end),
            (BIRTH_KNOWN, birth_ns.is_some()),
            (MARK_KEPT, mark.is_some()),
            (ANNOUNCED, self.announced),
            (COPY, self.copy),
        ] {
            if is_set {
                flags |= bit;
            }
        }
        let mut out = [0_u8; STATE_FILE_BYTES];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&flags.to_le_bytes());
        out[16..24].copy_from_slice(&inode.to_le_bytes());
        out[24..32].copy_from_slice(&birth_ns.unwrap_or(0).to_le_bytes());
        out[32..48].copy_from_slice(&mark.unwrap_or_default());
        out[48..64].copy_from_slice(&self.boot_id.0);
        out[64..72].copy_from_slice(&self.fsynced_offset_bytes.to_le_bytes());
        let crc = crc64(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        debug_assert_eq!(Self::decode(&out), Ok(*self), "what is written reads back");
        out
    }

    /// Reads the records of a file: at least one.
    ///
    /// # Errors
    /// The first reason why they are none. One bad record spoils all: the file was written as a whole.
    pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let (records, rest) = bytes.as_chunks::<STATE_FILE_BYTES>();
        if !(1..=MOST_RECORDS).contains(&records.len()) || !rest.is_empty() {
            return Err(DecodeError::Length { len_bytes: bytes.len() as u64 });
        }
        records.iter().map(|record| Self::decode(record)).collect()
    }

    /// Reads the bytes of a record.
    ///
    /// # Errors
    /// The first reason why they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Ok(bytes) = <&[u8; STATE_FILE_BYTES]>::try_from(bytes) else {
            return Err(DecodeError::Length { len_bytes: bytes.len() as u64 });
        };
        if field::<8>(bytes, 0) != MAGIC {
            return Err(DecodeError::Magic);
        }
        if crc64(&bytes[..CRC_AT]) != u64::from_le_bytes(field(bytes, CRC_AT)) {
            return Err(DecodeError::Checksum);
        }
        let version = u32::from_le_bytes(field(bytes, 8));
        if version != VERSION {
            return Err(DecodeError::Version { version });
        }
        let flags = u32::from_le_bytes(field(bytes, 12));
        if flags & !(CLEAN_END | BIRTH_KNOWN | MARK_KEPT | ANNOUNCED | COPY) != 0 {
            return Err(DecodeError::Flags { flags });
        }
        let identity = Identity {
            inode: u64::from_le_bytes(field(bytes, 16)),
            birth_ns: (flags & BIRTH_KNOWN != 0).then(|| u64::from_le_bytes(field(bytes, 24))),
            mark: (flags & MARK_KEPT != 0).then(|| field(bytes, 32)),
        };
        Ok(Self {
            identity,
            boot_id: BootId(field(bytes, 48)),
            fsynced_offset_bytes: u64::from_le_bytes(field(bytes, 64)),
            clean_end: flags & CLEAN_END != 0,
            announced: flags & ANNOUNCED != 0,
            copy: flags & COPY != 0,
        })
    }
}

/// The `N` bytes at `at`, which the layout above keeps inside the file.
fn field<const N: usize>(bytes: &[u8; STATE_FILE_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn crc64(bytes: &[u8]) -> u64 {
    checksum(CrcAlgorithm::Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_state() -> impl Strategy<Value = StateFile> {
        (any::<(u64, Option<u64>, Option<[u8; 16]>)>(), any::<([u8; 16], u64, bool, bool, bool)>()).prop_map(
            |((inode, birth_ns, mark), (boot_id, fsynced_offset_bytes, clean_end, announced, copy))| StateFile {
                identity: Identity { inode, birth_ns, mark },
                boot_id: BootId(boot_id),
                fsynced_offset_bytes,
                clean_end,
                announced,
                copy,
            },
        )
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let state = StateFile {
            identity: Identity { inode: 0x0102, birth_ns: Some(3), mark: Some([4; 16]) },
            boot_id: BootId([5; 16]),
            fsynced_offset_bytes: 6,
            clean_end: true,
            announced: false,
            copy: true,
        };
        let bytes = state.encode();
        assert_eq!(&bytes[..16], b"LSTONEST\x01\0\0\0\x17\0\0\0");
        assert_eq!((bytes[16], bytes[17], bytes[24], bytes[64]), (2, 1, 3, 6));
        assert_eq!((&bytes[32..48], &bytes[48..64]), (&[4; 16][..], &[5; 16][..]));
        // The check value of CRC-64/Jones, so that the polynomial is the one stated.
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn zeros_of_the_right_length_are_no_state_file() {
        assert_eq!(StateFile::decode(&[0; STATE_FILE_BYTES]), Err(DecodeError::Magic));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = StateFile {
            identity: Identity { inode: 1, birth_ns: None, mark: None },
            boot_id: BootId([0; 16]),
            fsynced_offset_bytes: 0,
            clean_end: false,
            announced: true,
            copy: false,
        }
        .encode();
        assert_eq!(bytes[12], 8);
        bytes[8] = 2;
        let crc = crc64(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(StateFile::decode(&bytes), Err(DecodeError::Version { version: 2 }));
    }

    proptest! {
        #[test]
        fn encode_and_decode_are_inverse(state in any_state()) {
            prop_assert_eq!(StateFile::decode(&state.encode()), Ok(state));
        }

        #[test]
        fn a_file_is_one_record_to_four_and_every_one_whole(states in proptest::collection::vec(any_state(), 1..=MOST_RECORDS), cut in 1..STATE_FILE_BYTES) {
            let bytes: Vec<u8> = states.iter().flat_map(StateFile::encode).collect();
            prop_assert_eq!(StateFile::decode_all(&bytes), Ok(states));
            prop_assert!(StateFile::decode_all(&bytes[..bytes.len() - cut]).is_err());
            prop_assert!(StateFile::decode_all(&bytes.repeat(MOST_RECORDS + 1)).is_err());
        }

        #[test]
        fn a_cut_or_flipped_file_is_refused(state in any_state(), at in 0..STATE_FILE_BYTES, bit in 0_u32..8) {
            let mut bytes = state.encode();
            prop_assert!(StateFile::decode(&bytes[..at]).is_err());
            bytes[at] ^= 1 << bit;
            prop_assert!(StateFile::decode(&bytes).is_err());
        }
    }
}
