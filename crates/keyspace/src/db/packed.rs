//! A small key with a small string in one allocation.
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | flags |
//! | 1 | length of the key |
//! | 8, with `DEADLINE` | deadline, little-endian |
//! | … | key |
//! | the rest | text; with `INT`, an integer of 8 bytes, little-endian |

use crate::time::UnixMs;
use crate::types::elem::Elem;
use crate::types::string::StrRef;

const INT: u8 = 1;
const RAW: u8 = 2;
const DEADLINE: u8 = 4;

/// Longest text that is packed with its key. A longer one is worth an allocation of its own: it is then moved, not
/// copied, when it is replaced or renamed.
const MAX_TEXT_BYTES: usize = 1024;
/// Its length takes one byte.
const MAX_KEY_BYTES: usize = 255;
const HEAD_BYTES: usize = 2;
const DEADLINE_BYTES: usize = 8;

/// A small key with a small string.
#[derive(Clone, Debug)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    /// Packs, if both are small.
    pub(super) fn new(key: &[u8], value: StrRef<'_>, deadline: Option<UnixMs>) -> Option<Self> {
        let key_len = u8::try_from(key.len()).ok().filter(|&len| usize::from(len) <= MAX_KEY_BYTES)?;
        let (kind, int);
        let text = match value.elem() {
            Elem::Int(value) => {
                (kind, int) = (INT, value.to_le_bytes());
                &int[..]
            }
            Elem::Bytes(text) if text.len() <= MAX_TEXT_BYTES => {
                kind = if value.is_raw() { RAW } else { 0 };
                text
            }
            Elem::Bytes(_) => return None,
        };
        let deadline_bytes = if deadline.is_some() { DEADLINE_BYTES } else { 0 };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + deadline_bytes + key.len() + text.len());
        bytes.push(if deadline.is_some() { kind | DEADLINE } else { kind });
        bytes.push(key_len);
        if let Some(UnixMs(at)) = deadline {
            bytes.extend_from_slice(&at.to_le_bytes());
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(text);
        Some(Self(bytes.into_boxed_slice()))
    }

    fn has(&self, flag: u8) -> bool {
        self.0[0] & flag != 0
    }

    fn key_start(&self) -> usize {
        if self.has(DEADLINE) { HEAD_BYTES + DEADLINE_BYTES } else { HEAD_BYTES }
    }

    fn text_start(&self) -> usize {
        self.key_start() + usize::from(self.0[1])
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.0[self.key_start()..self.text_start()]
    }

    pub(super) fn value(&self) -> StrRef<'_> {
        let text = &self.0[self.text_start()..];
        if self.has(INT) {
            let int = i64::from_le_bytes(text.try_into().expect("an integer is packed as eight bytes"));
            StrRef::new(Elem::Int(int), false)
        } else {
            StrRef::new(Elem::Bytes(text), self.has(RAW))
        }
    }

    pub(super) fn deadline(&self) -> Option<UnixMs> {
        let bytes = self.has(DEADLINE).then(|| &self.0[HEAD_BYTES..HEAD_BYTES + DEADLINE_BYTES])?;
        Some(UnixMs(i64::from_le_bytes(bytes.try_into().expect("a deadline is packed as eight bytes"))))
    }

    /// Overwrites value and deadline where they fit without a new allocation; false where they do not.
    pub(super) fn overwrite(&mut self, value: StrRef<'_>, deadline: Option<UnixMs>) -> bool {
        let (kind, int);
        let text = match value.elem() {
            Elem::Int(value) => {
                (kind, int) = (INT, value.to_le_bytes());
                &int[..]
            }
            Elem::Bytes(text) => {
                kind = if value.is_raw() { RAW } else { 0 };
                text
            }
        };
        let start = self.text_start();
        if deadline.is_some() != self.has(DEADLINE) || text.len() != self.0.len() - start {
            return false;
        }
        self.0[0] = self.0[0] & DEADLINE | kind;
        if let Some(UnixMs(at)) = deadline {
            self.0[HEAD_BYTES..HEAD_BYTES + DEADLINE_BYTES].copy_from_slice(&at.to_le_bytes());
        }
        self.0[start..].copy_from_slice(text);
        true
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.len()
    }
}
