//! The servers of a comparison: started, brought to the same empty state, compared as a whole, and our log read by the
//! reference.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::dataset::{Difference, Entry, What, bytes_of_latin1};
use testkit::{Client, Dataset, Pipeline, ServerBuilder, ServerProcess, Value, compare, dump_dataset, wait_rewritten};

use super::judge::{Counts, Judge};
use super::known::Circumstances;
use super::pair::{Clients, DUMPED, Found, POPPED, Pair};
use super::sequence::{DATABASES, INTSET_THRESHOLD, LIST_THRESHOLD, Sequence, is_sort};
use super::step::{Request, Step};
use super::values::all_keys;
use crate::interop::copy_tree;

/// Thresholds of representations, as both servers have them when new.
const THRESHOLDS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "128"),
    ("hash-max-listpack-value", "64"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("set-max-intset-entries", "512"),
    ("set-max-listpack-entries", "128"),
    ("set-max-listpack-value", "64"),
    ("list-max-listpack-size", "-2"),
];

/// After how many steps the reference reads our log: more than once in a sequence, since values come and go.
const LOG_READ_EVERY: usize = 400;
/// How long our server has to end once it has closed a connection.
const EXIT_BOUND: Duration = Duration::from_secs(1);
/// How much of its log is printed then.
const LAST_LINES: usize = 60;

/// A server to compare with.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) binary: PathBuf,
    /// As INFO says it.
    pub(super) version: String,
}

impl Reference {
    /// Whether it is older than the version that we follow.
    pub(super) fn before_7_2(&self) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next()) < (Some(7), Some(2))
    }
}

/// Both servers, for one sequence after the other.
#[derive(Debug)]
pub(super) struct World {
    binary: PathBuf,
    reference: Reference,
    home: tempfile::TempDir,
    ours: ServerProcess,
    theirs: ServerProcess,
    /// How many times ours was started: each has a directory of its own.
    starts: usize,
}

/// What is wrong after a sequence, or in it.
#[derive(Debug)]
pub(super) enum Failure {
    /// A step's replies differ.
    Reply(Found),
    /// The datasets differ, as these lines say.
    Data(Vec<String>),
    /// What the reference read from our log after so many steps differs, as these lines say.
    Log { lines: Vec<String>, steps: usize },
    /// A server does not answer any more.
    Broken(String),
}

impl Failure {
    /// Whether it is about the same as another: so a sequence is not made shorter for a failure of another kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        // A line begins with the database and the key.
        let place = |line: &String| line.split(": ").next().map(str::to_owned);
        match (self, other) {
            (Self::Reply(a), Self::Reply(b)) => a.difference.request.command.name == b.difference.request.command.name,
            (Self::Data(a), Self::Data(b)) | (Self::Log { lines: a, .. }, Self::Log { lines: b, .. }) => {
                a.iter().any(|line| b.iter().any(|other| place(line) == place(other)))
            }
            (Self::Broken(_), Self::Broken(_)) => true,
            _ => false,
        }
    }
}

