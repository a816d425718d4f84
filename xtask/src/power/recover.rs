//! Starts a server on what a power loss left, and reads back what it shows; once for all crashes that leave the same.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail, ensure};
use powerfs::Disk;
use testkit::dataset::DEADLINE_TOLERANCE_MS;
use testkit::{Dataset, ServerBuilder, compare, dump_dataset};

use super::loads::Load;
use super::record::{Home, builder};
use crate::crash::Policy;
use crate::leftovers::{still_there, temp_files};

/// What a start shows: data, or the last lines of a server that refused.
pub(super) type Shown = Result<Dataset, String>;

/// What decides what a start shows: the disk, the load, the policy, and whether the machine has booted since.
type Key = (u64, &'static str, Policy, bool);

/// Lets a server see another boot of the machine than ours: what a power loss changes beside the files.
const OTHER_BOOT: &str = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";

/// Starts of one server, remembered by what they started from.
#[derive(Debug)]
pub(super) struct Recoveries<'a> {
    binary: &'a Path,
    /// Ours is started twice, and leaves nothing behind.
    foreign: bool,
    known: Mutex<Known>,
}

/// What starts showed. Many show the same, which is kept once: a long run has thousands of starts, and few states.
#[derive(Debug, Default)]
struct Known {
    shown: BTreeMap<Key, Arc<Shown>>,
    different: BTreeMap<(&'static str, Policy), Vec<Arc<Shown>>>,
}

impl Known {
    fn insert(&mut self, key: Key, shown: Shown) -> Arc<Shown> {
        let of_load = self.different.entry((key.1, key.2)).or_default();
        let shown = match of_load.iter().find(|known| ***known == shown) {
            Some(known) => Arc::clone(known),
            None => {
                of_load.push(Arc::new(shown));
                Arc::clone(&of_load[of_load.len() - 1])
            }
        };
        self.shown.insert(key, Arc::clone(&shown));
        shown
    }
}

impl<'a> Recoveries<'a> {
    pub(super) fn of(binary: &'a Path, foreign: bool) -> Self {
        Self { binary, foreign, known: Mutex::default() }
    }

    /// How many different disks a server was started from.
    pub(super) fn starts(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).shown.len()
    }

    /// What a start on `disk` shows.
    ///
    /// # Errors
    /// If the harness fails, a second start shows other data, or a temporary file stays.
    pub(super) fn shown(&self, disk: &Disk, load: &Load, policy: Policy, booted: bool) -> Result<Arc<Shown>> {
        let booted = booted && !self.foreign;
        let key = (disk.fingerprint(), load.name, policy, booted);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = known().shown.get(&key) {
            return Ok(Arc::clone(shown));
        }
        let shown = self.start(disk.clone(), load, policy, booted)?;
        Ok(known().insert(key, shown))
    }

    fn start(&self, disk: Disk, load: &Load, policy: Policy, booted: bool) -> Result<Shown> {
        let home = Home::new(disk)?;
        let builder = builder(self.binary, home.path(), load, policy);
        let first = if booted { builder.clone().wrapper(after_boot(home.path())?) } else { builder.clone() };
        let shown = show(&first, !self.foreign);
        let second = match (&shown, self.foreign) {
            (Ok(Ok(_)), false) => Some(show(&builder, true)),
            _ => None,
        };
        home.unmount()?;
        let shown = shown?;
        let Some(second) = second.transpose()? else { return Ok(shown) };
        match (&shown, &second) {
            (Ok(first), Ok(again)) => {
                let differences = compare(first, again, DEADLINE_TOLERANCE_MS);
                if let Some(difference) = differences.first() {
                    bail!("a second start shows other data: {difference}");
                }
            }
            (_, Err(refusal)) => bail!("a second start is refused: {refusal}"),
            _ => {}
        }
        Ok(shown)
    }
}

/// The command under which a server sees another boot.
fn after_boot(home: &Path) -> Result<Vec<OsString>> {
    let id = home.join("boot_id");
    std::fs::write(&id, "00000000-0000-4000-8000-000000000001\n")?;
    let words = ["unshare", "--mount", "sh", "-c", OTHER_BOOT].map(OsString::from);
    Ok(words.into_iter().chain([id.into_os_string()]).collect())
}

/// One start, until SIGKILL.
fn show(builder: &ServerBuilder, clean: bool) -> Result<Shown> {
    let before = temp_files(&builder.data_dir())?;
    let mut server = match builder.start() {
        Ok(server) => server,
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains("ended during its start"), "{text}");
            return Ok(Err(last_lines(&text)));
        }
    };
    let dataset = dump_dataset(&mut server.client()?)?;
    let left = still_there(server.data_dir(), &before)?;
    server.kill_family()?;
    ensure!(!clean || left.is_empty(), "{}", left.join(", "));
    Ok(Ok(dataset))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}
