//! Every call in turn. What a server calls while it rewrites its log, turns it off and on, saves, or ends, is recorded by strace; then
//! each of these calls is the first that fails, once or until the disk heals. So a call that somebody adds is tried as well.
//!
//! What clients may see of it is open, as the call may be one on the log or not: what they are told must be true.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::{Client, Info, ServerBuilder};

use super::calls::{Recorded, record_both};
use super::cases::{Case, During, EIO, Effect, Extent, Fault, fault, policies};
use super::inject::{Injection, Spec};
use super::judge::Window;
use super::session::{self, FEW_KEYS, Session, Subject, Suffered};
use super::{Options, REDUCED_STEP};
use crate::crash::Policy;
use crate::parallel;
use crate::waiting::wait;

/// What a server is asked for.
const OPERATIONS: &[(&str, During)] = &[
    ("in a rewrite", During::Rewrite),
    ("while it is turned off", During::TurningOff),
    ("while it is turned on", During::TurningOn),
    ("in SAVE", During::Save),
    ("in BGSAVE", During::Bgsave),
    ("in SHUTDOWN", During::Shutdown),
];

/// How long an operation may take, and how long one that is over is waited for the calls that follow it: the log is fsynced and its state
/// file written once a second.
const BOUND: Duration = Duration::from_secs(90);
const QUIET: Duration = Duration::from_millis(1_500);

/// How long what fails until the disk heals goes on after it has come.
const HOLD: Duration = Duration::from_millis(1_300);

/// The value of this key tells snapshots apart.
const GENERATION: &str = "generation";

/// The cases of the policies that promise something, each call once and until the disk heals, as far as `only` may mean them.
///
/// # Errors
/// If a server cannot be started, or strace not attached to it.
pub(super) fn cases(subject: &Subject, options: &Options) -> Result<Vec<Case>> {
    let named = |name: &str| options.only.contains(&name.replace(' ', "-"));
    let is_of_one = OPERATIONS.iter().any(|(name, _)| named(name));
    let operations = OPERATIONS.iter().filter(|(name, _)| !is_of_one || named(name));
    let of_policy = |policy| operations.clone().map(move |(name, during)| (policy, *name, *during));
    let recordings: Vec<_> = policies(true).iter().flat_map(|policy| of_policy(*policy)).collect();
    let recorded = parallel::map(options.jobs, &recordings, |(policy, name, during)| {
        recorded(subject, *policy, name, *during).with_context(|| format!("the calls {name}, {}", policy.name()))
    });
    let mut cases = Vec::new();
    for ((policy, name, during), calls) in recordings.into_iter().zip(recorded) {
        for Recorded { calls, on, error, from } in calls? {
            let fault = Fault { during, from, ..fault(name, calls, on, Effect::Open) };
            cases.extend([Extent::Once, Extent::UntilHealed].map(|extent| Case { policy, fault, error, extent }));
        }
    }
    if options.reduced {
        cases = cases.into_iter().step_by(REDUCED_STEP).collect();
    }
    Ok(cases)
}

/// The calls of an operation.
fn recorded(subject: &Subject, policy: Policy, name: &'static str, during: During) -> Result<Vec<Recorded>> {
    record_both(|calls, on| {
        let fault = Fault { during, ..fault(name, "", on, Effect::Open) };
        let case = Case { policy, fault, error: EIO, extent: Extent::Once };
        let home = tempfile::tempdir()?;
        session::record(subject, &case, calls, home.path())
    })
}

/// What is saved by the next snapshot is another generation than what the last one holds.
pub(super) fn make_generations(control: &mut Client) -> Result<()> {
    control.expect(&["SET", GENERATION, "1"])?;
    control.expect(&["SAVE"])?;
    control.expect(&["SET", GENERATION, "2"]).map(drop)
}

/// What is wrong with the snapshot that a server has left: it must be whole, and of the later generation if that was said to be saved.
///
/// # Errors
/// If a server cannot be started without it.
pub(super) fn check_dump(subject: &Subject, home: &Path, saved: bool) -> Result<Option<String>> {
    let alone = tempfile::tempdir()?;
    fs::create_dir_all(alone.path().join("data"))?;
    fs::copy(home.join("data/dump.rdb"), alone.path().join("data/dump.rdb")).context("the snapshot")?;
    let server = match ServerBuilder::new(&subject.binary, alone.path()).directive("appendonly", "no").start() {
        Ok(server) => server,
        Err(error) => return Ok(Some(format!("the snapshot cannot be loaded: {error:#}"))),
    };
    let mut control = server.client()?;
    let keys = control.expect(&["DBSIZE"])?;
    if keys.as_integer().and_then(|keys| u64::try_from(keys).ok()).is_none_or(|keys| keys < FEW_KEYS) {
        return Ok(Some(format!("the snapshot holds {keys:?} keys, of at least {FEW_KEYS}")));
    }
    let generation = control.expect(&["GET", GENERATION])?;
    let good: &[&[u8]] = if saved { &[b"2"] } else { &[b"1", b"2"] };
    let is_good = generation.as_bytes().is_some_and(|found| good.contains(&found));
    Ok((!is_good).then(|| format!("the snapshot is of generation {generation:?}, saved: {saved}")))
}

