//! A forked child renames and unlinks, and must take nothing from the allocator: another thread may have held its lock
//! at the fork. So the two are counted here, on success and on failure.
#![expect(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use vfs::{Dir, File, Open, RealDir};

thread_local! {
    /// Calls of the allocator by this thread.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every method hands its arguments unchanged to `System`, which keeps the contract; counting touches no memory
// that was allocated, and a const thread-local of a type without a destructor is never allocated itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls_during(what: impl FnOnce() -> bool) -> u64 {
    let before = CALLS.get();
    assert!(what());
    CALLS.get() - before
}

#[test]
fn what_a_forked_child_calls_allocates_nothing() {
    let place = tempfile::tempdir().unwrap();
    let real = RealDir::open(place.path()).unwrap();
    let dir: &dyn Dir = &real;
    let longest = "x".repeat(255);
    let file = dir.open("a", Open::CreateNew).unwrap();
    let file: &dyn File = &*file;
    let text = std::hint::black_box("x");
    assert_eq!(calls_during(|| std::hint::black_box(text.to_owned()) == text), 2, "the counter counts");
    assert_eq!(calls_during(|| dir.rename("a", &longest).is_ok()), 0);
    assert_eq!(calls_during(|| dir.rename("missing", "b").is_err()), 0);
    assert_eq!(calls_during(|| dir.unlink("missing").is_err()), 0);
    assert_eq!(calls_during(|| dir.unlink("a/b").is_err()), 0);
    assert_eq!(calls_during(|| file.append(b"x").is_ok() && file.fdatasync().is_ok() && file.fsync().is_ok()), 0);
    assert_eq!(calls_during(|| file.write_at(b"x", 0).is_err()), 0);
    assert_eq!(calls_during(|| dir.unlink(&longest).is_ok()), 0);
}
