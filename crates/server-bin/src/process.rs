//! The process: directory, limits, pid file, sockets' options, facts and figures for INFO.
#![expect(clippy::disallowed_methods, reason = "the process's own surroundings, not the engine's files")]

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use engine::{CpuTime, Level, Log as _, Memory, Process};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use tikv_jemalloc_ctl::{epoch, stats};
use vfs::{Dir, RealDir};

use crate::connections::Stream;
use crate::logger::Logger;
use crate::{alloc, clock, hooks};

/// Descriptors the server needs besides its clients. Source: CONFIG_MIN_RESERVED_FDS of Redis.
const RESERVED_DESCRIPTORS: u64 = 32;

/// Makes `dir` the working directory and opens it.
pub(crate) fn enter_dir(dir: &str) -> anyhow::Result<Arc<dyn Dir>> {
    std::env::set_current_dir(dir).with_context(|| format!("Can't chdir to '{dir}'"))?;
    let path = std::env::current_dir().with_context(|| format!("Can't find the path of '{dir}'"))?;
    let opened = RealDir::open(&path).with_context(|| format!("Can't open the directory '{}'", path.display()))?;
    match opened.sync_parent() {
        // What may not be read, or is of a kind that has no fsync: nothing that can be done.
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP)) => {}
        synced => synced.with_context(|| format!("Can't fsync the directory that '{}' is in", path.display()))?,
    }
    Ok(Arc::new(opened))
}

/// Raises the limit of open descriptors as far as `maxclients` asks and the hard limit lets.
/// Returns how many clients that allows, at most `maxclients`. Source: adjustOpenFilesLimit of Redis.
fn allow_clients(maxclients: u32) -> u32 {
    let wanted = u64::from(maxclients) + RESERVED_DESCRIPTORS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return maxclients };
    if soft >= wanted {
        return maxclients;
    }
    let possible = wanted.min(hard);
    let limit = if setrlimit(Resource::RLIMIT_NOFILE, possible, hard).is_ok() { possible } else { soft };
    let allowed = limit.saturating_sub(RESERVED_DESCRIPTORS).max(1).min(maxclients.into());
    u32::try_from(allowed).expect("at most maxclients")
}

/// [`allow_clients`] at start, where fewer than configured are served, and the log says so.
pub(crate) fn raise_descriptor_limit(maxclients: u32, log: &mut Logger) -> u32 {
    let allowed = allow_clients(maxclients);
    if allowed < maxclients {
        let wanted = u64::from(maxclients) + RESERVED_DESCRIPTORS;
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        log.line(
            Level::Warning,
            format_args!(
                "You requested maxclients of {maxclients} requiring at least {wanted} max file descriptors. Current maximum open \
                 files is {limit}. maxclients has been reduced to {allowed} to compensate for low ulimit."
            ),
        );
    }
    allowed
}

/// Writes the process id to the file, if one is named.
pub(crate) fn write_pid_file(path: &str) -> anyhow::Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    std::fs::write(path, format!("{}\n", std::process::id()))
        .with_context(|| format!("Can't write the pid file {path}"))
}

/// Removes a file of ours, if one is named.
pub(crate) fn remove_file_if_named(path: &str) {
    if !path.is_empty() {
        remove_file(path);
    }
}

/// Removes a file that is of use only while the server runs.
pub(crate) fn remove_file(path: &str) {
    // It may be gone already; nothing depends on it.
    let _gone = std::fs::remove_file(path);
}

/// Makes an accepted socket non-blocking, without Nagle's delay and with keep-alive probes.
/// Source of the probe interval: anetKeepAlive of Redis, a third of the time.
pub(crate) fn prepare_socket(stream: &Stream, keepalive_s: u32) -> std::io::Result<()> {
    match stream {
        Stream::Unix(s) => s.set_nonblocking(true),
        Stream::Tcp(s) => {
            s.set_nonblocking(true)?;
            s.set_nodelay(true)?;
            if keepalive_s > 0 {
                setsockopt(s, sockopt::KeepAlive, &true)?;
                setsockopt(s, sockopt::TcpKeepIdle, &keepalive_s)?;
                setsockopt(s, sockopt::TcpKeepInterval, &(keepalive_s / 3).max(1))?;
                setsockopt(s, sockopt::TcpKeepCount, &3)?;
            }
            Ok(())
        }
    }
}

