//! What the tests share: a server over a fresh directory, and short forms for calls and their replies.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use testkit::mixed::Mixed;
use testkit::server::Refusal;
use testkit::{Client, Dataset, Info, Pipeline, ServerBuilder, Value, dump_dataset};

/// A directory for one test, and the server started over it.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("ledgerstone-live-").tempdir()?;
        let home = Self { directory };
        std::fs::create_dir_all(home.data())?;
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn aof(&self) -> std::path::PathBuf {
        self.data().join("appendonly.aof")
    }

    /// A server with an AOF.
    pub(crate) fn server(&self) -> Result<ServerBuilder> {
        Ok(self.bare_server()?.directive("appendonly", "yes"))
    }

    /// A server with its defaults.
    pub(crate) fn bare_server(&self) -> Result<ServerBuilder> {
        Ok(ServerBuilder::new(testkit::binary::server_binary()?, self.path()))
    }

    /// Puts `bytes` where the AOF belongs.
    pub(crate) fn write_aof(&self, bytes: &[u8]) -> Result<()> {
        std::fs::write(self.aof(), bytes).context("appendonly.aof")
    }

    /// The names in the data directory, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(self.data())?;
        let mut names: Vec<String> =
            entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }
}

/// The canonical form of one command.
pub(crate) fn command(args: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    resp_codec::encode_command(&mut out, args.iter().map(|a| a.as_bytes()));
    out
}

/// Calls with words separated by blanks.
pub(crate) fn call(client: &mut Client, words: &str) -> Result<Value> {
    client.call(&words.split(' ').collect::<Vec<_>>())
}

/// A reply in short form: `OK`, `3`, `"text"`, `nil`, `(error)`, `[…]`.
pub(crate) fn show(value: &Value) -> String {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    match value {
        Value::Status(b) => text(b),
        Value::Error(b) => format!("({})", text(b)),
        Value::Integer(n) => n.to_string(),
        Value::Bulk(b) => format!("{:?}", text(b)),
        Value::Null | Value::NullArray => "nil".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{}: {}", show(k), show(v))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// Calls each line and compares the reply in short form.
pub(crate) fn dialogue(client: &mut Client, lines: &[(&str, &str)]) -> Result<()> {
    for (words, expected) in lines {
        let reply = show(&call(client, words)?);
        ensure!(reply == *expected, "{words}: expected {expected}, got {reply}");
    }
    Ok(())
}

/// Sends a mixed workload of about `requests` requests.
pub(crate) fn mixed_load(client: &mut Client, mixed: &mut Mixed, requests: usize) -> Result<()> {
    let mut pipeline = Pipeline::default();
    mixed.fill(&mut pipeline, requests);
    client.run(&pipeline).map(drop)
}

/// The dataset without keys that are about to expire.
pub(crate) fn lasting(client: &mut Client) -> Result<Dataset> {
    const SOON_MS: u128 = 600_000;
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let soon_ms = i64::try_from(now_ms + SOON_MS)?;
    let mut dataset = dump_dataset(client)?;
    dataset.entries.retain(|_, e| e.deadline_ms.is_none_or(|at| at > soon_ms));
    Ok(dataset)
}

/// Demands a refusal: a non-zero exit and one line that holds every part.
pub(crate) fn refused(refusal: &Refusal, parts: &[&str]) -> Result<()> {
    ensure!(refusal.status.code().is_some_and(|code| code != 0), "ended with {}", refusal.status);
    let said = refusal.log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    ensure!(said, "no line holds {parts:?}:\n{}", refusal.log);
    // Errors of the system are told in the words of strerror(3), as Redis tells them.
    ensure!(!refusal.log.contains("(os error"), "{}", refusal.log);
    Ok(())
}

/// Sends words separated by blanks and waits for nothing.
pub(crate) fn send(client: &mut Client, words: &str) -> Result<()> {
    let mut request = Pipeline::default();
    request.push(&words.split(' ').collect::<Vec<_>>());
    client.send(&request)
}

/// Asks until a number of INFO clients is as wanted.
pub(crate) fn reaches(asks: &mut Client, field: &str, wanted: i64) -> Result<()> {
    const BOUND: Duration = Duration::from_secs(10);
    let deadline = Instant::now() + BOUND;
    while Info::fetch(asks, "clients")?.number(field) != Some(wanted) {
        ensure!(Instant::now() < deadline, "{field} was not {wanted} within {BOUND:?}");
    }
    Ok(())
}