impl World {
    /// Starts both servers.
    ///
    /// # Errors
    /// If one does not start.
    pub(super) fn start(binary: &Path, reference: Reference) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let theirs = builder(&reference.binary, &home.path().join("reference")).start().context("the reference")?;
        let ours = start_ours(binary, home.path(), 0)?;
        Ok(Self { binary: binary.to_owned(), reference, home, ours, theirs, starts: 0 })
    }

    /// Runs `steps` of a sequence from an empty state. With `log`, lets the reference read our log on the way and afterwards.
    ///
    /// # Errors
    /// If the servers cannot be brought to the empty state.
    pub(super) fn run(
        &mut self,
        sequence: &Sequence,
        steps: &[Step],
        counts: &mut Counts,
        log: bool,
    ) -> Result<Option<Failure>> {
        let sets =
            |threshold| steps.iter().any(|step| step.request.has_word("SET") && step.request.has_word(threshold));
        let circumstances = Circumstances {
            before_7_2: self.reference.before_7_2(),
            few_integers: sets(INTSET_THRESHOLD),
            small_chunks: sets(LIST_THRESHOLD),
            named_by_refused: false,
            sorts: steps.iter().any(|step| is_sort(step.request.command)),
        };
        let mut judge = Judge::new(&sequence.absolute_ms, circumstances);
        let mut pair = Pair { ours: new_clients(&self.ours)?, theirs: new_clients(&self.theirs)? };
        let [mut ours, mut theirs] = [self.ours.client()?, self.theirs.client()?];
        for control in [&mut ours, &mut theirs] {
            make_empty(control)?;
        }
        let failure = self.run_parts(&mut pair, sequence, steps, &mut judge, log.then_some(&mut ours))?;
        if failure.is_some() {
            counts.add(&judge.counts);
            return Ok(failure);
        }
        let state = State::read(&mut ours).context("our dataset")?;
        let differences = state.compare(&State::read(&mut theirs).context("the reference's dataset")?, &mut judge);
        counts.add(&judge.counts);
        match (differences.is_empty(), log) {
            (false, _) => Ok(Some(Failure::Data(differences))),
            (true, true) => self.read_log(&mut ours, &state, steps.len()),
            (true, false) => Ok(None),
        }
    }

    /// Sends all steps; with a connection for it, rewrites our log on the way and reads it after each part but the last.
    fn run_parts(
        &mut self,
        pair: &mut Pair,
        sequence: &Sequence,
        steps: &[Step],
        judge: &mut Judge<'_>,
        mut log: Option<&mut Client>,
    ) -> Result<Option<Failure>> {
        let mut rewrite_before = sequence.rewrite_before;
        for (from, part) in steps.chunks(LOG_READ_EVERY).enumerate().map(|(i, part)| (i * LOG_READ_EVERY, part)) {
            if let (Some(control), true) = (&mut log, from > 0) {
                wait_rewritten(control)?;
                let differs = self.log_differs(&dump_dataset(control)?, from)?;
                if differs.is_some() {
                    return Ok(differs);
                }
            }
            let done = pair.run(part, judge, |at| match &mut log {
                Some(control) if rewrite_before.take_if(|step| *step <= from + at).is_some() => rewrite(control),
                _ => Ok(()),
            });
            match done {
                Err(error) => return Ok(Some(self.broken(&error))),
                Ok(Some(found)) => return Ok(Some(Failure::Reply(Found { index: from + found.index, ..found }))),
                Ok(None) => {}
            }
        }
        Ok(None)
    }

    /// What is known of a server that does not answer.
    fn broken(&mut self, error: &anyhow::Error) -> Failure {
        let mut text = format!("{error:#}");
        // It may close its connections a moment before it is gone.
        if let Ok(status) = self.ours.wait_exit(EXIT_BOUND) {
            let log = self.ours.log().unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            text.push_str(&format!("\nour server ended: {status}\n{}", last.join("\n")));
        }
        Failure::Broken(text)
    }

    /// Kills our server, lets the reference load its log, and starts ours anew.
    fn read_log(&mut self, ours: &mut Client, state: &State, steps: usize) -> Result<Option<Failure>> {
        wait_rewritten(ours)?;
        self.ours.kill_9()?;
        let differs = self.log_differs(&state.data, steps)?;
        self.restart()?;
        Ok(differs)
    }

    /// Lets the reference load a copy of our log; what it reads must be our data, after so many steps.
    fn log_differs(&self, data: &Dataset, steps: usize) -> Result<Option<Failure>> {
        let reader_home = self.home.path().join("reader");
        let _ = std::fs::remove_dir_all(&reader_home);
        copy_tree(self.ours.data_dir(), &reader_home.join("data"))?;
        let reader = builder(&self.reference.binary, &reader_home).directive("appendonly", "yes").start();
        let lines = match reader {
            Ok(reader) => {
                compare(data, &dump_dataset(&mut reader.client()?)?, 0).iter().map(ToString::to_string).collect()
            }
            Err(error) => vec![format!("{error:#}")],
        };
        Ok((!lines.is_empty()).then_some(Failure::Log { lines, steps }))
    }

    /// Our server.
    pub(super) fn ours(&self) -> &ServerProcess {
        &self.ours
    }

    /// Starts our server anew, without data.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.starts += 1;
        self.ours = start_ours(&self.binary, self.home.path(), self.starts)?;
        Ok(())
    }
}

fn builder(binary: &Path, home: &Path) -> ServerBuilder {
    ServerBuilder::new(binary, home)
        .directive("databases", &DATABASES.to_string())
        .directive("enable-debug-command", "yes")
        // SORT of the reference obeys it.
        .env("LC_ALL", "C")
}

/// Every start has another policy.
fn start_ours(binary: &Path, home: &Path, starts: usize) -> Result<ServerProcess> {
    let policy = ["everysec", "always", "no"][starts % 3];
    let builder = builder(binary, &home.join(format!("ours-{starts}")));
    builder.directive("appendonly", "yes").directive("appendfsync", policy).start().context("our server")
}

