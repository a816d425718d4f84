//! A forked child may not allocate, and it writes through a sink: so a sink may not.
#![expect(unsafe_code, reason = "counting allocations takes a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;

use rio::{Output, Sink};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed to the system allocator unchanged; counting touches a const-initialized thread-local
// without a destructor, which itself never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc` above with this layout, so from the system allocator.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Takes everything, except that every third call is interrupted, and fails at the end.
#[derive(Default)]
struct Device {
    calls: u32,
    full: bool,
}

impl Output for Device {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls {
            _ if self.full => Err(io::Error::from_raw_os_error(28)),
            n if n % 3 == 0 => Err(io::Error::from_raw_os_error(4)),
            _ => Ok(bytes.len().div_ceil(2)),
        }
    }

    fn fsync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_allocates_nothing_after_its_construction() {
    let large = [7; 3000];
    let mut sink = Sink::with_buffer(Device::default(), Vec::with_capacity(1024)).fsync_every(2000).checksummed();
    let before = ALLOCATIONS.with(Cell::get);

    for len in 0..large.len() {
        sink.write_all(&large[..len]).expect("the device takes all");
    }
    sink.fsync().expect("the device can");
    let sum = sink.checksum();
    sink.output_mut().full = true;
    sink.write_all(&large[..10]).expect("it fits the buffer");
    let error = sink.fsync().expect_err("the device is full");

    assert_eq!(ALLOCATIONS.with(Cell::get), before, "allocations");
    assert_eq!((error.step(), error.errno()), ("write", Some(28)));
    assert!(sum.is_some());
}
