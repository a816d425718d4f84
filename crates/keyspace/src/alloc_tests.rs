//! Reading and iterating allocate nothing: a forked child does it, where the allocator's lock may be held for ever.

#![expect(unsafe_code, reason = "an allocator that counts can only be written as an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::*;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are passed on, and all memory came from this allocator.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn name(number: u32) -> Vec<u8> {
    if number.is_multiple_of(3) { number.to_string().into_bytes() } else { format!("m{number}").into_bytes() }
}

/// One value of each type with `len` elements.
fn values(len: u32) -> [Value; 5] {
    let limits = Thresholds::default();
    let (mut list, mut set, mut hash, mut zset) = (List::new(), Set::new(), Hash::new(), ZSet::new());
    for number in 0..len {
        list.push_back(&name(number), &limits);
        set.insert(&name(number), &limits);
        hash.set(&name(number), &name(number + 1), &limits);
        zset.insert(&name(number), f64::from(number) / 2.0, &limits);
    }
    [Value::Str(Str::new(&name(len))), Value::List(list), Value::Set(set), Value::Hash(hash), Value::ZSet(zset)]
}

/// Reads every element of a value from both ends; returns the length of all texts.
fn read(value: ValueRef<'_>) -> usize {
    let text = |elem: Elem<'_>| elem.bytes(&mut IntBuf::new()).len();
    match value {
        ValueRef::Str(value) => text(value.elem()),
        ValueRef::List(list) => list.iter().chain(list.iter().rev()).map(text).sum(),
        ValueRef::Set(set) => set.iter().map(text).sum(),
        ValueRef::Hash(hash) => hash.iter().map(|(field, value)| text(field) + text(value)).sum(),
        ValueRef::ZSet(zset) => zset.iter().chain(zset.iter().rev()).map(|(member, _)| text(member)).sum(),
    }
}

#[test]
fn reading_and_iterating_allocate_nothing() {
    let mut keyspace = Keyspace::new(1, HashSeed([1; 16]));
    for number in 0..3000 {
        let name = name(number);
        let key = keyspace.key(&name);
        keyspace.db_mut(0).set_str(key, &name, Deadline::At(UnixMs(i64::from(number))));
    }
    for (prefix, len) in [("small", 20), ("large", 3000)] {
        for (at, value) in values(len).into_iter().enumerate() {
            let name = format!("{prefix}{at}");
            let key = keyspace.key(name.as_bytes());
            keyspace.db_mut(0).insert(key, value, Deadline::Clear);
        }
    }
    let before = CALLS.get();
    let (mut cursor, mut read_bytes) = (0, 0);
    loop {
        cursor = keyspace.db(0).scan(cursor, 10, &mut |entry| {
            let key = keyspace.key(entry.key);
            read_bytes += keyspace.db(0).get(key).map_or(0, read);
        });
        if cursor == 0 {
            break;
        }
    }
    read_bytes += keyspace.db(0).iter().map(|entry| read(entry.value)).sum::<usize>();
    let digest = keyspace.digest();
    assert_eq!(CALLS.get(), before);
    assert!(read_bytes > 100_000 && digest != [0; 20]);
}
