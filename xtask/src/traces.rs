//! `cargo xtask test-traces`: the order of system calls that our promises rest on, as strace sees it.
//!
//! Each check is pure over a parsed trace. Calls of several threads overlap, so a call has a beginning and an end: "after"
//! means that one ended before the other began.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::{ServerBuilder, wait_rewritten};

use crate::suite::server_under_test;

/// What strace records.
const CALLS: &str = "openat,write,writev,pwrite64,pwritev,fdatasync,fsync,rename,renameat,renameat2,sendto,sendmsg";

/// What is asked of the traces.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Tests this binary instead of building server-bin.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Runs all checks.
///
/// # Errors
/// If an order is violated, or strace or the server fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let server = server_under_test(options.server.as_deref())?;
    let always = record(&server, "always")?;
    check_reply_after_fsync(&always).context("always")?;
    check_file_is_durable_by_name(&always).context("start over a new directory")?;
    check_switch(&always).context("rewrite")?;
    let everysec = record(&server, "everysec")?;
    check_loop_never_fsyncs(&everysec).context("everysec")?;
    check_switch(&everysec).context("rewrite")?;
    println!("system calls: {} and {} recorded, in order", always.calls.len(), everysec.calls.len());
    Ok(())
}

/// What one server did.
#[derive(Debug, Default)]
struct Trace {
    calls: Vec<Call>,
    /// The thread that runs the event loop.
    main: i32,
}

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) thread: i32,
    pub(crate) name: String,
    /// With its result; another call may have interrupted it.
    pub(crate) arguments: String,
    /// The numbers of the lines where it began and ended.
    began: usize,
    ended: usize,
}

impl Call {
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    fn is_fsync(&self) -> bool {
        self.is(&["fdatasync", "fsync"])
    }

    /// Whether its first argument is a descriptor of something whose path ends so.
    fn on(&self, path_end: &str) -> bool {
        self.path().is_some_and(|path| path.ends_with(path_end))
    }

    /// Whether its first argument is a descriptor of a directory, or of a file in it.
    pub(crate) fn on_in(&self, dir: &Path) -> bool {
        self.path().is_some_and(|path| Path::new(path).starts_with(dir))
    }

    /// The path of the first descriptor among its arguments.
    fn path(&self) -> Option<&str> {
        let (_, rest) = self.arguments.split_once('<')?;
        Some(rest.split_once('>')?.0)
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.arguments.contains(text)
    }
}

/// Starts a server over a new directory, writes one key, rewrites, writes another, and ends it.
fn record(server: &Path, policy: &str) -> Result<Trace> {
    let home = tempfile::tempdir()?;
    let log = home.path().join("trace");
    let expression = format!("trace={CALLS}");
    let strace = ["strace", "-f", "-qq", "-y", "-s", "200", "--seccomp-bpf", "-e", expression.as_str(), "-o"];
    let line = strace.iter().map(std::ffi::OsString::from).chain([log.clone().into_os_string()]);
    let mut server = ServerBuilder::new(server, home.path())
        .wrapper(line)
        .directive("appendonly", "yes")
        .directive("appendfsync", policy)
        .directive("aof-use-rdb-preamble", "no")
        .start()?;
    let mut client = server.client()?;
    client.expect(&["SET", "first-key", "first-value"])?;
    client.expect(&["BGREWRITEAOF"])?;
    wait_rewritten(&mut server.client()?)?;
    client.expect(&["SET", "second-key", "second-value"])?;
    let main = server.pid();
    let status = server.terminate(Duration::from_secs(20))?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(Trace { calls: parse(&fs::read_to_string(&log)?), main })
}

/// Reads strace's output: whole calls, and the two halves of calls that others interrupted.
pub(crate) fn parse(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let (Ok(thread), rest) = (thread.parse::<i32>(), rest.trim_start()) else { continue };
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let name = resumed.split(' ').next().unwrap_or_default();
            if let Some(call) = calls.iter_mut().rev().find(|c| c.thread == thread && c.name == name) {
                call.ended = number;
                call.arguments.push_str(resumed);
            }
        } else if let Some((name, arguments)) = rest.split_once('(') {
            let unfinished = arguments.ends_with("<unfinished ...>");
            let ended = if unfinished { usize::MAX } else { number };
            let (name, arguments) = (name.to_owned(), arguments.to_owned());
            calls.push(Call { thread, name, arguments, began: number, ended });
        }
    }
    calls
}

