//! Replies of redis-server 7.2, recorded: what ours must answer where a comparison with an older server excuses a difference.
//!
//! The file is a transcript in sections, one for each difference known of older servers. `> …` is a request, the line
//! behind it its reply. A section begins with an empty server and a new connection in RESP2. `--record` plays the requests
//! on a given redis-server 7.2 and writes its replies down; a request is added by hand, its reply never.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use testkit::ServerProcess;
use testkit::binary::workspace_root;

use super::known::{KNOWN, Side};
use super::manner::Manner;
use super::step::Request;
use super::world::make_empty;

/// The version whose replies are recorded.
const VERSION: &str = "7.2.";

/// One section: the name of a known difference, and the lines below it.
#[derive(Debug, PartialEq, Eq)]
struct Section {
    name: String,
    /// Comments, requests and replies as they stand.
    lines: Vec<String>,
}

fn path() -> PathBuf {
    workspace_root().join("tests/compat/redis-7.2.txt")
}

/// Takes the text apart: what stands above the first section, and the sections.
fn parse(text: &str) -> (Vec<String>, Vec<Section>) {
    let (mut above, mut sections): (Vec<String>, Vec<Section>) = (Vec::new(), Vec::new());
    for line in text.lines() {
        match (line.strip_prefix("## "), sections.last_mut()) {
            (Some(name), _) => sections.push(Section { name: name.to_owned(), lines: Vec::new() }),
            (None, Some(section)) => section.lines.push(line.to_owned()),
            (None, None) => above.push(line.to_owned()),
        }
    }
    (above, sections)
}

/// Plays the requests of a section; returns its lines with the replies that were given.
fn play(server: &ServerProcess, section: &Section) -> Result<Vec<String>> {
    let mut client = server.client()?;
    make_empty(&mut client)?;
    let mut lines = Vec::new();
    for line in section.lines.iter().filter(|line| line.is_empty() || line.starts_with(['#', '>'])) {
        lines.push(line.clone());
        if let Some(words) = line.strip_prefix("> ") {
            let request = Request::parse(words).with_context(|| format!("section {}: {line}", section.name))?;
            let reply = client.call(&request.argv)?;
            lines.push(format!("{:?}", Manner::of(request.command).canonical(&request, &reply)));
        }
    }
    Ok(lines)
}

/// Records the replies of a redis-server of this version.
///
/// # Errors
/// If it is another version, or the file cannot be read or written.
pub(super) fn record(server: &ServerProcess, version: &str) -> Result<()> {
    ensure!(version.starts_with(VERSION), "what is recorded are the replies of {VERSION}x, and this is {version}");
    let text = fs::read_to_string(path()).context("the recorded replies")?;
    let (above, sections) = parse(&text);
    let mut written = above.join("\n") + "\n";
    for section in &sections {
        writeln!(written, "## {}", section.name).expect("writing to a String cannot fail");
        for line in play(server, section)? {
            writeln!(written, "{line}").expect("writing to a String cannot fail");
        }
    }
    fs::write(path(), written).context("the recorded replies")
}

/// Compares the replies of our server with the recorded ones; returns how many there are.
///
/// # Errors
/// If one differs, or a known difference has no section.
pub(super) fn check(server: &ServerProcess) -> Result<usize> {
    let (_, sections) = parse(&fs::read_to_string(path()).context("the recorded replies")?);
    let recorded = |name: &str| sections.iter().any(|section| section.name == name);
    if let Some(known) = KNOWN.iter().find(|known| known.side == Side::Older && !recorded(known.name)) {
        bail!("the known difference {} has no recorded replies", known.name);
    }
    let mut count = 0;
    for section in &sections {
        let played = play(server, section)?;
        let lines = section.lines.iter().zip(&played).find(|(recorded, played)| recorded != played);
        if let Some((recorded, played)) = lines {
            bail!("recorded replies, section {}:\n  recorded: {recorded}\n  ours:     {played}", section.name);
        }
        ensure!(section.lines.len() == played.len(), "section {}: a request has no recorded reply", section.name);
        count += played.iter().filter(|line| line.starts_with("> ")).count();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_stand_under_their_names() {
        let (above, sections) = parse("# top\n## one\n> GET a\nnull\n\n## two\n");
        assert_eq!(above, ["# top"]);
        let lines = vec!["> GET a".to_owned(), "null".to_owned(), String::new()];
        assert_eq!(sections[0], Section { name: "one".to_owned(), lines });
        assert_eq!(sections[1].name, "two");
    }

    #[test]
    fn every_difference_of_an_older_server_has_recorded_replies_and_nothing_else_has() {
        let (_, sections) = parse(&fs::read_to_string(path()).unwrap());
        let names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
        let known: Vec<&str> = KNOWN.iter().filter(|known| known.side == Side::Older).map(|known| known.name).collect();
        assert_eq!(names, known);
    }
}
