//! The process title that `ps` shows: the bytes of the argument area, overwritten in place.
//!
//! Source of the method: setproctitle as Redis and others do it. The area's bounds are read from /proc, so nothing has to
//! be caught before `main`; a title longer than the area is cut. Writing it allocates nothing, as a forked child demands.
#![expect(clippy::disallowed_methods, reason = "reads /proc about this process")]

use std::sync::atomic::{AtomicUsize, Ordering};

/// Address and length of the argument area; zero until known.
static AREA_START: AtomicUsize = AtomicUsize::new(0);
static AREA_LEN: AtomicUsize = AtomicUsize::new(0);

/// Finds the area and sets the server's title. Called once, before anything forks.
pub(crate) fn set(title: &str) {
    if let Some((start, end)) = argument_area() {
        AREA_START.store(start, Ordering::Relaxed);
        AREA_LEN.store(end - start, Ordering::Relaxed);
        overwrite(title);
    }
}

/// Fields 48 and 49 of /proc/self/stat: arg_start and arg_end. The second field, the name, may hold spaces, so counting
/// starts behind its closing parenthesis.
fn argument_area() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(45);
    let start: usize = fields.next()?.parse().ok()?;
    let end: usize = fields.next()?.parse().ok()?;
    (start != 0 && end > start).then_some((start, end))
}

/// Sets the title. Allocates nothing and takes no lock: a forked child calls it too.
#[expect(unsafe_code, reason = "the argument area has no other interface")]
pub(crate) fn overwrite(title: &str) {
    let start = AREA_START.load(Ordering::Relaxed);
    let len = AREA_LEN.load(Ordering::Relaxed);
    if start == 0 {
        return;
    }
    let n = title.len().min(len - 1);
    let area = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel mapped `len` writable bytes at `start` for this process's arguments and keeps them there. The
    // standard library copied the arguments it hands out before this runs, and this is the only writer (one thread).
    unsafe {
        std::ptr::copy_nonoverlapping(title.as_ptr(), area, n);
        std::ptr::write_bytes(area.add(n), 0, len - n);
    }
}
