//! Which calls can fail: what a server asks the kernel for in an operation, as strace has recorded it, by the thread that asks. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cases::{DiskError, EAGAIN, EIO, EMFILE, ENOSPC, Threads};
use crate::traces::{Call, parse};

/// Calls on files. Not `fcntl`, with which Rust's debug builds ask whether a descriptor is open before they close it.
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
const OF_PROCESSES: &[(&str, DiskError)] =
    &[("clone", EAGAIN), ("fork", EAGAIN), ("vfork", EAGAIN), ("clone3", EAGAIN), ("pipe2", EMFILE)];

/// Calls that a full disk fails as well.
const TAKING_SPACE: &[&str] =
    &["openat", "write", "writev", "pwrite64", "pwritev", "renameat", "renameat2", "fsetxattr", "fsync"];

/// Of calls that a thread makes more often than this, those of clients among them, so many are tried.
const MOST_OF_A_CALL: u32 = 4;

/// The names of a server's background threads.
const THREADS: &[&str] =
    &["bio_write", "bio_fsync", "bio_bulk_fsync", "bio_close", "bio_rename", "bio_dir_fsync", "bio_lazy_free"];

/// How far the number of a child's process may lie from the last one that the kernel has given before it.
const CHILD_PIDS: u32 = 300;

/// A call that is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) threads: Threads,
    pub(super) calls: &'static str,
    pub(super) error: DiskError,
    /// The how-manieth of the thread.
    pub(super) from: u32,
    /// Whether only calls on the server's files are counted, or all of the thread.
    pub(super) on_files: bool,
}

/// What an operation called.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    pub(super) calls: Vec<Recorded>,
    /// The server's files by their paths, with the numbers of processes left out.
    pub(super) paths: BTreeSet<FilePath>,
}

/// The path of a file, which may have the number of the server's process in its name, or that of its child.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FilePath {
    Plain(PathBuf),
    OfServer { before: String, behind: String },
    OfChild { before: String, behind: String },
}

/// Every call that strace is to record.
pub(super) fn traced() -> String {
    let of_processes = OF_PROCESSES.iter().map(|(call, _)| *call);
    ON_FILES.iter().copied().chain(of_processes).collect::<Vec<_>>().join(",")
}

/// How calls are counted, as strace will count them when they are to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Each thread is attached to alone: a background thread's calls are counted whatever they are on, a child's if they are on what it
    /// makes. Threads that start meanwhile are left out.
    ByThread,
    /// Every thread is followed from its start, and only calls on our files are counted.
    OnFiles,
}

