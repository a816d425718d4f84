//! Which names a [`Dir`](crate::Dir) takes: one component, so that no caller can leave the directory by a name.
//!
//! The errors carry a bare errno and so allocate nothing: a forked child checks names too.

use std::io;

/// Longest name in bytes (`NAME_MAX` of every Linux file system that matters).
const MAX_NAME_BYTES: usize = 255;

/// Refuses what is no single, plain component.
pub(crate) fn check(name: &str) -> io::Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.bytes().any(|byte| byte == b'/' || byte == 0) {
        return Err(errno(libc::EINVAL));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(errno(libc::ENAMETOOLONG));
    }
    Ok(())
}

/// An error from a bare errno.
pub(crate) fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_directory() {
        for bad in ["", ".", "..", "a/b", "/", "../x", "a\0b"] {
            assert_eq!(check(bad).unwrap_err().raw_os_error(), Some(libc::EINVAL), "{bad:?}");
        }
        assert_eq!(check(&"x".repeat(256)).unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
        for good in ["appendonly.aof", "..x", "-", "temp-rewriteaof-1.aof", &"x".repeat(255)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
