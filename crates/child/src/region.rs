//! Memory reserved before a fork for the child to fill: pages of their own, never from the allocator.
//!
//! Only address space is taken at first; a page costs memory when the child touches it.
#![expect(unsafe_code, reason = "mmap(2): memory a forked child may use without the allocator")]

use std::io;
use std::ptr::NonNull;

/// An anonymous mapping, zeroed, writable. Unmapped on drop.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone; nothing about it is bound to a thread.
unsafe impl Send for Region {}
// SAFETY: `&Region` gives `&[u8]` only.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves `len` bytes, or fewer where the system grants no more: half, a quarter, down to 64 KB.
    ///
    /// # Errors
    /// That of mmap(2) for the smallest size.
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn reserve(len: usize) -> io::Result<Self> {
        const SMALLEST_BYTES: usize = 64 * 1024;
        assert!(len > 0, "a region has a size");
        let mut len = len;
        loop {
            match Self::map(len) {
                Ok(region) => return Ok(region),
                Err(e) if len <= SMALLEST_BYTES => return Err(e),
                Err(_) => len = (len / 2).max(SMALLEST_BYTES),
            }
        }
    }

    fn map(len: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: no address is asked for, so no existing mapping is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self { start, len })
    }

    /// The memory.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start..start+len` is mapped readable, zeroed by the kernel, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The memory, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, writable too; `&mut self` makes it the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `map`, to which no reference is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_zeroed_and_keeps_what_is_written() {
        let mut region = Region::reserve(1 << 20).unwrap();
        assert!(region.bytes().iter().all(|b| *b == 0));
        region.bytes_mut()[1 << 19] = 7;
        assert_eq!(region.bytes()[1 << 19], 7);
    }

    #[test]
    fn a_size_the_system_refuses_is_made_smaller() {
        let region = Region::reserve(1 << 60).unwrap();
        assert!(!region.bytes().is_empty());
    }
}
