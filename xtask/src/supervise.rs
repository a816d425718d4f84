//! A process that has so long and no longer: one that hangs is killed with everything that it has started.

use std::collections::BTreeSet;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use testkit::server::{children_of, kill_descendants};

/// How often is looked whether it has ended.
const POLL: Duration = Duration::from_millis(20);
/// How long one that was asked to end has to remove what it has made.
const GRACE: Duration = Duration::from_secs(5);
/// How often what is left over is looked for: what is killed may just have started something.
const ROUNDS: usize = 50;

/// Makes what a process leaves behind a child of this one, so that [`end_the_rest`] finds it.
///
/// # Errors
/// If the system cannot do that.
pub(crate) fn adopt_orphans() -> Result<()> {
    set_child_subreaper(true).context("PR_SET_CHILD_SUBREAPER")
}

/// Runs a command to its end, or kills it and its children after `bound`.
///
/// # Errors
/// If it cannot be run, fails, or hangs.
pub(crate) fn run_within(command: &mut Command, bound: Duration) -> Result<()> {
    let mut child = command.spawn().context("start")?;
    if let Some(status) = wait_until(&mut child, Instant::now() + bound)? {
        return if status.success() { Ok(()) } else { bail!("{status}") };
    }
    let pid = i32::try_from(child.id())?;
    // It may have ended by itself meanwhile.
    let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
    wait_until(&mut child, Instant::now() + GRACE)?;
    kill_descendants(pid);
    child.kill()?;
    child.wait()?;
    bail!("it did not end within {} s, and was killed with all that it had started", bound.as_secs())
}

/// Waits for the end of a process until then; none if it has not ended.
///
/// # Errors
/// If it cannot be waited for.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Kills whatever an ended process has left behind, and returns how many processes that were.
///
/// To be called while no child is wanted any more, after [`adopt_orphans`].
pub(crate) fn end_the_rest() -> usize {
    let own = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
    let mut killed = BTreeSet::new();
    for _ in 0..ROUNDS {
        let alive: Vec<i32> = children_of(own).into_iter().filter(|pid| is_alive(*pid)).collect();
        if alive.is_empty() {
            break;
        }
        kill_descendants(own);
        killed.extend(alive);
        std::thread::sleep(POLL);
    }
    killed.len()
}

/// Whether a child has not ended. One that has, by itself or because a test killed it, is reaped, and was nothing left over.
fn is_alive(child: i32) -> bool {
    matches!(waitpid(Pid::from_raw(child), Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
}

#[cfg(test)]
mod tests {
    use testkit::server::wait_gone;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_ends_in_time_is_told_apart_by_its_status() {
        run_within(&mut shell("exit 0"), Duration::from_secs(60)).unwrap();
        let failed = run_within(&mut shell("exit 3"), Duration::from_secs(60)).unwrap_err();
        assert!(failed.to_string().contains("exit status: 3"), "{failed}");
    }

    #[test]
    fn what_a_test_has_killed_is_not_left_over() {
        let mut child = shell("read line").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(is_alive(pid));
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        wait_gone(pid, Duration::from_secs(10)).unwrap();
        assert!(!is_alive(pid));
        assert!(child.wait().is_err(), "it was reaped");
    }

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join("pid");
        // It does not end when it is asked to.
        let script = format!("trap '' TERM; tail -f /dev/null & echo $! > {}; wait; wait", note.display());
        let hung = run_within(&mut shell(&script), Duration::from_millis(500)).unwrap_err();
        assert!(hung.to_string().contains("was killed with all that it had started"), "{hung}");
        let child = std::fs::read_to_string(note).unwrap();
        wait_gone(child.trim().parse().unwrap(), Duration::from_secs(10)).unwrap();
    }
}
