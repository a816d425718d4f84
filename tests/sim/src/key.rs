//! A key of the workload, kept in place: a campaign copies and compares keys by the hundred thousand.

use std::fmt;

/// The longest name, in bytes.
const LONGEST_BYTES: usize = 15;

/// A key's name, of a few bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Zeros behind the name, so that the order is that of texts.
    bytes: [u8; LONGEST_BYTES],
    len: u8,
}

impl Key {
    /// A key of the workload.
    ///
    /// # Panics
    /// If the name is longer than any of the workload.
    pub fn new(name: &str) -> Self {
        Self::of(name).unwrap_or_else(|| unreachable!("the workload has no key as long as {name}"))
    }

    /// The key `kind:number`.
    ///
    /// # Panics
    /// If the kind is no ASCII letter.
    pub fn numbered(kind: u8, number: u32) -> Self {
        assert!(kind.is_ascii_alphabetic(), "a kind is a letter");
        let (mut bytes, mut len) = ([0; LONGEST_BYTES], 2);
        (bytes[0], bytes[1]) = (kind, b':');
        let digits = number.checked_ilog10().unwrap_or(0);
        for nth in (0..=digits).rev() {
            bytes[usize::from(len)] = b'0' + u8::try_from(number / 10_u32.pow(nth) % 10).unwrap_or(0);
            len += 1;
        }
        Self { bytes, len }
    }

    /// The key of this name; `None` if the workload has none as long.
    pub fn of(name: &str) -> Option<Self> {
        let mut bytes = [0; LONGEST_BYTES];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self { bytes, len: u8::try_from(name.len()).ok()? })
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_else(|_| unreachable!("it was made of a text"))
    }

    /// The bytes of its name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_key_is_its_letter_and_number() {
        for (number, name) in [(0, "a:0"), (9, "a:9"), (10, "a:10"), (305, "a:305"), (u32::MAX, "a:4294967295")] {
            assert_eq!(Key::numbered(b'a', number), Key::new(name));
        }
    }

    #[test]
    fn keys_are_ordered_as_their_names_and_no_longer_name_becomes_one() {
        let names = ["", "a", "a:1", "a:10", "a:2", "b", "fifteen-letters"];
        let keys = names.map(Key::new);
        assert!(keys.is_sorted() && keys.iter().zip(names).all(|(key, name)| key.as_str() == name));
        assert_eq!(Key::of("sixteen-letters!"), None);
    }
}
