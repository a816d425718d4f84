//! The processor time of another process, from /proc: what benchmarks measure instead of the clock on the wall.
//!
//! `schedstat` counts in nanoseconds, but only threads that are alive, and brings a thread's number up to date when it
//! leaves the processor: a sample is taken of a server at rest. `stat` counts in ticks, and threads that have ended too.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Nanoseconds in one tick of `/proc/<pid>/stat`: USER_HZ is 100 on every Linux.
const TICK_NS: u64 = 10_000_000;
/// A server that uses less than this in one look counts as being at rest: its cron alone takes some tens of microseconds.
const REST_NS: u64 = 1_000_000;
/// The time between two looks at a server that should come to rest.
const LOOK: Duration = Duration::from_millis(20);
/// How long a server may take to come to rest.
const REST_BOUND: Duration = Duration::from_secs(30);

/// The processor time that a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// All threads, kernel included, in nanoseconds.
    pub(crate) all_ns: u64,
    /// The main thread alone.
    pub(crate) main_ns: u64,
    /// All threads outside the kernel, in nanoseconds; an estimate of the kernel's, from ticks.
    pub(crate) user_ns: u64,
    /// How often the main thread was put on a processor: a server that waits more often has smaller batches.
    pub(crate) main_runs: u64,
}

impl Cpu {
    /// Reads it.
    ///
    /// # Errors
    /// If the process is gone or /proc has another form.
    pub(crate) fn of(pid: i32) -> Result<Self> {
        let (main_ns, main_runs) = schedstat(&format!("/proc/{pid}/task/{pid}/schedstat"))?;
        let mut alive_ns = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the threads of the server")? {
            // A thread may end between being listed and being read: the ticks below know of it.
            let path = thread?.path().join("schedstat");
            alive_ns += path.to_str().and_then(|path| schedstat(path).ok()).map_or(0, |(ns, _)| ns);
        }
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("stat of the server")?;
        let (user, system) = ticks(&text).context("/proc/<pid>/stat has another form")?;
        // Both are lower bounds: one leaves out threads that ended, the other up to a tick.
        let all_ns = alive_ns.max((user + system) * TICK_NS);
        Ok(Self { all_ns, main_ns, user_ns: user * TICK_NS, main_runs })
    }

    /// Waits until the process is at rest, and reads it.
    ///
    /// # Errors
    /// If it does not come to rest in time.
    pub(crate) fn at_rest(pid: i32) -> Result<Self> {
        let deadline = Instant::now() + REST_BOUND;
        let mut last = Self::of(pid)?;
        loop {
            std::thread::sleep(LOOK);
            let now = Self::of(pid)?;
            // A thread that ended takes its nanoseconds with it: the count may fall by up to a tick.
            if now.since(last).all_ns < REST_NS {
                return Ok(now);
            }
            if Instant::now() > deadline {
                bail!("the server is busy though nobody asks anything of it, for {REST_BOUND:?}");
            }
            last = now;
        }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            all_ns: self.all_ns + other.all_ns,
            main_ns: self.main_ns + other.main_ns,
            user_ns: self.user_ns + other.user_ns,
            main_runs: self.main_runs + other.main_runs,
        }
    }

    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            all_ns: self.all_ns.saturating_sub(before.all_ns),
            main_ns: self.main_ns.saturating_sub(before.main_ns),
            user_ns: self.user_ns.saturating_sub(before.user_ns),
            main_runs: self.main_runs.saturating_sub(before.main_runs),
        }
    }
}

/// Time on the processor in nanoseconds and the number of times put on it.
fn schedstat(path: &str) -> Result<(u64, u64)> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(ns)), Some(Ok(_waited)), Some(Ok(runs))) = (numbers.next(), numbers.next(), numbers.next()) else {
        bail!("{path} has another form: {text}");
    };
    Ok((ns, runs))
}

/// User and system time in ticks, from the text of `/proc/<pid>/stat`.
fn ticks(text: &str) -> Option<(u64, u64)> {
    // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15, counted from 1 before it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_that_looks_like_fields() {
        let text = "42 (a) 1 2 3) S 1 42 42 0 -1 4194560 100 0 0 0 77 33 0 0 20 0 4 0 12345 1000 200";
        assert_eq!(ticks(text), Some((77, 33)));
    }

    /// It was asked of the tests' own process, whose count falls when the thread of another test ends between two looks.
    #[test]
    fn the_time_of_a_process_with_one_thread_never_falls_and_grows_with_its_work() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let pid = i32::try_from(child.id()).unwrap();
        let before = Cpu::of(pid).unwrap();
        assert!(before.all_ns >= before.main_ns);
        let grew = (0..10_000).any(|_| {
            to.write_all(b"work\n").unwrap();
            from.read_line(&mut String::new()).unwrap();
            let after = Cpu::of(pid).unwrap();
            assert_eq!(before.since(after), Cpu::default());
            after.main_ns > before.main_ns && after.main_runs > before.main_runs
        });
        drop(to);
        child.wait().unwrap();
        assert!(grew);
    }
}
