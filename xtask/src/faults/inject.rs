//! Faults of a disk, made by strace in a server that runs: it is attached for as long as the fault is to last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testkit::server::interrupt;

use crate::waiting::wait;

/// How long strace may take to attach, or to let go of a thread that waits for a busy disk.
const BOUND: Duration = Duration::from_secs(90);

/// What is made to fail.
pub(super) struct Spec<'a> {
    /// The processes or threads.
    pub(super) targets: Vec<i32>,
    /// Whether threads and children that they start, and the other threads of a process, are meant as well.
    pub(super) follow: bool,
    /// The system calls, separated by commas.
    pub(super) calls: &'a str,
    /// What happens to them, as strace's `inject` wants it: `error=EIO`, `delay_enter=1000`; empty if they are only recorded.
    pub(super) what: String,
    /// Only calls that name one of these.
    pub(super) paths: Vec<String>,
}

/// A fault in force. Ends when dropped.
pub(super) struct Injection {
    strace: Child,
    output: PathBuf,
    /// Without threads and children to follow strace does not write who made a call.
    only: Option<i32>,
}

impl Injection {
    /// Attaches strace and returns when the fault is in force. `home` takes its output.
    pub(super) fn attach(spec: &Spec<'_>, home: &Path, name: &str) -> Result<Self> {
        let (output, messages) = (home.join(format!("{name}.strace")), home.join(format!("{name}.messages")));
        let mut command = Command::new("strace");
        command.arg("-y").arg("-o").arg(&output);
        command.arg("-e").arg(format!("trace={}", spec.calls));
        if !spec.what.is_empty() {
            command.arg("-e").arg(format!("inject={}:{}", spec.calls, spec.what));
        }
        command.args(spec.follow.then_some("-f"));
        command.args(spec.paths.iter().flat_map(|path| ["-P", path]));
        command.args(spec.targets.iter().flat_map(|target| ["-p".to_owned(), target.to_string()]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&messages)?);
        let only = (!spec.follow && spec.targets.len() == 1).then(|| spec.targets[0]);
        let mut injection = Self { strace: command.spawn().context("strace")?, output, only };
        wait("strace's attachment", BOUND, || {
            let text = fs::read_to_string(&messages)?;
            if let Some(status) = injection.strace.try_wait()? {
                bail!(
                    "strace cannot attach to a running server ({status}): {text}. It needs root or kernel.yama.ptrace_scope=0"
                );
            }
            Ok((text.matches(" attached").count() >= spec.targets.len()).then_some(()))
        })?;
        Ok(injection)
    }

    /// The threads that met the fault so far, as their process ids.
    pub(super) fn met_by(&self) -> Result<BTreeSet<i32>> {
        Ok(met_by(&fs::read_to_string(&self.output)?, self.only))
    }

    /// The lines of the calls that failed so far.
    pub(super) fn met(&self) -> Result<Vec<String>> {
        let output = fs::read_to_string(&self.output)?;
        Ok(output.lines().filter(|line| is_injected(line)).map(str::to_owned).collect())
    }

    /// Ends the recording, and returns how often the thread that makes a call most often has made it. It must follow threads.
    pub(super) fn end_recording(self) -> Result<BTreeMap<String, u32>> {
        let output = self.output.clone();
        self.end()?;
        Ok(most_of_a_thread(&fs::read_to_string(output)?))
    }

    /// Ends the fault. Returns the last moment at which it was surely in force, and the first at which it surely was not.
    pub(super) fn end(mut self) -> Result<(Instant, Instant)> {
        let asked = Instant::now();
        interrupt(&self.strace)?;
        wait("strace's end", BOUND, || Ok(self.strace.try_wait()?))?;
        Ok((asked, Instant::now()))
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            // Interrupted it lets go of the server; killed it might leave it stopped.
            let _ = interrupt(&self.strace);
            drop(self.strace.wait());
        }
    }
}

/// The threads with an injected error.
fn met_by(output: &str, only: Option<i32>) -> BTreeSet<i32> {
    output
        .lines()
        .filter(|line| is_injected(line))
        .filter_map(|line| only.or_else(|| line.split(' ').next()?.parse().ok()))
        .collect()
}

fn is_injected(line: &str) -> bool {
    line.contains("(INJECTED)") && line.contains("= -1 ")
}

/// How often each call is made, by the thread that makes it most often.
fn most_of_a_thread(output: &str) -> BTreeMap<String, u32> {
    let mut of_threads: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in output.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        // The second half of a call that another one has interrupted begins otherwise.
        let Some((name, _)) = rest.trim_start().split_once('(') else { continue };
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            *of_threads.entry((thread, name)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, name), number) in of_threads {
        let of_call: &mut u32 = most.entry(name.to_owned()).or_default();
        *of_call = number.max(*of_call);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::{met_by, most_of_a_thread};

    #[test]
    fn calls_are_counted_by_the_thread_that_makes_them_most_often() {
        let output = "\
7 write(9</d/log>, \"a(b\", 3) = 3
8 write(9</d/log>, \"x\", 1 <unfinished ...>
7 fsync(9</d/log>) = 0
8 <... write resumed>) = 1
8 write(9</d/log>, \"x\", 1) = 1
8 +++ exited with 0 +++
8 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---
";
        let most = most_of_a_thread(output);
        assert_eq!(most.into_iter().collect::<Vec<_>>(), [("fsync".to_owned(), 1), ("write".to_owned(), 2)]);
    }

    #[test]
    fn who_met_the_fault_is_read_from_the_output() {
        let output = "\
7 fdatasync(9) = 0
8 fdatasync(9) = -1 EIO (Input/output error) (INJECTED)
9 write(9, \"= -1 \", 5) = 5
10 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)
";
        assert_eq!(met_by(output, None).into_iter().collect::<Vec<_>>(), [8, 10]);
        assert_eq!(
            met_by("write(9) = -1 EIO (Input/output error) (INJECTED)\n", Some(7)).into_iter().collect::<Vec<_>>(),
            [7]
        );
    }
}
