//! The name that the child gives its complete file. The other names are `aof_state::TempFile`'s; so is this one, but the child
//! may not allocate.

use numeric::IntBuf;

/// `temp-rewriteaof-bg-<child pid>.aof`, on the stack.
pub(crate) struct CompleteName {
    bytes: [u8; Self::ROOM_BYTES],
    len: usize,
}

impl CompleteName {
    const ROOM_BYTES: usize = 48;

    /// The name for the child with this process id.
    pub(crate) fn of(child_pid: i32) -> Self {
        let mut digits = IntBuf::new();
        let mut name = Self { bytes: [0; Self::ROOM_BYTES], len: 0 };
        for part in [b"temp-rewriteaof-bg-", digits.format(i64::from(child_pid)), b".aof"] {
            name.bytes[name.len..name.len + part.len()].copy_from_slice(part);
            name.len += part.len();
        }
        name
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("made of ASCII")
    }
}

#[cfg(test)]
mod tests {
    use aof_state::TempFile;

    use super::*;

    #[test]
    fn the_name_is_the_one_that_start_up_removes() {
        for pid in [1, 4_194_304, i32::MAX] {
            let expected = TempFile::RewriteDone { pid: pid.cast_unsigned() }.name("appendonly.aof");
            assert_eq!(CompleteName::of(pid).as_str(), expected);
        }
    }
}