impl Session<'_> {
    /// Lets a call by its number be the first that fails, and heals the disk.
    pub(super) fn suffer_numbered(&mut self) -> Result<Suffered> {
        self.prepare()?;
        let injection = self.inject()?;
        let since = Instant::now();
        let started = self.ask_numbered()?;
        let missed = !self.wait_met(&injection)?;
        if self.case.extent == Extent::UntilHealed && !missed && !self.has_ended()? {
            self.check_refusals()?;
            std::thread::sleep(HOLD);
            self.check_refusals()?;
        }
        let met_by = self.met_by(&injection)?;
        let met = injection.met()?;
        let healed = injection.end()?;
        if self.has_ended()? {
            self.check_end(&met)?;
            let window = Window { since, healed: None };
            return Ok(Suffered { window, met_by, saved: None, ended: true });
        }
        self.wait_over()?;
        let saved = self.was_saved(started)?;
        self.check_health()?;
        let healed = (self.case.extent == Extent::UntilHealed && !missed).then_some(healed);
        Ok(Suffered { window: Window { since, healed }, met_by, saved, ended: false })
    }

    /// The calls of an operation that nothing disturbs: how often the thread that makes one most often makes it.
    pub(super) fn count_calls(&mut self, calls: &str) -> Result<BTreeMap<String, u32>> {
        self.prepare()?;
        let data_dir = self.server.data_dir();
        let paths = self.case.fault.on.paths(data_dir, self.server.pid(), &data_dir.join("appendonly.aof"));
        let spec = Spec { targets: vec![self.server.pid()], follow: true, calls, what: String::new(), paths };
        let recording = Injection::attach(&spec, self.home, "recording")?;
        let started = self.ask_numbered()?;
        self.wait_over()?;
        std::thread::sleep(QUIET);
        let counts = recording.end_recording()?;
        ensure!(self.case.fault.during != During::Shutdown || self.has_ended()?, "SHUTDOWN did not end the server");
        ensure!(self.has_ended()? || self.was_saved(started)? != Some(false), "the snapshot was not saved");
        Ok(counts)
    }

    /// Asks for the operation, and returns whether it succeeded, or began.
    fn ask_numbered(&mut self) -> Result<bool> {
        let request: &[&str] = match self.case.fault.during {
            During::Save => &["SAVE"],
            During::Bgsave => &["BGSAVE"],
            During::Shutdown => &["SHUTDOWN"],
            _ => return self.ask().map(|()| true),
        };
        match self.control.call(request) {
            Ok(reply) => Ok(reply.as_error().is_none()),
            Err(error) if self.case.fault.during != During::Shutdown => Err(error),
            // The server has ended, without an answer.
            Err(_) => self.server.wait_exit(BOUND).map(|_| true),
        }
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.server.try_wait()?.is_some())
    }

    /// Waits until the call has failed, or was not made.
    fn wait_met(&mut self, injection: &Injection) -> Result<bool> {
        let mut over = None;
        wait("the call, or the end of what was asked for", BOUND, || {
            if !injection.met_by()?.is_empty() {
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
        let info = Info::fetch(&mut self.control, "persistence")?;
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
                // Of two, the first was made before. A log that must heal ends it, and has it made again.
                Ok(Some(started && well && info.number("rdb_saves") == Some(2)))
            }
            _ => Ok(None),
        }
    }

    /// A server ends because it was told to, and not while its log may not be on disk.
    fn check_end(&mut self, met: &[String]) -> Result<()> {
        let Some(status) = self.server.try_wait()? else { bail!("it has not ended") };
        if self.case.fault.during != During::Shutdown {
            self.findings.push(format!("the server ended by itself: {status}"));
        } else if !status.success() {
            self.findings.push(format!("SHUTDOWN ended with {status}"));
        }
        // A write may be tried again, and was then; an fsync may not.
        let secures = |line: &&String| line.contains("sync(") && line.contains("/appendonly.aof>");
        self.findings.extend(met.iter().find(secures).map(|line| format!("the server ended in order after {line}")));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{ENOSPC, On};
    use super::*;

    #[test]
    fn a_case_is_named_by_its_call_and_number() {
        let fault = Fault { during: During::Save, from: 2, ..fault("in SAVE", "renameat", On::Ours, Effect::Open) };
        let case = |extent| Case { policy: Policy::Always, fault, error: ENOSPC, extent };
        assert_eq!(case(Extent::Once).name(), "always/in-SAVE-renameat-2/ENOSPC/once");
        assert_eq!(case(Extent::Once).injected(), "error=ENOSPC:when=2");
        assert_eq!(case(Extent::UntilHealed).injected(), "error=ENOSPC:when=2+");
    }
}