pub(crate) const WRITES: &[&str] = &["write", "writev", "pwrite64", "pwritev"];
const SENDS: &[&str] = &["write", "writev", "sendto", "sendmsg"];
const RENAMES: &[&str] = &["rename", "renameat", "renameat2"];

/// Under `always` the reply leaves after an fsync that began after the write of its bytes.
fn check_reply_after_fsync(trace: &Trace) -> Result<()> {
    for key in ["first-key", "second-key"] {
        let write = trace.calls.iter().find(|c| c.is(WRITES) && c.on(".aof") && c.says(key));
        let write = write.with_context(|| format!("no write of {key} to the AOF"))?;
        let reply = trace.calls.iter().find(|c| c.began > write.began && c.is(SENDS) && c.says("\"+OK\\r\\n"));
        let reply = reply.with_context(|| format!("no reply to the write of {key}"))?;
        let between = |c: &Call| c.is_fsync() && c.on(".aof") && c.began > write.ended && c.ended < reply.began;
        ensure!(trace.calls.iter().any(between), "the reply to {key} left before its bytes were fsynced");
    }
    Ok(())
}

/// Under `everysec` the event loop never fsyncs once it has written for a client.
fn check_loop_never_fsyncs(trace: &Trace) -> Result<()> {
    let in_order = trace.calls.iter().filter(|c| c.thread == trace.main);
    let served = in_order.skip_while(|c| !c.says("first-key")).take_while(|c| !c.says("second-key"));
    let bad: Vec<&Call> = served.filter(|c| c.is_fsync()).collect();
    if let Some(call) = bad.first() {
        bail!("the event loop waits for {}({}", call.name, call.arguments);
    }
    Ok(())
}

/// A file that was created is found again after a power loss: its directory is fsynced before anything is acked, and so is the one that
/// has that directory's name, which may be as new.
fn check_file_is_durable_by_name(trace: &Trace) -> Result<()> {
    let created = trace.calls.iter().find(|c| c.name == "openat" && c.says("O_CREAT") && c.says(".aof\""));
    let created = created.context("no AOF was created")?;
    let reply = trace.calls.iter().find(|c| c.is(SENDS) && c.says("\"+OK\\r\\n")).context("no reply")?;
    let synced = |c: &Call| c.name == "fsync" && c.on("/data") && c.began > created.ended && c.ended < reply.began;
    ensure!(trace.calls.iter().any(synced), "the directory of the new AOF was not fsynced before the first reply");
    let parent =
        created.path().and_then(|dir| Path::new(dir).parent()).context("the AOF was created in no directory")?;
    let named = |c: &Call| c.name == "fsync" && c.path().is_some_and(|path| Path::new(path) == parent);
    let named = trace.calls.iter().any(|c| named(c) && c.ended < reply.began);
    ensure!(named, "the directory that the data directory is in was not fsynced before the first reply");
    Ok(())
}

