//! The directories of a power run, each marked with the process that made it, so that the next run can tell what a killed one
//! left: mounts, servers, files. A run that is interrupted removes its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use testkit::server::wait_gone;

/// What the names of the directories begin with.
pub(super) const POWER: &str = "ledgerstone-power-";
pub(super) const EXT4: &str = "ledgerstone-ext4-";

/// The file in each that names its process.
const OWNER: &str = "owner";
/// Where in each a file system is mounted.
const MOUNTPOINT: &str = "data";
/// How long a killed server may take to be gone.
const KILL_BOUND: Duration = Duration::from_secs(10);

/// Set when the run is to end: nothing more is made that would have to be removed.
static ENDING: AtomicBool = AtomicBool::new(false);

/// A new directory of this run.
///
/// # Errors
/// If it cannot be made, or the run was interrupted.
pub(super) fn directory(prefix: &str) -> Result<TempDir> {
    ensure!(!ENDING.load(Ordering::SeqCst), "interrupted");
    let directory = tempfile::Builder::new().prefix(prefix).tempdir()?;
    let own = process(std::process::id()).context("/proc/self")?;
    fs::write(directory.path().join(OWNER), own)?;
    Ok(directory)
}

/// Removes what killed runs have left, and lets SIGINT, SIGTERM and SIGHUP remove what this one has made. To be called before any
/// other thread is started.
///
/// # Errors
/// If there is something that cannot be removed.
pub(super) fn prepare() -> Result<()> {
    for left in directories(|owner| process_of(owner) != Some(owner.to_owned()))? {
        println!("  removed what a killed run had left: {}", left.display());
        remove(&left).with_context(|| format!("{}, which a killed run has left", left.display()))?;
    }
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("signals")?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(signal) = signals.wait() else { return };
        ENDING.store(true, Ordering::SeqCst);
        eprintln!("test-crash --power: {signal}: its servers, mounts and directories are removed");
        // Twice: one may have been in the making.
        for _ in 0..2 {
            remove_own();
        }
        std::process::exit(128 + signal as i32);
    })?;
    Ok(())
}

/// Goes no further in a run that was interrupted: what fails now has failed for that, and the process ends when all is removed.
pub(super) fn stay_if_interrupted() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

fn remove_own() {
    let own = process(std::process::id());
    let found = directories(|owner| Some(owner.to_owned()) == own);
    for directory in found.unwrap_or_default() {
        if let Err(error) = remove(&directory) {
            eprintln!("{}: {error:#}", directory.display());
        }
    }
}

/// The directories whose owner's line fits.
fn directories(fits: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(POWER) && !name.starts_with(EXT4) {
            continue;
        }
        // What is kept of a failure has no owner.
        if fs::read_to_string(entry.path().join(OWNER)).is_ok_and(|owner| fits(&owner)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A process by its id and its start, in clock ticks since the boot: ids are given away again.
fn process(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; the start is the twentieth field behind it.
    let started = stat.rsplit_once(") ")?.1.split(' ').nth(19)?;
    Some(format!("{id} {started}"))
}

/// The process that has the id of an owner's line now.
fn process_of(owner: &str) -> Option<String> {
    process(owner.split(' ').next()?.parse().ok()?)
}

/// Ends every server over a directory, unmounts what is mounted in it, and removes it.
fn remove(directory: &Path) -> Result<()> {
    for pid in servers_over(directory)? {
        // It may have ended by itself meanwhile.
        let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        wait_gone(pid, KILL_BOUND)?;
    }
    let mountpoint = directory.join(MOUNTPOINT);
    if is_mounted(&mountpoint)? && umount2(&mountpoint, MntFlags::MNT_DETACH).is_err() {
        // Only root may unmount directly.
        let status = Command::new("fusermount3").arg("-uz").arg(&mountpoint).status().context("fusermount3")?;
        ensure!(status.success(), "fusermount3 -uz {}: {status}", mountpoint.display());
    }
    // Its own guard may have removed it meanwhile.
    match fs::remove_dir_all(directory) {
        Err(error) if directory.exists() => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_mounted(path: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    Ok(mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at) == path)))
}

/// Processes that were started with a path in this directory, or stand in it.
fn servers_over(directory: &Path) -> Result<Vec<i32>> {
    let inside = format!("{}/", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let named = String::from_utf8_lossy(&line).split('\0').any(|argument| argument.starts_with(&inside));
        let stands = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at.starts_with(directory));
        if (named || stands) && u32::try_from(pid).ok() != Some(std::process::id()) {
            found.push(pid);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn what_a_killed_run_left_is_told_by_its_owner_and_removed_with_its_servers() {
        let directory = directory(POWER).unwrap().keep();
        let own = process(std::process::id()).unwrap();
        assert!(directories(|owner| owner == own).unwrap().contains(&directory));
        // Another process has that id now.
        let dead = format!("{} 1", std::process::id());
        fs::write(directory.join(OWNER), &dead).unwrap();
        assert_ne!(process_of(&dead), Some(dead.clone()));
        let configuration = directory.join("server.conf");
        fs::write(&configuration, "started\n").unwrap();
        let mut server = Command::new("tail")
            .arg("-f")
            .arg(&configuration)
            .stdout(Stdio::piped())
            .spawn()
            .expect("tail is everywhere");
        // A parent goes on before the kernel has set the command line of the new program.
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "started\n");
        let pid = i32::try_from(server.id()).unwrap();
        assert_eq!(servers_over(&directory).unwrap(), [pid]);
        remove(&directory).unwrap();
        assert!(!directory.exists());
        assert!(!server.wait().unwrap().success());
    }

    #[test]
    fn what_belongs_to_nobody_is_left_alone() {
        let kept = tempfile::Builder::new().prefix("ledgerstone-power-kept-").tempdir().unwrap();
        assert!(!directories(|_| true).unwrap().contains(&kept.path().to_owned()));
    }
}
