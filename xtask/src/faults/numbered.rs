//! Every call in turn. What a server asks the kernel for while it rewrites its log, turns it off and on, saves, or ends, is recorded by
//! strace, by the thread that asks; then each of these calls by its number is the first of its thread that fails, once or until the disk
//! heals, or the last thing that its process does. So a call that somebody adds is tried as well.
//!
//! What clients may see of it is open, as the call may be one on the log or not: what they are told must be true as far as `kill -9` shows
//! it. What is acknowledged after a failed fsync is judged by the matrix (`cases.rs`).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Client, Dataset, Info, ServerBuilder, compare, dump_dataset};

use super::calls::{self, Counted, Recorded, Recording, traced};
use super::cases::{Case, During, EIO, ENOSPC, Effect, Extent, Fault, On, Threads, fault, policies};
use super::inject::{Injection, Spec, last_pid, thread_names};
use super::judge::Window;
use super::session::{self, Session, Subject, Suffered};
use super::{Options, REDUCED_STEP, is_whole_name};
use crate::crash::Policy;
use crate::parallel;
use crate::recovered::others;
use crate::traces::Call;
use crate::waiting::wait;

/// What a server is asked for.
const OPERATIONS: &[(&str, During)] = &[
    ("in the first rewrite", During::FirstRewrite),
    ("in a rewrite", During::Rewrite),
    ("while it is turned off", During::TurningOff),
    ("while it is turned on", During::TurningOn),
    ("in SAVE", During::Save),
    ("in BGSAVE", During::Bgsave),
    ("in SHUTDOWN", During::Shutdown),
    ("in a SHUTDOWN that saves", During::ShutdownSaving),
];

/// How long an operation may take, and how long one that is over is waited for the calls that follow it: the log is fsynced and its state
/// file written once a second.
const BOUND: Duration = Duration::from_secs(90);
const QUIET: Duration = Duration::from_millis(1_500);
/// And for a thread that was there when the calls were recorded.
const THREAD_BOUND: Duration = Duration::from_secs(3);

/// How long what fails until the disk heals goes on after it has come.
const HOLD: Duration = Duration::from_millis(1_300);

/// The value of this key tells snapshots apart.
const GENERATION: &str = "generation";

/// The cases of the policies that promise something, as far as `only` may mean them.
///
/// # Errors
/// If a server cannot be started, or strace not attached to it.
pub(super) fn cases(subject: &mut Subject, options: &Options) -> Result<Vec<Case>> {
    let recordings: Vec<(Policy, &'static str, During)> = policies(true)
        .iter()
        .flat_map(|policy| OPERATIONS.iter().map(|(name, during)| (*policy, *name, *during)))
        .filter(|(policy, name, _)| may_mean(&options.only, *policy, name))
        .collect();
    // The whole name of a case, by which it is repeated: its number may not be one of those that are tried.
    let all = is_whole_name(&options.only);
    let recorded = parallel::map(options.jobs, &recordings, |(policy, name, during)| {
        record(subject, *policy, name, *during, all).with_context(|| format!("the calls {name}, {}", policy.name()))
    });
    let mut cases = Vec::new();
    for ((policy, name, during), recorded) in recordings.into_iter().zip(recorded) {
        let (data_dir, Recording { calls, paths }) = recorded?;
        subject.files.insert((policy.name(), name), (data_dir, paths));
        // Before its first rewrite a server has no threads to attach to.
        let has_threads = during != During::FirstRewrite;
        let attached = [Threads::Named("loop"), Threads::Child];
        for call in calls.into_iter().filter(|call| has_threads || attached.contains(&call.threads)) {
            let fault = fault_of(name, during, call);
            let extents = extents(during, call).iter();
            cases.extend(extents.map(|extent| Case { policy, fault, error: call.error, extent: *extent }));
        }
    }
    if options.reduced {
        cases = cases.into_iter().step_by(REDUCED_STEP).collect();
    }
    Ok(cases)
}

/// Whether a part of a case's name may be one of this operation.
fn may_mean(only: &str, policy: Policy, operation: &str) -> bool {
    let prefix = format!("{}/{}-", policy.name(), operation.replace(' ', "-"));
    let of_operation = OPERATIONS.iter().any(|(name, _)| only.contains(&format!("{}-", name.replace(' ', "-"))));
    let policy_fits = !only.contains('/')
        || policies(false).iter().all(|other| !only.contains(&format!("{}/", other.name())))
        || only.contains(&format!("{}/", policy.name()));
    prefix.contains(only) || policy_fits && (!of_operation || only.contains(&prefix[policy.name().len() + 1..]))
}

fn fault_of(name: &'static str, during: During, call: Recorded) -> Fault {
    let on = if call.on_files { On::Recorded } else { On::Anything };
    Fault { threads: call.threads, during, from: call.from, ..fault(name, call.calls, on, Effect::Open) }
}

/// How long a call fails; or its process dies, whatever the error would have been.
fn extents(during: During, call: Recorded) -> &'static [Extent] {
    // What was written while the log was off, or was not yet on, is in no log.
    let in_log = !matches!(during, During::TurningOff | During::TurningOn);
    match (call.error == ENOSPC, in_log) {
        (true, _) => &[Extent::Once],
        (false, true) => &[Extent::Once, Extent::UntilHealed, Extent::Deadly],
        (false, false) => &[Extent::Once, Extent::UntilHealed],
    }
}