/// Reads what strace wrote of a server. `name_of` knows the threads of that process, and no child. With `all` every number counts.
pub(super) fn read(
    output: &str,
    server: i32,
    data_dir: &Path,
    name_of: &dyn Fn(i32) -> Option<String>,
    counted: Counted,
    all: bool,
) -> Recording {
    let mut recording = Recording::default();
    let mut counts: BTreeMap<(Who, &'static str), (u32, Vec<u32>)> = BTreeMap::new();
    for call in parse(output) {
        let Some(name) = known(&call.name) else { continue };
        let who = Who::of(call.thread, server, name_of);
        let paths = paths_in(&call, data_dir);
        let on_file = ON_FILES.contains(&name);
        let of_child = counted == Counted::ByThread && who == Who::Child;
        let is_ours = if of_child { paths.iter().any(|path| path.contains("/temp-")) } else { !paths.is_empty() };
        recording.paths.extend(paths.into_iter().map(|path| FilePath::of(path, server)));
        let (number, ours) = counts.entry((who, name)).or_default();
        *number += u32::from(is_ours || !on_file || counted == Counted::ByThread && who.counts_all());
        if is_ours || !on_file {
            ours.push(*number);
        }
    }
    for ((who, name), (_, numbers)) in counts {
        if counted == Counted::ByThread && who == Who::NewThread {
            continue;
        }
        let on_files = ON_FILES.contains(&name) && !(counted == Counted::ByThread && who.counts_all());
        for from in if all { numbers } else { spread(&numbers) } {
            let of_error = |error| Recorded { threads: who.threads(), calls: name, error, from, on_files };
            recording.calls.extend(errors_of(name).into_iter().map(of_error));
        }
    }
    recording
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Loop,
    Thread(&'static str),
    Child,
    /// A thread that was started meanwhile.
    NewThread,
}

impl Who {
    fn of(thread: i32, server: i32, name_of: &dyn Fn(i32) -> Option<String>) -> Self {
        if thread == server {
            return Self::Loop;
        }
        let Some(name) = name_of(thread) else { return Self::Child };
        // The kernel cuts names after fifteen bytes.
        THREADS.iter().find(|known| known.starts_with(&name)).map_or(Self::NewThread, |known| Self::Thread(known))
    }

    fn counts_all(self) -> bool {
        matches!(self, Self::Thread(_))
    }

    fn threads(self) -> Threads {
        match self {
            Self::Loop => Threads::Named("loop"),
            Self::Thread(name) => Threads::Named(name),
            Self::Child => Threads::Child,
            Self::NewThread => Threads::All,
        }
    }
}

fn known(name: &str) -> Option<&'static str> {
    let of_processes = OF_PROCESSES.iter().map(|(call, _)| *call);
    ON_FILES.iter().copied().chain(of_processes).find(|known| *known == name)
}

fn errors_of(call: &str) -> Vec<DiskError> {
    match OF_PROCESSES.iter().find(|(name, _)| *name == call) {
        Some((_, error)) => vec![*error],
        None if TAKING_SPACE.contains(&call) => vec![EIO, ENOSPC],
        None => vec![EIO],
    }
}

/// The data directory, what is in it, and the directory that it is in, as far as a call names them or has descriptors of them: not the
/// working directory, which strace shows of every call with a path.
fn paths_in<'c>(call: &'c Call, data_dir: &Path) -> Vec<&'c str> {
    let within = data_dir.display().to_string();
    let parent = data_dir.parent().map(|parent| format!("<{}>", parent.display())).unwrap_or_default();
    // What it returned is no argument.
    let arguments = call.arguments.rsplit_once(" = ").map_or(call.arguments.as_str(), |(arguments, _)| arguments);
    let named = |(at, _): (usize, &str)| {
        let path = arguments[at..].split(['>', '"']).next()?;
        let is_whole = path[within.len()..].is_empty() || path[within.len()..].starts_with('/');
        (is_whole && !arguments[..at].ends_with("AT_FDCWD<")).then_some(path)
    };
    let of_parent = arguments.match_indices(&parent).filter(|(at, _)| !arguments[..*at].ends_with("AT_FDCWD"));
    let of_parent = of_parent.map(|(at, text)| &arguments[at + 1..at + text.len() - 1]);
    arguments.match_indices(&within).filter_map(named).chain(of_parent).collect()
}

impl FilePath {
    fn of(path: &str, server: i32) -> Self {
        let parts = |before_number: &str| {
            let (before, rest) = path.split_once(before_number)?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i32 = rest[..digits].parse().ok()?;
            Some((number, format!("{before}{before_number}"), rest[digits..].to_owned()))
        };
        if let Some((_, before, behind)) = parts("/temp-rewriteaof-bg-") {
            return Self::OfChild { before, behind };
        }
        match parts("/temp-rewriteaof-").or_else(|| parts("/temp-ledgerstone-")) {
            Some((number, before, behind)) if number == server => Self::OfServer { before, behind },
            _ => Self::Plain(path.into()),
        }
    }

    /// The paths that it may have in another run: `home` is the one that it was recorded in.
    pub(super) fn in_run(&self, home: &Path, other: &Path, server: i32, last_pid: u32) -> Vec<String> {
        let [home, other] = [home, other].map(|path| path.display().to_string());
        let moved = |path: &str| path.replacen(&home, &other, 1);
        match self {
            Self::Plain(path) => vec![moved(&path.display().to_string())],
            Self::OfServer { before, behind } => vec![moved(&format!("{before}{server}{behind}"))],
            Self::OfChild { before, behind } => {
                let pids = last_pid..last_pid + CHILD_PIDS;
                pids.map(|pid| moved(&format!("{before}{pid}{behind}"))).collect()
            }
        }
    }
}

