//! A forked child renames and unlinks, and must take nothing from the allocator: another thread may have held its lock
//! at the fork. So the two are counted here, on success and on failure.

use alloc_watch::taken_by;
use vfs::{Dir, File, Open, RealDir};

fn calls_during(what: impl FnOnce() -> bool) -> u64 {
    let (succeeded, taken) = taken_by(what);
    assert!(succeeded);
    taken.calls
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
