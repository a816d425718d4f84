//! The id of the machine's boot: another one means that the page cache is gone, so what can be read was on the disk.

use std::fmt;
use std::str::FromStr;

/// The id of one boot of the machine, 16 bytes, as Linux gives it in `/proc/sys/kernel/random/boot_id`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// The text is no boot id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a boot id: expected 32 hexadecimal digits in groups of 8-4-4-4-12")]
pub struct BadBootId;

/// Where the hyphens stand in the 36 characters.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl FromStr for BootId {
    type Err = BadBootId;

    /// Parses the kernel's text, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, with or without its newline.
    fn from_str(text: &str) -> Result<Self, BadBootId> {
        let text = text.strip_suffix('\n').unwrap_or(text).as_bytes();
        if text.len() != 36 || HYPHENS.iter().any(|&at| text[at] != b'-') {
            return Err(BadBootId);
        }
        let mut id = [0_u8; 16];
        let mut nibbles = text.iter().enumerate().filter(|(at, _)| !HYPHENS.contains(at)).map(|(_, &digit)| digit);
        for byte in &mut id {
            *byte = nibble(nibbles.next())? << 4 | nibble(nibbles.next())?;
        }
        Ok(Self(id))
    }
}

fn nibble(digit: Option<u8>) -> Result<u8, BadBootId> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(BadBootId),
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootId({self})")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "compares with what the kernel says")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_running_kernels_own_id_parses() {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(text.parse::<BootId>().unwrap().to_string(), text.trim());
    }

    #[test]
    fn anything_else_is_refused() {
        let good = "6c9e5d1a-0b7e-4a51-9f60-0123456789ab";
        assert!(good.parse::<BootId>().is_ok());
        for bad in ["", "\n", &good[1..], &good.replace('-', "0"), &good.replace('c', "g"), &format!("{good} ")] {
            assert_eq!(bad.parse::<BootId>(), Err(BadBootId), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(id: [u8; 16]) {
            prop_assert_eq!(BootId(id).to_string().parse(), Ok(BootId(id)));
        }
    }
}
