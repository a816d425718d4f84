//! Faults of a disk, made by strace in a server that runs: it is attached for as long as the fault is to last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testkit::server::interrupt;

use crate::traces::{Call, parse};
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

    /// The calls that failed so far, and who made them.
    pub(super) fn met(&self) -> Result<Vec<Call>> {
        let output = fs::read_to_string(&self.output)?;
        let calls = match self.only {
            None => parse(&output),
            Some(thread) => parse(&output.lines().map(|line| format!("{thread} {line}\n")).collect::<String>()),
        };
        Ok(calls.into_iter().filter(|call| is_injected(&call.arguments)).collect())
    }

    /// Whether one that it is attached to was killed.
    pub(super) fn has_killed(&self) -> Result<bool> {
        Ok(fs::read_to_string(&self.output)?.contains("+++ killed by SIGKILL"))
    }

    /// Ends the recording, and returns it as strace wrote it.
    pub(super) fn end_recording(self) -> Result<String> {
        let output = self.output.clone();
        self.end()?;
        Ok(fs::read_to_string(output)?)
    }

    /// Ends the fault. Returns the last moment at which it surely was in force, and the first at which it surely was not.
    pub(super) fn end(mut self) -> Result<(Instant, Instant)> {
        self.finish()
    }

    /// Ends the fault, and strace, which has then written everything that there is to tell. Returns as [`Self::end`].
    pub(super) fn finish(&mut self) -> Result<(Instant, Instant)> {
        let asked = Instant::now();
        interrupt(&self.strace)?;
        wait("strace's end", BOUND, || Ok(self.strace.try_wait()?))?;
        Ok((asked, Instant::now()))
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            // Interrupted it lets go of the server; killed it might leave it stopped, which is better than to wait for ever.
            let _ = interrupt(&self.strace);
            if wait("strace's end", BOUND, || Ok(self.strace.try_wait()?)).is_err() {
                let _ = self.strace.kill();
                drop(self.strace.wait());
            }
        }
    }
}

/// The number that the kernel has given to a process or thread last.
pub(super) fn last_pid() -> u32 {
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split_whitespace().last().and_then(|pid| pid.parse().ok()).unwrap_or(0)
}

/// The threads of a process by the names that the kernel has of them.
pub(super) fn thread_names(process: i32) -> BTreeMap<i32, String> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return BTreeMap::new() };
    let ids = tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok());
    let named = |thread: i32| Some((thread, fs::read_to_string(format!("/proc/{process}/task/{thread}/comm")).ok()?));
    ids.filter_map(named).map(|(thread, name)| (thread, name.trim_end().to_owned())).collect()
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

#[cfg(test)]
mod tests {
    use super::met_by;

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