fn new_clients(server: &ServerProcess) -> Result<Clients> {
    Ok([server.client()?, server.client()?])
}

/// No keys, thresholds as when new, and nothing expires by itself.
pub(super) fn make_empty(control: &mut Client) -> Result<()> {
    control.expect(&["FLUSHALL"])?;
    control.expect(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
    for (directive, value) in THRESHOLDS {
        // 7.0 has no listpacks for sets, and refuses their thresholds.
        control.call(&["CONFIG", "SET", directive, value])?;
    }
    Ok(())
}

/// Begins a rewrite, unless one runs.
fn rewrite(ours: &mut Client) -> Result<()> {
    let reply = ours.call(&["BGREWRITEAOF"])?;
    let text = reply.as_error().map(String::from_utf8_lossy);
    ensure!(text.as_ref().is_none_or(|text| text.contains("already in progress")), "BGREWRITEAOF: {reply:?}");
    Ok(())
}

/// All keys, and how each is represented.
#[derive(Debug)]
struct State {
    data: Dataset,
    encodings: Vec<Value>,
    /// As DEBUG DIGEST answers it.
    digest: Value,
}

impl State {
    fn read(control: &mut Client) -> Result<Self> {
        let mut ask = Pipeline::default();
        let mut exists = vec![b"EXISTS".to_vec()];
        exists.extend(all_keys());
        // What is past its deadline is removed by this, and else would count in the digest.
        for db in 0..DATABASES {
            ask.push(&["SELECT", &db.to_string()]).push(&exists);
        }
        control.run(&ask)?;
        ask.clear();
        let data = dump_dataset(control)?;
        for (db, key) in data.entries.keys() {
            let key = bytes_of_latin1(key).context("a key that is no latin-1 text")?;
            ask.push(&["SELECT", &db.to_string()]).push(&[b"OBJECT".as_slice(), b"ENCODING", &key]);
        }
        let encodings = control.run(&ask)?.into_iter().skip(1).step_by(2).collect();
        control.expect(&["SELECT", "0"])?;
        Ok(Self { data, encodings, digest: control.expect(&["DEBUG", "DIGEST"])? })
    }

    /// Whether all scores print the same everywhere: see the known differences `unsigned-zero` and `nearest-digits`.
    fn has_plain_scores(&self) -> bool {
        const MOST: f64 = 1e12;
        let is_plain = |score: &serde_json::Value| {
            score.as_f64().is_none_or(|score| {
                let negative_zero = score == 0.0 && score.is_sign_negative();
                !negative_zero && score.abs() < MOST && (score * 8.0).fract() == 0.0
            })
        };
        let are_plain =
            |entry: &Entry| entry.value.as_array().is_none_or(|pairs| pairs.iter().all(|p| is_plain(&p[1])));
        self.data.entries.values().all(|entry| entry.kind != "zset" || are_plain(entry))
    }

    /// Lines about what differs, with the reference's on the right.
    fn compare(&self, theirs: &Self, judge: &mut Judge<'_>) -> Vec<String> {
        let differs = |difference: &Difference| match difference.what {
            What::Deadline { expected_ms: Some(theirs), found_ms: Some(ours) } => !judge.near_ms(ours, theirs, 1),
            _ => true,
        };
        let differences = compare(&theirs.data, &self.data, 0);
        let lines: Vec<String> = differences.iter().filter(|d| differs(d)).map(ToString::to_string).collect();
        if !lines.is_empty() {
            return lines;
        }
        if self.digest != theirs.digest && theirs.has_plain_scores() {
            return vec![format!("DEBUG DIGEST is {:?} here, {:?} there", self.digest, theirs.digest)];
        }
        let encodings = self.encodings.iter().zip(&theirs.encodings);
        let keys = self.data.entries.iter().zip(encodings);
        keys.filter(|(((_, key), entry), (ours, theirs))| {
            let request = Request::of(&["OBJECT", "ENCODING"]);
            ours != theirs
                && ![POPPED, DUMPED].contains(&key.as_bytes())
                && !judge.is_known(&request, ours, theirs, Some(entry.kind.as_bytes()))
        })
        .map(|(((db, key), entry), (ours, theirs))| {
            format!("db {db} key {key:?}: a {} is {ours:?} here, {theirs:?} there", entry.kind)
        })
        .collect()
    }
}
