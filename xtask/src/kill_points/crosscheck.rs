//! Whether the test hook saw every call: the same process watched by strace must show as many.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, ensure};

use super::points::Point;
use crate::traces::{Call, WRITES, parse};

/// What strace records. A file counts as made when it is opened with O_EXCL.
const TRACED: &str = "clone,clone3,fork,vfork,openat,write,writev,pwrite64,pwritev,fdatasync,fsync,rename,renameat,\
                      renameat2,unlink,unlinkat,ftruncate,fsetxattr";

/// How often each role makes each call.
type Tally = BTreeMap<(String, String), usize>;

/// The command under which a server's calls are written to `log`.
pub(super) fn strace(log: &Path) -> Vec<OsString> {
    let trace = format!("trace={TRACED}");
    let words = ["strace", "-f", "-qq", "-y", "-s", "40", "--seccomp-bpf", "-e", trace.as_str(), "-o"];
    words.iter().map(OsString::from).chain([log.as_os_str().to_owned()]).collect()
}

/// Compares all calls that the hook told of with those in strace's output from the first file of a rewrite on.
///
/// # Errors
/// If the numbers differ.
pub(super) fn compare(hook: &[Point], strace_output: &str, server: i32, data_dir: &Path) -> Result<usize> {
    let seen = tally(&parse(strace_output), server, data_dir);
    let mut told = Tally::new();
    for point in hook {
        *told.entry((point.role.clone(), point.call.clone())).or_default() += 1;
    }
    ensure!(told == seen, "the test hook told of other calls than strace saw:\n  hook   {told:?}\n  strace {seen:?}");
    Ok(seen.values().sum())
}

fn tally(calls: &[Call], server: i32, data_dir: &Path) -> Tally {
    let child = calls.iter().find(|call| call.thread == server && call.is(&["clone", "fork"])).and_then(returned);
    let begin = calls.iter().position(|call| kind(call, data_dir) == Some("create") && call.says("temp-rewriteaof"));
    let mut seen = Tally::new();
    for call in calls.iter().skip(begin.unwrap_or(calls.len())) {
        if let Some(kind) = kind(call, data_dir) {
            let role = if Some(call.thread) == child { "child" } else { "server" };
            *seen.entry((role.to_owned(), kind.to_owned())).or_default() += 1;
        }
    }
    seen
}

/// The process id that a fork returned.
fn returned(call: &Call) -> Option<i32> {
    call.arguments.rsplit_once("= ")?.1.trim().parse().ok()
}

/// The hook's name for a call on our files or on a pipe; none for others, such as a line of the log.
fn kind(call: &Call, data_dir: &Path) -> Option<&'static str> {
    let on_ours = call.on_in(data_dir) || call.arguments.contains("<pipe:");
    match call.name.as_str() {
        "openat" if call.on_in(data_dir) && call.says("O_EXCL") => Some("create"),
        _ if !on_ours => None,
        _ if call.is(WRITES) => Some("write"),
        "fdatasync" => Some("fdatasync"),
        "fsync" => Some("fsync"),
        "rename" | "renameat" | "renameat2" => Some("rename"),
        "unlink" | "unlinkat" => Some("unlink"),
        "ftruncate" => Some("truncate"),
        "fsetxattr" => Some("mark"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
5 write(9</d/data/appendonly.aof>, \"before\", 6) = 6
5 openat(4</d/data>, \"temp-rewriteaof-5.aof\", O_RDWR|O_CREAT|O_EXCL, 0600) = 12</d/data/temp-rewriteaof-5.aof>
5 clone(child_stack=NULL, flags=SIGCHLD) = 7
5 write(1</d/server.log>, \"started\", 7) = 7
7 write(12</d/data/temp-rewriteaof-5.aof>, \"x\", 1) = 1
7 write(20<pipe:[1]>, \"!\", 1) = 1
6 fsync(12</d/data/temp-rewriteaof-5.aof> <unfinished ...>
6 <... fsync resumed>) = 0
5 openat(4</d/data>, \"appendonly.aof.state\", O_RDONLY) = 13</d/data/appendonly.aof.state>
";

    fn points(words: &[(&str, &str)]) -> Vec<Point> {
        let point = |(role, call): &(&str, &str)| Point {
            role: (*role).to_owned(),
            call: (*call).to_owned(),
            object: "new".to_owned(),
            number: 1,
        };
        words.iter().map(point).collect()
    }

    #[test]
    fn the_same_calls_pass_and_a_missed_one_is_found() {
        let all = points(&[("server", "create"), ("child", "write"), ("child", "write"), ("server", "fsync")]);
        assert_eq!(compare(&all, TRACE, 5, Path::new("/d/data")).unwrap(), 4);
        assert!(compare(&all[..3], TRACE, 5, Path::new("/d/data")).is_err());
    }
}
