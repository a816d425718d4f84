//! The allocator of the program: what is freed is kept, by size, for the thread that freed it.
//!
//! A campaign allocates tens of thousands of small blocks and frees nearly all of them soon, on one thread. A general allocator took a tenth of its
//! time for that. Nothing small is given back to the system: what is kept is bounded by what was in use at a time.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// Sizes are multiples of this, which is also the largest alignment of small blocks.
const GRAIN_BYTES: usize = 16;
/// The largest small block, in bytes. Larger ones are the system's.
const SMALL_BYTES: usize = 1_024;
/// How much is taken from the system at once.
const CHUNK_BYTES: usize = 64 * 1_024;
/// Sizes of small blocks; class 0 is that of no bytes, which nobody asks for.
const CLASSES: usize = SMALL_BYTES / GRAIN_BYTES + 1;

/// The allocator.
pub(crate) struct Kept;

/// What one thread keeps.
struct Lists {
    /// The free blocks of each size; a block holds the address of the next.
    free: [Cell<*mut u8>; CLASSES],
    /// Where the next new block begins in the last chunk.
    next: Cell<*mut u8>,
    /// Bytes left there.
    left_bytes: Cell<usize>,
}

thread_local! {
    static LISTS: Lists =
        const { Lists { free: [const { Cell::new(null_mut()) }; CLASSES], next: Cell::new(null_mut()), left_bytes: Cell::new(0) } };
}

/// The class of a small block. `None`: it is the system's.
fn class(layout: Layout) -> Option<usize> {
    let is_small = layout.size() <= SMALL_BYTES && layout.align() <= GRAIN_BYTES;
    is_small.then(|| layout.size().div_ceil(GRAIN_BYTES))
}

impl Lists {
    fn take(&self, class: usize) -> *mut u8 {
        let block = self.free[class].get();
        if block.is_null() {
            return self.cut(class);
        }
        // SAFETY: a block of the list was pushed by `keep`, which wrote the next one's address there, and has been nobody's since.
        self.free[class].set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    fn keep(&self, class: usize, block: *mut u8) {
        // SAFETY: the block is of this class, so of at least 16 bytes aligned to 16, and its owner has given it up.
        unsafe { block.cast::<*mut u8>().write(self.free[class].get()) };
        self.free[class].set(block);
    }

    /// A new block; null if the system has no memory.
    #[cold]
    fn cut(&self, class: usize) -> *mut u8 {
        let bytes = class * GRAIN_BYTES;
        if self.left_bytes.get() < bytes {
            let Ok(layout) = Layout::from_size_align(CHUNK_BYTES, GRAIN_BYTES) else { return null_mut() };
            // SAFETY: the layout has a size.
            let chunk = unsafe { System.alloc(layout) };
            if chunk.is_null() {
                return chunk;
            }
            self.next.set(chunk);
            self.left_bytes.set(CHUNK_BYTES);
        }
        let block = self.next.get();
        // SAFETY: so many bytes are left of the chunk, which is never freed.
        self.next.set(unsafe { block.add(bytes) });
        self.left_bytes.set(self.left_bytes.get() - bytes);
        block
    }
}

// SAFETY: a small block is cut from a chunk once, 16 bytes aligned and of its class's size, and from then on in use or in one list
// of one thread; all else is the system's, by the same rule of its layout each time.
unsafe impl GlobalAlloc for Kept {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => LISTS.with(|lists| lists.take(class)),
            // SAFETY: the caller's promise is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class(layout) {
            Some(class) => LISTS.with(|lists| lists.keep(class, block)),
            // SAFETY: it came from the system, with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if class(layout).is_none() {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as above.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block has at least so many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size with this alignment is a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class(layout), class(new_layout)) {
            // SAFETY: it came from the system, with this layout, and stays there.
            (None, None) => return unsafe { System.realloc(block, layout, new_size) },
            (old, new) if old == new => return block,
            _ => (),
        }
        // SAFETY: the caller's promise is passed on.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both have as many bytes, and the new one is nobody else's.
            unsafe { block.copy_to_nonoverlapping(new, layout.size().min(new_size)) };
            // SAFETY: the caller gives it up.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}