/// The calls of an operation, and the data directory of the server that made them.
fn record(
    subject: &Subject,
    policy: Policy,
    name: &'static str,
    during: During,
    all: bool,
) -> Result<(PathBuf, Recording)> {
    let fault = Fault { during, ..fault(name, "", On::Anything, Effect::Open) };
    let case = Case { policy, fault, error: EIO, extent: Extent::Once };
    let home = tempfile::tempdir()?;
    let recording = session::record(subject, &case, all, home.path())?;
    Ok((home.path().join("data"), recording))
}

/// What is saved by the next snapshot is another generation than what the last one holds.
pub(super) fn make_generations(control: &mut Client) -> Result<()> {
    control.expect(&["SET", GENERATION, "1"])?;
    control.expect(&["SAVE"])?;
    control.expect(&["SET", GENERATION, "2"]).map(drop)
}

/// What is wrong with the snapshot that a server has left: it must be whole, and of the later generation if that was said to be saved.
/// `data` is what it must hold beside what clients wrote.
///
/// # Errors
/// If there is none, or the server that reads it does not answer.
pub(super) fn check_dump(subject: &Subject, home: &Path, saved: bool, data: &Dataset) -> Result<Option<String>> {
    let alone = tempfile::tempdir()?;
    fs::create_dir_all(alone.path().join("data"))?;
    fs::copy(home.join("data/dump.rdb"), alone.path().join("data/dump.rdb")).context("the snapshot")?;
    let server = match ServerBuilder::new(&subject.binary, alone.path()).directive("appendonly", "no").start() {
        Ok(server) => server,
        Err(error) => return Ok(Some(format!("the snapshot cannot be loaded: {error:#}"))),
    };
    let mut found = others(dump_dataset(&mut server.client()?)?);
    let mut expected = data.clone();
    let generation = (0, GENERATION.to_owned());
    let found_generation = found.entries.remove(&generation);
    expected.entries.remove(&generation);
    if let Some(difference) = compare(&expected, &found, DEADLINE_TOLERANCE_MS).first() {
        return Ok(Some(format!("the snapshot holds other data: {difference}")));
    }
    let good: &[&str] = if saved { &["2"] } else { &["1", "2"] };
    let is_good = found_generation.as_ref().is_some_and(|entry| good.iter().any(|good| entry.value == **good));
    Ok((!is_good).then(|| format!("the snapshot is of generation {found_generation:?}, saved: {saved}")))
}

