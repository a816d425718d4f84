//! The bound on memory: what is allocated while an input runs may at no moment be more than twice its size and 64 MB.
//!
//! Counted by the allocator of the process, so that libFuzzer's own memory, which is C++'s, does not count.
#![expect(unsafe_code, reason = "an allocator that counts can only be written as an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an input may take beside twice its size, in bytes.
const ALLOWANCE_BYTES: usize = 64 << 20;

/// A peak is told when it is this much above the last that was, in bytes.
const TOLD_STEP_BYTES: usize = 1 << 20;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOLD: AtomicUsize = AtomicUsize::new(0);
/// What may be live; the greatest number while nothing is bounded.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs `body` for an input of `input_bytes` bytes. Memory beyond the bound ends the process, with a backtrace of where it was
/// asked for.
pub(crate) fn bounded(input_bytes: usize, body: impl FnOnce()) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    LIMIT.store(before + 2 * input_bytes + ALLOWANCE_BYTES, Ordering::Relaxed);
    body();
    LIMIT.store(usize::MAX, Ordering::Relaxed);
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    if peak >= TOLD.load(Ordering::Relaxed) + TOLD_STEP_BYTES {
        TOLD.store(peak, Ordering::Relaxed);
        eprintln!("memory: {peak} bytes at most for an input of {input_bytes} bytes");
    }
}

struct Counting;

impl Counting {
    fn add(bytes: usize) {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(live, Ordering::Relaxed);
        if live > LIMIT.load(Ordering::Relaxed) {
            Self::refuse(live, bytes);
        }
    }

    fn sub(bytes: usize) {
        LIVE.fetch_sub(bytes, Ordering::Relaxed);
    }

    #[cold]
    fn refuse(live: usize, bytes: usize) {
        LIMIT.store(usize::MAX, Ordering::Relaxed);
        let place = Backtrace::force_capture();
        eprintln!("memory: too much for this input: {live} bytes live, of which {bytes} were asked for here:\n{place}");
        std::process::abort();
    }
}

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        Self::sub(layout.size());
        // SAFETY: the caller's promises are passed on, and all memory came from this allocator.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both may be there for a moment, but whether they are is the allocator's business.
        Self::add(new_size);
        Self::sub(layout.size());
        // SAFETY: as in `dealloc`, and the caller promises a valid new size.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