/// Sixteen random bytes from the system.
pub(crate) fn random_bytes() -> anyhow::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}

/// What INFO shows and the files need to know of this process.
pub(crate) fn facts(config_file: String) -> Process {
    let run_id = (0..2).filter_map(|_| random_bytes().ok()).flatten().chain([0; 4]).take(20);
    Process {
        pid: std::process::id(),
        boot_id: boot_id(),
        run_id: run_id.map(|b| format!("{b:02x}")).collect(),
        executable: std::env::current_exe().map(|p| p.display().to_string()).unwrap_or_default(),
        config_file,
        os: os_line(),
        memory: Some(memory),
        allocator_report: Some(alloc::report),
        purge_memory: Some(alloc::purge),
        huge_pages_bytes: Some(huge_pages_bytes),
        cpu: Some(cpu),
        nanos: Some(clock::mono_ns),
        allow_clients: Some(allow_clients),
        is_others: Some(is_others),
        system_memory_bytes: system_memory_bytes(),
        threads: true,
        hooks: hooks::from_env(),
    }
}

/// The machine's boot id, or zeros where the kernel tells none: recovery then takes every start for one of the same boot,
/// which is the careful assumption.
fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.parse::<engine::BootId>().map(|id| id.0).unwrap_or_default()
}

/// Whether a process of this id lives, is none of ours, as its name says, neither a server nor a child, and has the file of this name in
/// the working directory open. Where the kernel tells of no process none is taken to live: numbers are used again, of a container's
/// processes soon.
fn is_others(pid: u32, name: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    pid != std::process::id() && is_of_another(&stat) && has_open(pid, Path::new(name)).unwrap_or(true)
}

/// Whether a process has a file open; of one that does not let us see what it has, whether it may have made that file, as its owner.
fn has_open(pid: u32, file: &Path) -> std::io::Result<bool> {
    let file = std::fs::symlink_metadata(file)?;
    let process = format!("/proc/{pid}");
    let open = match std::fs::read_dir(format!("{process}/fd")) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(_) => return Ok(std::fs::metadata(process)?.uid() == file.uid()),
    };
    // What cannot be looked at any more has been closed.
    let mut open = open.filter_map(|entry| std::fs::metadata(entry.ok()?.path()).ok());
    Ok(open.any(|open| (open.dev(), open.ino()) == (file.dev(), file.ino())))
}

/// What a line of `/proc/<pid>/stat` says of that: the name, which may hold anything, stands in parentheses, and the state behind it.
fn is_of_another(stat: &str) -> bool {
    let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else { return false };
    let has_ended = rest.trim_start().starts_with(['Z', 'X']);
    !has_ended && !name.starts_with("ledgerstone")
}

fn os_line() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| "Linux".to_owned(),
        |u| {
            let part = |p: &std::ffi::OsStr| p.to_string_lossy().into_owned();
            format!("{} {} {}", part(u.sysname()), part(u.release()), part(u.machine()))
        },
    )
}

fn memory() -> Memory {
    // Statistics are as of the last epoch.
    let _old = epoch::advance();
    let bytes = |r: Result<usize, _>| r.map_or(0, |n: usize| n as u64);
    Memory {
        allocated: bytes(stats::allocated::read().map_err(drop)),
        active: bytes(stats::active::read().map_err(drop)),
        allocator_resident: bytes(stats::resident::read().map_err(drop)),
        resident: resident_bytes(),
    }
}

