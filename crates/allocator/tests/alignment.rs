//! Every allocation is aligned as asked for, from every size class, and growing one keeps what it holds.
#![expect(unsafe_code, reason = "an allocator is called as the compiler calls it")]

use std::alloc::{GlobalAlloc, Layout};

use allocator::Jemalloc;

/// Sizes beyond the largest class that small allocations have.
const SIZES: std::ops::RangeInclusive<usize> = 1..=20_000;
const ALIGNMENTS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 4096];

/// A few neighbours of each: one alone may be aligned by luck.
const NEIGHBOURS: usize = 4;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

#[test]
fn every_size_is_aligned_as_asked_for() {
    for align in ALIGNMENTS {
        for size in SIZES.step_by(if align > 64 { 97 } else { 1 }) {
            let layout = layout(size, align);
            // SAFETY: the size is not zero.
            let held: Vec<*mut u8> = (0..NEIGHBOURS).map(|_| unsafe { Jemalloc.alloc(layout) }).collect();
            for ptr in held {
                assert_eq!(ptr as usize % align, 0, "{size} bytes aligned to {align} are at {ptr:?}");
                // SAFETY: it came from `alloc` with this layout, and is given back once.
                unsafe { Jemalloc.dealloc(ptr, layout) };
            }
        }
    }
}

#[test]
fn zeroed_memory_is_zero_and_aligned() {
    for size in [1, 17, 24, 40, 56, 72, 4095, 70_000] {
        let layout = layout(size, 16);
        // SAFETY: the size is not zero.
        let held: Vec<*mut u8> = (0..NEIGHBOURS).map(|_| unsafe { Jemalloc.alloc_zeroed(layout) }).collect();
        for ptr in held {
            assert_eq!(ptr as usize % 16, 0, "{size} bytes are at {ptr:?}");
            // SAFETY: the memory was just given, zeroed, with this layout, and is given back once.
            unsafe {
                assert!(std::slice::from_raw_parts(ptr, size).iter().all(|byte| *byte == 0), "{size} bytes");
                ptr.write_bytes(0xff, size);
                Jemalloc.dealloc(ptr, layout);
            }
        }
    }
}

#[test]
fn growing_and_shrinking_keeps_the_bytes_and_the_alignment() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    // SAFETY: the size is not zero.
    let mut held: Vec<(*mut u8, usize, u8)> =
        (0..16).map(|fill| (unsafe { Jemalloc.alloc(layout(1, 16)) }, 1, fill)).collect();
    for (ptr, _, fill) in &held {
        // SAFETY: there is one byte.
        unsafe { ptr.write(*fill) };
    }
    for turn in 0..20_000 {
        let (ptr, size, fill) = random.choice(&mut held).expect("sixteen are held");
        let new = random.usize(if turn % 10 == 0 { SIZES } else { 1..=128 });
        // SAFETY: sizes are never zero; only bytes within the size of the moment are touched; the pointer is handed on with
        // the layout that it has.
        unsafe {
            *ptr = Jemalloc.realloc(*ptr, layout(*size, 16), new);
            assert_eq!(*ptr as usize % 16, 0, "from {size} to {new} bytes: at {ptr:?}");
            let kept = std::slice::from_raw_parts(*ptr, (*size).min(new));
            assert!(kept.iter().all(|byte| byte == fill), "from {size} to {new} bytes");
            ptr.write_bytes(*fill, new);
        }
        *size = new;
    }
    for (ptr, size, _) in held {
        // SAFETY: it came from the allocator with this layout, and is given back once.
        unsafe { Jemalloc.dealloc(ptr, layout(size, 16)) };
    }
}
