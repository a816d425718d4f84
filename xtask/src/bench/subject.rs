//! The servers that are compared: ours first, then any number of others, each with its own directives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use serde_json::Value as Json;
use testkit::ServerBuilder;
use testkit::binary::{Build, Profile, build};

use super::Options;
use crate::suite::find_program;

/// The server that ours is compared with where nothing else is said.
const DEFAULT_PEER: &str = "redis-server";

/// One server under measurement.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// As it stands in the tables.
    pub(crate) name: String,
    pub(crate) binary: PathBuf,
    /// Directives that only this one gets, after those that all get.
    pub(crate) directives: Vec<(String, String)>,
    /// What it says of itself.
    pub(crate) version: String,
}

/// `NAME=PATH[,directive value…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    name: String,
    binary: PathBuf,
    directives: Vec<(String, String)>,
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once('=').context("expected NAME=PATH[,directive value…]")?;
        let mut parts = rest.split(',');
        let binary = parts.next().filter(|path| !path.is_empty()).context("no path after the name")?.into();
        let mut directives = Vec::new();
        for part in parts {
            let (directive, value) = part.trim().split_once(' ').with_context(|| format!("'{part}' has no value"))?;
            directives.push((directive.to_owned(), value.trim().to_owned()));
        }
        Ok(Self { name: name.to_owned(), binary, directives })
    }
}

/// All servers that the options name; ours is the first.
///
/// # Errors
/// If one cannot be built, found or asked for its version, or two have one name.
pub(crate) fn all(options: &Options) -> Result<Vec<Subject>> {
    let ours = match &options.ours {
        Some(path) => path.clone(),
        None => build(&Build { profile: Profile::Release, ..Build::default() })?,
    };
    let mut subjects = vec![subject("ledgerstone", &ours, Vec::new())?];
    for peer in &options.against {
        subjects.push(subject(&peer.name, &peer.binary, peer.directives.clone())?);
    }
    if options.against.is_empty() && !options.alone {
        let found = find_program(DEFAULT_PEER).with_context(|| {
            format!("{DEFAULT_PEER} is not installed: name a server with --against, or give --alone")
        })?;
        subjects.push(subject(DEFAULT_PEER, &found, Vec::new())?);
    }
    for (i, one) in subjects.iter().enumerate() {
        if subjects[..i].iter().any(|other| other.name == one.name) {
            bail!("two servers are named {}", one.name);
        }
    }
    Ok(subjects)
}

fn subject(name: &str, binary: &Path, directives: Vec<(String, String)>) -> Result<Subject> {
    Ok(Subject { name: name.to_owned(), binary: binary.to_owned(), directives, version: version_of(binary)? })
}

/// The heading of a table that compares servers: `first` columns, one for each server, and ours over each of the others.
pub(crate) fn heading(first: &[&str], subjects: &[Subject]) -> Vec<String> {
    let names = subjects.iter().map(|s| s.name.clone());
    let ratios = subjects[1..].iter().map(|s| format!("ours / {}", s.name));
    first.iter().map(|column| (*column).to_owned()).chain(names).chain(ratios).collect()
}

/// What each server did, by its name, for a record.
pub(crate) fn by_name<T>(subjects: &[Subject], each: &[T], json: impl Fn(&T) -> Json) -> Json {
    subjects
        .iter()
        .zip(each)
        .map(|(subject, one)| (subject.name.clone(), json(one)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The version in what `--version` says: `Redis server v=7.0.15 sha=…` or `ledgerstone-server 0.1.0 …`.
fn version_of(binary: &Path) -> Result<String> {
    let output =
        Command::new(binary).arg("--version").output().with_context(|| format!("{} --version", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    Ok(version_in(line).unwrap_or(line).to_owned())
}

fn version_in(line: &str) -> Option<&str> {
    let word = |w: &str| w.trim_start_matches("v=").starts_with(|c: char| c.is_ascii_digit());
    line.split_whitespace().find(|w| word(w)).map(|w| w.trim_start_matches("v="))
}

impl Subject {
    /// A server of this kind whose files stand under `home`, with `common` directives before its own.
    pub(crate) fn builder(&self, home: &Path, common: &[(&str, &str)]) -> ServerBuilder {
        let mut builder = ServerBuilder::new(&self.binary, home);
        for (name, value) in common {
            builder = builder.directive(name, value);
        }
        for (name, value) in &self.directives {
            builder = builder.directive(name, value);
        }
        builder
    }

    /// Its directives in one line, for a record.
    pub(crate) fn settings(&self) -> String {
        self.directives.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_a_name_a_path_and_directives() {
        let peer: Peer = "io=bin/redis-server,io-threads 2,hz 50".parse().expect("well formed");
        assert_eq!((peer.name.as_str(), peer.binary.as_path()), ("io", Path::new("bin/redis-server")));
        let pairs: Vec<(&str, &str)> = peer.directives.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("io-threads", "2"), ("hz", "50")]);
        for bad in ["bin/redis-server", "name=", "name=path,hz"] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_version_is_found_in_either_form() {
        assert_eq!(version_in("Redis server v=7.0.15 sha=00000000:0 bits=64"), Some("7.0.15"));
        assert_eq!(version_in("ledgerstone-server 0.1.0"), Some("0.1.0"));
        assert_eq!(version_in("no version"), None);
    }
}