/// Memory of the machine.
fn system_memory_bytes() -> u64 {
    kilobytes_in("/proc/meminfo", "MemTotal:")
}

/// Memory in transparent huge pages. The kernel walks all memory for it.
fn huge_pages_bytes() -> u64 {
    kilobytes_in("/proc/self/smaps_rollup", "AnonHugePages:")
}

/// A figure of a file of /proc that is given there in kilobytes, in bytes; 0 where there is none.
fn kilobytes_in(path: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let figure = text.lines().find_map(|line| line.strip_prefix(field));
    figure.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kb| kb * 1024)
}

/// Resident memory, from /proc/self/statm: pages in its second field.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string(Path::new("/proc/self/statm")).unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    pages * u64::try_from(page_bytes).unwrap_or(4096)
}

fn cpu() -> CpuTime {
    let us = |t: TimeVal| u64::try_from(t.tv_sec() * 1_000_000 + t.tv_usec()).unwrap_or(0);
    let usage = |who| getrusage(who).map_or((0, 0), |u| (us(u.system_time()), us(u.user_time())));
    let (system_us, user_us) = usage(UsageWho::RUSAGE_SELF);
    let (children_system_us, children_user_us) = usage(UsageWho::RUSAGE_CHILDREN);
    // INFO is answered by the thread of the event loop.
    let (main_system_us, main_user_us) = usage(UsageWho::RUSAGE_THREAD);
    CpuTime { system_us, user_us, children_system_us, children_user_us, main_system_us, main_user_us }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_types, reason = "another process has a file open")]

    use std::net::{TcpListener, TcpStream};

    use nix::sys::socket::getsockopt;

    use super::*;

    fn accepted() -> Stream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Stream::Tcp(listener.accept().unwrap().0)
    }

    #[test]
    fn an_accepted_socket_is_probed_as_tcp_keepalive_says() {
        let stream = accepted();
        prepare_socket(&stream, 90).unwrap();
        assert!(getsockopt(&stream, sockopt::KeepAlive).unwrap());
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepIdle).unwrap(), 90);
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepInterval).unwrap(), 30);
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepCount).unwrap(), 3);
        assert!(getsockopt(&stream, sockopt::TcpNoDelay).unwrap());
    }

    #[test]
    fn without_tcp_keepalive_it_is_not_probed() {
        let stream = accepted();
        prepare_socket(&stream, 0).unwrap();
        assert!(!getsockopt(&stream, sockopt::KeepAlive).unwrap());
    }

    #[test]
    fn a_process_that_lives_under_another_name_is_none_of_ours() {
        for (stat, expected) in [
            ("77 (redis-server) S 1 77 77 0 -1", true),
            ("77 (odd) name) R 1", true),
            ("77 (redis-server) Z 1 77 77 0 -1", false),
            ("77 (ledgerstone-ser) S 1", false),
            ("77 (ledgerstone-aof) R 1", false),
            ("", false),
        ] {
            assert_eq!(is_of_another(stat), expected, "{stat}");
        }
        let any = env!("CARGO_MANIFEST_PATH");
        assert!(!is_others(std::process::id(), any) && !is_others(u32::MAX, any));
    }

    #[test]
    fn of_processes_with_the_number_of_a_file_only_one_that_has_it_open_may_be_writing_it() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = "temp-rewriteaof-7.aof";
        let file = dir.path().join(name);
        std::fs::write(&file, "").unwrap();
        for (opened, expected) in [(file.clone(), true), (elsewhere.path().join(name), false)] {
            std::fs::write(&opened, "").unwrap();
            let open = std::fs::File::open(&opened).unwrap();
            let mut other = std::process::Command::new("sleep").arg("60").stdin(open).spawn().unwrap();
            let told = is_others(other.id(), file.to_str().unwrap());
            other.kill().unwrap();
            other.wait().unwrap();
            assert_eq!(told, expected);
            assert!(!is_others(other.id(), file.to_str().unwrap()), "it has ended");
        }
    }
}