/// Which of these numbers are tried: all, or some, evenly spread over the first half, since how many come depends on the machine.
fn spread(numbers: &[u32]) -> Vec<u32> {
    let most = MOST_OF_A_CALL as usize;
    if numbers.len() <= most {
        return numbers.to_vec();
    }
    let half = (numbers.len() / 2).max(most);
    (0..most).map(|nth| numbers[nth * half / most]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
5 openat(4</h/data>, \"temp-rewriteaof-5.aof\", O_RDWR|O_CREAT, 0600) = 12</h/data/temp-rewriteaof-5.aof>
5 openat(AT_FDCWD</h/data>, \"/proc/self/statm\", O_RDONLY) = 13</proc/5/statm>
5 openat(AT_FDCWD</h/data>, \".\", O_RDONLY) = 14</h/data>
5 write(1</h/server.log>, \"told\", 4) = 4
6 fsync(4</h>) = 0
5 write(9<socket:[1]>, \"+OK\", 3) = 3
5 write(8</h/data/appendonly.aof>, \"x\", 1) = 1
5 clone(child_stack=NULL, flags=SIGCHLD) = 7
7 write(12</h/data/temp-rewriteaof-5.aof>, \"x\", 1) = 1
7 fsync(12</h/data/temp-rewriteaof-bg-7.aof>) = 0
6 fsync(3</elsewhere>) = 0
6 fsync(12</h/data/temp-rewriteaof-bg-7.aof> <unfinished ...>
5 write(12</h/data/temp-rewriteaof-bg-7.aof>, \"y\", 1) = 1
6 <... fsync resumed>) = 0
";

    fn recording() -> Recording {
        let name_of = |thread| (thread == 6).then(|| "bio_bulk_fsync".to_owned());
        read(TRACE, 5, Path::new("/h/data"), &name_of, Counted::ByThread, false)
    }

    #[test]
    fn calls_are_numbered_by_the_thread_that_makes_them_as_strace_counts_them() {
        let calls = recording().calls;
        let of = |threads, name| -> Vec<u32> {
            let calls =
                calls.iter().filter(|call| call.threads == threads && call.calls == name && call.error != ENOSPC);
            calls.map(|call| call.from).collect()
        };
        // That of the socket and that of the kernel's file are not ours, nor counted of the loop.
        assert_eq!(of(Threads::Named("loop"), "write"), [1, 2]);
        assert_eq!(of(Threads::Named("loop"), "openat"), [1]);
        assert_eq!(of(Threads::Named("loop"), "clone"), [1]);
        assert_eq!(of(Threads::Child, "write"), [1]);
        // All calls of such a thread are counted, and the second of these is not on our files.
        assert_eq!(of(Threads::Named("bio_bulk_fsync"), "fsync"), [1, 3]);
    }

    #[test]
    fn files_have_the_numbers_of_other_processes_in_another_run() {
        let paths = recording().paths;
        let in_run: Vec<String> =
            paths.iter().flat_map(|path| path.in_run(Path::new("/h"), Path::new("/other"), 50, 60)).collect();
        for path in ["/other/data", "/other/data/temp-rewriteaof-50.aof", "/other/data/temp-rewriteaof-bg-61.aof"] {
            assert!(in_run.contains(&path.to_owned()), "{path}: {in_run:?}");
        }
    }

    #[test]
    fn of_few_calls_all_are_tried_and_of_many_some_of_the_first_half() {
        assert_eq!(spread(&[]), [0; 0]);
        assert_eq!(spread(&[1, 2, 5]), [1, 2, 5]);
        let many: Vec<u32> = (1..=100).collect();
        assert_eq!(spread(&many), [1, 13, 26, 38]);
    }
}