impl Session<'_> {
    /// Lets a call by its number be the first that fails, and heals the disk.
    pub(super) fn suffer_numbered(&mut self) -> Result<Suffered> {
        self.prepare()?;
        self.prepare_numbered()?;
        let injection = self.thread_comes().then(|| self.inject()).transpose()?;
        let since = Instant::now();
        let started = self.ask_numbered()?;
        let Some(injection) = injection else { return self.go_through_unharmed(since, started) };
        let missed = !self.wait_met(&injection)?;
        if self.case.extent == Extent::UntilHealed && !missed && !self.has_ended()? {
            self.check_refusals()?;
            std::thread::sleep(HOLD);
            self.check_refusals()?;
        }
        let met = injection.met()?;
        let mut met_by = self.met_by(&injection)?;
        // A call of the server on a child's file may come before that of the child: then it is the server that died.
        let died = self.case.extent == Extent::Deadly && injection.has_killed()?;
        if died && (self.case.fault.threads != Threads::Child || !self.wait_ended_or_served()?) {
            met_by.insert(self.case.fault.threads.name().to_owned());
        }
        let healed = injection.end()?;
        if self.has_ended()? {
            self.check_end(&met)?;
            let window = Window { since, healed: None };
            let saved = self.is_about_snapshot().then_some(false);
            return Ok(Suffered { window, met_by, saved, ended: true });
        }
        self.wait_over()?;
        let saved = self.was_saved(started)?;
        self.check_health()?;
        let healed = (self.case.extent == Extent::UntilHealed && !missed).then_some(healed);
        Ok(Suffered { window: Window { since, healed }, met_by, saved, ended: false })
    }

    /// What strace is to look at: of a background thread everything, of the loop the server's files, of a child those that it makes.
    pub(super) fn recorded_paths(&self) -> Vec<String> {
        let Case { policy, fault, .. } = self.case;
        let Some((recorded_in, files)) = self.subject.files.get(&(policy.name(), fault.name)) else {
            return Vec::new();
        };
        if fault.on != On::Recorded {
            return Vec::new();
        }
        let last_pid = last_pid();
        let paths =
            files.iter().flat_map(|file| file.in_run(recorded_in, self.server.data_dir(), self.server.pid(), last_pid));
        paths.filter(|path| fault.threads != Threads::Child || path.contains("/temp-")).collect()
    }

    /// The end of an operation in which nothing can fail, since the thread is not there that was to meet the fault.
    fn go_through_unharmed(&mut self, since: Instant, started: bool) -> Result<Suffered> {
        self.wait_over()?;
        let ended = self.has_ended()?;
        let saved = if ended { self.is_about_snapshot().then_some(false) } else { self.was_saved(started)? };
        Ok(Suffered { window: Window { since, healed: None }, met_by: BTreeSet::new(), saved, ended })
    }

    /// Whether the thread is there that is to meet the fault. One that writes beside a slow fsync may be there in one run and not in another.
    fn thread_comes(&self) -> bool {
        let Threads::Named(name) = self.case.fault.threads else { return true };
        self.wait_thread_for(name, THREAD_BOUND).is_ok()
    }

    fn prepare_numbered(&mut self) -> Result<()> {
        if self.case.fault.during == During::ShutdownSaving {
            self.control.expect(&["CONFIG", "SET", "save", "3600 1"])?;
        }
        Ok(())
    }

    fn is_about_snapshot(&self) -> bool {
        matches!(self.case.fault.during, During::Save | During::Bgsave)
    }

    /// The calls of an operation that nothing disturbs.
    pub(super) fn record(&mut self, all: bool) -> Result<Recording> {
        self.prepare()?;
        self.prepare_numbered()?;
        let (pid, data_dir) = (self.server.pid(), self.server.data_dir().to_owned());
        let calls = traced();
        let spec = Spec { targets: vec![pid], follow: true, calls: &calls, what: String::new(), paths: Vec::new() };
        let recording = Injection::attach(&spec, self.home, "recording")?;
        let mut names = thread_names(pid);
        let started = self.ask_numbered()?;
        self.wait_over()?;
        std::thread::sleep(QUIET);
        names.extend(thread_names(pid));
        let output = recording.end_recording()?;
        ensure!(!self.case.fault.during.ends_server() || self.has_ended()?, "SHUTDOWN did not end the server");
        ensure!(self.has_ended()? || self.was_saved(started)? != Some(false), "the snapshot was not saved");
        Ok(calls::read(&output, pid, &data_dir, &|thread| names.get(&thread).cloned(), Counted::ByThread, all))
    }

    /// Asks for the operation, and returns whether it succeeded, or began.
    fn ask_numbered(&mut self) -> Result<bool> {
        let reply = self.control.call(self.case.fault.during.request());
        match reply {
            Ok(reply) => Ok(reply.as_error().is_none()),
            Err(error) if !self.may_end() => Err(error),
            // The server has ended, without an answer.
            Err(_) => self.server.wait_exit(BOUND).map(|_| true),
        }
    }

    /// Waits until it is clear whether the server has ended.
    fn wait_ended_or_served(&mut self) -> Result<bool> {
        if self.control.call(&["PING"]).is_ok() {
            return Ok(false);
        }
        self.server.wait_exit(BOUND).map(|_| true)
    }

    fn may_end(&self) -> bool {
        self.case.fault.during.ends_server() || self.case.extent == Extent::Deadly
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.server.try_wait()?.is_some())
    }

    /// Waits until the call has failed, or was not made.
    fn wait_met(&mut self, injection: &Injection) -> Result<bool> {
        let mut over = None;
        let deadly = self.case.extent == Extent::Deadly;
        wait("the call, or the end of what was asked for", BOUND, || {
            if deadly && injection.has_killed()? || !deadly && !injection.met_by()?.is_empty() {
                if deadly && self.case.fault.threads != Threads::Child {
                    self.server.wait_exit(BOUND)?;
                }
                return Ok(Some(true));
            }
            if over.is_none() && self.is_over()? {
                over = Some(Instant::now());
            }
            Ok(over.is_some_and(|over| over.elapsed() > QUIET).then_some(false))
        })
    }

    fn wait_over(&mut self) -> Result<()> {
        wait("the end of what was asked for", BOUND, || Ok(self.is_over()?.then_some(())))
    }

    fn is_over(&mut self) -> Result<bool> {
        if self.has_ended()? {
            return Ok(true);
        }
        let info = match Info::fetch(&mut self.control, "persistence") {
            Ok(info) => info,
            Err(error) if !self.may_end() => return Err(error),
            Err(_) => return self.server.wait_exit(BOUND).map(|_| true),
        };
        let running = ["aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress"];
        Ok(!running.iter().any(|field| info.is_set(field)) && info.text("aof_rewrite_phase") == Some("idle"))
    }

    /// Whether a snapshot that was asked for is said to be saved.
    fn was_saved(&mut self, started: bool) -> Result<Option<bool>> {
        match self.case.fault.during {
            During::Save => Ok(Some(started)),
            During::Bgsave => {
                let info = Info::fetch(&mut self.control, "persistence")?;
                let well = info.text("rdb_last_bgsave_status") == Some("ok");
                // A log that must heal ends it, and has it made again: until then the status is that of the one before.
                Ok(Some(started && well && self.server.log()?.contains("Background saving terminated with success")))
            }
            _ => Ok(None),
        }
    }

    /// A server ends because it was told to, and not while its log may not be on disk; or because a call was deadly.
    fn check_end(&mut self, met: &[Call]) -> Result<()> {
        let Some(status) = self.server.try_wait()? else { bail!("it has not ended") };
        if self.case.extent == Extent::Deadly && status.signal() == Some(9) {
            return Ok(());
        }
        if !self.case.fault.during.ends_server() {
            self.findings.push(format!("the server ended by itself: {status}"));
        } else if !status.success() {
            self.findings.push(format!("SHUTDOWN ended with {status}"));
        }
        // A write may be tried again, and was then; an fsync may not.
        let secures = |call: &&Call| call.is(&["fsync", "fdatasync"]) && call.says("/appendonly.aof>");
        let early = met.iter().find(secures);
        self.findings
            .extend(early.map(|call| format!("the server ended in order after {}({}", call.name, call.arguments)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::DiskError;
    use super::*;

    fn call(error: DiskError) -> Recorded {
        Recorded { threads: Threads::Named("bio_rename"), calls: "renameat", error, from: 2, on_files: false }
    }

    #[test]
    fn a_case_is_named_by_its_thread_call_and_number() {
        let fault = fault_of("in SAVE", During::Save, call(ENOSPC));
        let case = |extent| Case { policy: Policy::Always, fault, error: ENOSPC, extent };
        assert_eq!(case(Extent::Once).name(), "always/in-SAVE-bio_rename-renameat-2/ENOSPC/once");
        assert_eq!(case(Extent::Once).injected(), "error=ENOSPC:when=2");
        assert_eq!(case(Extent::UntilHealed).injected(), "error=ENOSPC:when=2+");
        assert_eq!(case(Extent::Deadly).injected(), "signal=SIGKILL:when=2");
    }

    #[test]
    fn every_how_manieth_case_has_every_extent() {
        let mut met = Vec::new();
        for (number, extent) in std::iter::repeat_n([call(EIO), call(ENOSPC)], 100)
            .flatten()
            .flat_map(|call| extents(During::Save, call).to_vec())
            .enumerate()
        {
            if number % REDUCED_STEP == 0 && !met.contains(&extent) {
                met.push(extent);
            }
        }
        assert_eq!(met.len(), 3, "{met:?}");
    }

    #[test]
    fn only_operations_that_a_name_may_mean_are_recorded() {
        let means = |only, operation| may_mean(only, Policy::Always, operation);
        assert!(means("", "in SAVE") && means("in-SAVE", "in SAVE") && means("openat", "in SAVE"));
        assert!(means("always/in-SAVE-loop-openat-1/EIO/once", "in SAVE"));
        assert!(!means("always/in-SAVE-loop-openat-1/EIO/once", "in BGSAVE"));
        assert!(!means("everysec/in-SAVE-loop-openat-1/EIO/once", "in SAVE"));
    }
}
