//! Which calls can fail: what a server asks the kernel for in an operation, as strace has recorded it. Pure, but for the recording that it
//! is given.

use std::collections::BTreeMap;

use anyhow::Result;

use super::cases::{DiskError, EAGAIN, EIO, EMFILE, ENOSPC, On};

/// Calls on files, as far as they name a file or have a descriptor of one. Not `fcntl`, with which Rust's debug builds ask whether a
/// descriptor is open before they close it.
const ON_FILES: &[&str] = &[
    "openat",
    "newfstatat",
    "statx",
    "getdents64",
    "read",
    "readv",
    "pread64",
    "preadv",
    "lseek",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdirat",
    "flock",
    "fgetxattr",
    "fsetxattr",
    "close",
];

/// Calls that make threads, children, and what one talks to them by.
const OF_PROCESSES: [(&str, DiskError); 5] =
    [("clone", EAGAIN), ("fork", EAGAIN), ("vfork", EAGAIN), ("clone3", EAGAIN), ("pipe2", EMFILE)];

/// Calls that a full disk fails as well.
const TAKING_SPACE: &[&str] =
    &["openat", "write", "writev", "pwrite64", "pwritev", "renameat", "renameat2", "fsetxattr", "fsync"];

/// Of calls that a thread makes more often than this, those of clients among them, so many are tried.
const MOST_OF_A_CALL: u32 = 8;

/// A call that is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) calls: &'static str,
    pub(super) on: On,
    pub(super) error: DiskError,
    /// The how-manieth of a thread.
    pub(super) from: u32,
}

/// The calls of an operation. `record` lets it run with these calls recorded, which stand separated by commas, and says how often each was
/// made by the thread that makes it most often.
///
/// # Errors
/// As `record`.
pub(super) fn record_both(record: impl Fn(&str, On) -> Result<BTreeMap<String, u32>>) -> Result<Vec<Recorded>> {
    let of_processes = OF_PROCESSES.map(|(call, _)| call).join(",");
    let (on_files, others) = (record(&ON_FILES.join(","), On::Ours)?, record(&of_processes, On::Anything)?);
    let numbers = |counts: &BTreeMap<String, u32>, call: &str| spread(counts.get(call).copied().unwrap_or(0));
    let mut all = Vec::new();
    for call in ON_FILES {
        let errors: &[DiskError] = if TAKING_SPACE.contains(call) { &[EIO, ENOSPC] } else { &[EIO] };
        let each = numbers(&on_files, call).flat_map(|from| errors.iter().map(move |error| (from, *error)));
        all.extend(each.map(|(from, error)| Recorded { calls: call, on: On::Ours, error, from }));
    }
    for (call, error) in OF_PROCESSES {
        all.extend(numbers(&others, call).map(|from| Recorded { calls: call, on: On::Anything, error, from }));
    }
    Ok(all)
}

/// The numbers that are tried of as many calls: all, or some of the first half, since how many come depends on the machine.
fn spread(calls: u32) -> impl Iterator<Item = u32> {
    let tried = calls.min(MOST_OF_A_CALL);
    let of = if tried < calls { tried.max(calls / 2) } else { calls };
    (0..tried).map(move |number| 1 + number * of / tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_calls_all_are_tried_and_of_many_some_of_the_first_half() {
        assert_eq!(spread(0).count(), 0);
        assert_eq!(spread(3).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(spread(9).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
        let some: Vec<u32> = spread(100).collect();
        assert_eq!((some.len(), some[0], some[1], some[7]), (8, 1, 7, 44));
    }

    #[test]
    fn what_takes_space_fails_with_a_full_disk_too() {
        let counts = |calls: &str, _| {
            let made: &[&str] = if calls.contains("write") { &["write", "statx"] } else { &["pipe2"] };
            Ok(made.iter().map(|call| ((*call).to_owned(), 1)).collect())
        };
        let all = record_both(counts).unwrap();
        let named: Vec<(&str, &str)> = all.iter().map(|call| (call.calls, call.error.name)).collect();
        assert_eq!(named, [("statx", "EIO"), ("write", "EIO"), ("write", "ENOSPC"), ("pipe2", "EMFILE")]);
    }
}
