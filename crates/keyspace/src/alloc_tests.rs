//! Reading and iterating allocate nothing: a forked child does it, where the allocator's lock may be held for ever. And what is
//! said about the memory of a key is what it takes.

#![expect(unsafe_code, reason = "an allocator that counts can only be written as an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::*;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// Bytes of the classes of jemalloc that are allocated, if this thread frees what it allocates.
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread and their bytes.
struct Counting;

fn class_bytes(layout: Layout) -> isize {
    types::capacity::rounded(layout.size()).cast_signed()
}

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        BYTES.set(BYTES.get() + class_bytes(layout));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        BYTES.set(BYTES.get() - class_bytes(layout));
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
        ValueRef::Custom(_) => value.text_bytes(),
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

/// The key with its value, as `MEMORY USAGE` says, and as the allocator does. The table has room for the key.
fn said_and_taken(name: &[u8], value: impl FnOnce() -> Value) -> (usize, usize) {
    let mut keyspace = Keyspace::new(1, HashSeed([1; 16]));
    let other = keyspace.key(b"other");
    keyspace.db_mut(0).set_str(other, b"", Deadline::Clear);
    let before = BYTES.get();
    let key = keyspace.key(name);
    keyspace.db_mut(0).insert(key, value(), Deadline::Clear);
    let taken = usize::try_from(BYTES.get() - before).unwrap();
    (keyspace.db(0).memory_bytes(key).unwrap(), taken)
}

#[test]
fn the_memory_of_a_key_is_what_its_allocations_take() {
    for len in [1, 20, 100, 127, 3000, 10_000] {
        for at in 0..5 {
            let (said, taken) = said_and_taken(b"key", || values(len).into_iter().nth(at).unwrap());
            // Beside it stands the key's place in the table.
            let apart = said.abs_diff(taken);
            assert!(apart <= 40 + taken / 10, "{at} of {len}: {said} said, {taken} taken");
        }
    }
    for len in [0, 44, 1000, 2000, 100_000] {
        let (said, taken) = said_and_taken(b"key", || Value::Str(Str::new(&vec![b'x'; len])));
        assert!(said.abs_diff(taken) <= 40, "{len}: {said} said, {taken} taken");
        let (said, taken) = said_and_taken(&[b'k'; 300], || Value::Str(Str::raw(Vec::with_capacity(len))));
        assert!(said.abs_diff(taken) <= 40, "{len} raw: {said} said, {taken} taken");
    }
}
