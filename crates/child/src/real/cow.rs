//! How much memory a child has of its own: `Private_Dirty` of `/proc/self/smaps_rollup`, read into a stack buffer.
//!
//! After a fork every page is shared; one written by either process becomes private and dirty in the child's account.
#![expect(clippy::disallowed_methods, reason = "reads /proc about this process")]

use std::ffi::CStr;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::read;

const FILE: &CStr = c"/proc/self/smaps_rollup";

/// The bytes of private dirty memory; 0 where it cannot be known. Allocates nothing.
pub(super) fn private_dirty_bytes() -> u64 {
    let Ok(file) = open(FILE, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else { return 0 };
    let mut text = [0; 2048];
    let mut len = 0;
    while len < text.len() {
        match read(&file, &mut text[len..]) {
            Ok(n) if n > 0 => len += n,
            _ => break,
        }
    }
    parse(&text[..len])
}

fn parse(text: &[u8]) -> u64 {
    const FIELD: &[u8] = b"Private_Dirty:";
    let Some(at) = text.windows(FIELD.len()).position(|window| window == FIELD) else { return 0 };
    let digits = text[at + FIELD.len()..].iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit());
    let kilobytes = digits.fold(0_u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')));
    kilobytes.saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_among_the_others() {
        let text =
            b"55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 12 kB\nPrivate_Clean:  7 kB\nPrivate_Dirty:      92 kB\n";
        assert_eq!(parse(text), 92 * 1024);
        assert_eq!(parse(b"Rss: 12 kB\n"), 0);
    }

    #[test]
    fn a_process_has_private_memory() {
        assert!(private_dirty_bytes() > 0);
    }
}
