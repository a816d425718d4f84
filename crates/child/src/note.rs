//! A few words of a child about its failure, kept in place: it may not allocate, and its record has a fixed size.

use std::fmt;

/// The longest note, in bytes; what is longer is cut.
pub(crate) const NOTE_BYTES: usize = 199;

/// A few words, written with `write!`, which never fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Note {
    len: u8,
    bytes: [u8; NOTE_BYTES],
}

impl Note {
    /// The bytes of a record: length and room.
    pub(crate) fn encode(&self, out: &mut [u8; NOTE_BYTES + 1]) {
        out[0] = self.len;
        out[1..].copy_from_slice(&self.bytes);
    }

    /// Reads a note back; `None` for bytes that are none.
    pub(crate) fn decode(record: &[u8; NOTE_BYTES + 1]) -> Option<Self> {
        let (len, bytes) = record.split_first()?;
        let bytes = bytes.try_into().ok()?;
        (usize::from(*len) <= NOTE_BYTES).then_some(Self { len: *len, bytes })
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for Note {
    fn default() -> Self {
        Self { len: 0, bytes: [0; NOTE_BYTES] }
    }
}

impl fmt::Write for Note {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[usize::from(self.len)..];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += u8::try_from(taken).expect("shorter than the room for it");
        Ok(())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character may have been cut.
        f.write_str(&String::from_utf8_lossy(&self.bytes[..usize::from(self.len)]))
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_nothing_fails() {
        let mut note = Note::default();
        assert!(note.is_empty());
        for _ in 0..60 {
            write!(note, "a\u{e4}{}", 1).unwrap();
        }
        let text = note.to_string();
        assert!(text.starts_with("a\u{e4}1a\u{e4}1") && text.len() >= NOTE_BYTES, "{text}");
        let mut record = [0; NOTE_BYTES + 1];
        note.encode(&mut record);
        assert_eq!(Note::decode(&record), Some(note));
        record[0] = u8::MAX;
        assert_eq!(Note::decode(&record), None);
    }
}