/// The new file is fsynced before it takes the name, and announced durably by the state file; the directory is fsynced after.
fn check_switch(trace: &Trace) -> Result<()> {
    let rename = trace.calls.iter().find(|c| c.is(RENAMES) && c.says("appendonly.aof\""));
    let rename = rename.context("nothing was renamed to appendonly.aof")?;
    let before = |c: &Call| c.is_fsync() && c.on(".aof") && c.says("temp-rewriteaof") && c.ended < rename.began;
    let fsynced = trace.calls.iter().find(|c| before(c)).context("the new file was not fsynced before its rename")?;
    let stated = |c: &Call| c.is(RENAMES) && c.says("appendonly.aof.state\"") && c.began > fsynced.ended;
    let durably = |state: &Call| {
        let synced = |c: &Call| c.name == "fsync" && c.on("/data") && c.began > state.ended && c.ended < rename.began;
        trace.calls.iter().any(synced)
    };
    let announced = trace.calls.iter().filter(|c| stated(c)).any(durably);
    ensure!(announced, "no durable state file announced the new file before its rename");
    let after = |c: &Call| c.name == "fsync" && c.on("/data") && c.began > rename.ended;
    ensure!(trace.calls.iter().any(after), "the directory was not fsynced after the rename");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &str) -> Trace {
        Trace { calls: parse(lines), main: 1 }
    }

    const WRITE: &str = "1 write(7</d/data/appendonly.aof>, \"*3 first-key\", 9) = 9\n1 write(7</d/data/appendonly.aof>, \"*3 second-key\", 9) = 9\n";

    #[test]
    fn calls_of_two_threads_overlap() {
        let calls =
            parse("1 write(7</a>, \"x\", 1 <unfinished ...>\n2 fdatasync(7</a>) = 0\n1 <... write resumed>) = 1\n");
        assert_eq!((calls[0].began, calls[0].ended, calls[1].began), (0, 2, 1));
        assert!(calls[0].arguments.ends_with(") = 1"), "{calls:?}");
    }

    #[test]
    fn a_reply_before_the_fsync_has_ended_is_found() {
        let early = format!(
            "{WRITE}2 fdatasync(7</d/data/appendonly.aof> <unfinished ...>\n1 write(9<socket:[1]>, \"+OK\\r\\n\", 5) = 5\n2 <... fdatasync resumed>) = 0\n"
        );
        assert!(check_reply_after_fsync(&trace(&early)).is_err());
        let good = format!(
            "{WRITE}2 fdatasync(7</d/data/appendonly.aof>) = 0\n1 write(9<socket:[1]>, \"+OK\\r\\n\", 5) = 5\n"
        );
        check_reply_after_fsync(&trace(&good)).unwrap();
    }

    #[test]
    fn an_fsync_in_the_loop_is_found() {
        let bad = format!(
            "{}1 fdatasync(7</d/data/appendonly.aof>) = 0\n",
            WRITE.lines().next().unwrap_or_default().to_owned() + "\n"
        );
        assert!(check_loop_never_fsyncs(&trace(&bad)).is_err());
        assert!(check_loop_never_fsyncs(&trace(&bad.replace("1 fdatasync", "2 fdatasync"))).is_ok());
    }

    #[test]
    fn a_rename_without_its_fsyncs_is_found() {
        let rename = "1 rename(\"temp-rewriteaof-bg-5.aof\", \"appendonly.aof\") = 0\n";
        let file = "2 fdatasync(8</d/data/temp-rewriteaof-bg-5.aof>) = 0\n";
        let state = "3 rename(\"temp-appendonly.aof.state\", \"appendonly.aof.state\") = 0\n";
        let directory = "2 fsync(5</d/data>) = 0\n";
        check_switch(&trace(&[file, state, directory, rename, directory].concat())).unwrap();
        for bad in [
            [rename, file, state, directory].concat(),
            [file, state, directory, rename].concat(),
            [state, directory, rename, directory].concat(),
            [file, rename, directory].concat(),
            [file, state, rename, directory].concat(),
            [state, directory, file, rename, directory].concat(),
        ] {
            assert!(check_switch(&trace(&bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_whose_own_name_may_be_lost_is_found() {
        let created = "1 openat(5</d/data>, \"appendonly.aof\", O_RDWR|O_CREAT) = 7</d/data/appendonly.aof>\n";
        let (inner, outer) = ("1 fsync(5</d/data>) = 0\n", "1 fsync(6</d>) = 0\n");
        let reply = "1 write(9<socket:[1]>, \"+OK\\r\\n\", 5) = 5\n";
        check_file_is_durable_by_name(&trace(&[outer, created, inner, reply].concat())).unwrap();
        for bad in [[created, inner, reply].concat(), [created, inner, reply, outer].concat()] {
            assert!(check_file_is_durable_by_name(&trace(&bad)).is_err(), "{bad}");
        }
    }
}
