//! A manifest: the files of a log in several files, in the order in which a server reads them: checked with redis-check-aof's lines or as
//! one JSON object, cut, or salvaged to a log in one file.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use aof_load::check::{Held, Repaired, Report, SalvagedFiles, Text, check, salvage_files};
use aof_load::{MAX_MANIFEST_BYTES, Manifest, Part};
use vfs::Dir as _;

use crate::arguments::Arguments;
use crate::place::Place;
use crate::session::{PREAMBLE, Subject};
use crate::text;

/// The first bytes of a snapshot in RDB format.
const MAGIC: &[u8] = b"REDIS";

/// Checks the files that `manifest` names, and cuts the last one or salvages all if that is asked for. Whether all are valid now.
pub(crate) fn run(manifest: &Subject, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
    let shown = &manifest.shown;
    if arguments.truncate_to_timestamp.is_some() {
        bail!("{shown}: this is the manifest of a multi-part AOF: --truncate-to-timestamp takes one of its files");
    }
    let parsed = parse(manifest)?;
    if arguments.salvage.is_some() {
        return salvage(manifest, &parsed, arguments, out);
    }
    // A server of ours locks the directory that this one stands in.
    let above = Place::at(manifest.place.dir.path()).ok().filter(|_| arguments.fix);
    let _server = above.as_ref().map(|above| Held::take(&above.dir)).transpose().context(shown.clone())?;
    let held = if arguments.fix { Some(Held::take(&manifest.place.dir)?) } else { None };
    let files = Files { manifest, parsed: &parsed, held: held.as_ref(), arguments };
    if arguments.json { files.json(out) } else { files.text(out) }
}

/// The files of a manifest, and what is to be done.
struct Files<'a> {
    manifest: &'a Subject,
    parsed: &'a Manifest,
    held: Option<&'a Held<'a>>,
    arguments: &'a Arguments,
}

impl Files<'_> {
    /// Up to the first that is not valid, as redis-check-aof does.
    fn text(&self, out: &mut dyn Write) -> Result<bool> {
        writeln!(out, "Start checking Multi Part AOF")?;
        for (number, part) in self.parsed.reads().enumerate() {
            let file = File::open(self.manifest, self.parsed, number, part)?;
            if let Some(heading) = file.heading(self.parsed) {
                writeln!(out, "{heading}")?;
            }
            if !self.one(&file, out)?.is_valid() {
                return Ok(false);
            }
        }
        writeln!(out, "All AOF files and manifest are valid")?;
        Ok(true)
    }

    /// All of them, unless one is to be cut.
    fn json(&self, out: &mut dyn Write) -> Result<bool> {
        let (mut all_valid, mut objects) = (true, Vec::new());
        for (number, part) in self.parsed.reads().enumerate() {
            let file = File::open(self.manifest, self.parsed, number, part);
            let outcome = file.and_then(|file| self.one(&file, &mut io::sink()));
            let (kind, name) = (kind(self.parsed, number), &part.name);
            let object = match outcome {
                Ok(outcome) => {
                    all_valid &= outcome.is_valid();
                    outcome.json(kind, name)
                }
                Err(error) if self.held.is_none() => {
                    all_valid = false;
                    let (file, error) = (Text(name), format!("{error:#}"));
                    format!("{{\"kind\":\"{kind}\",\"file\":{file},\"error\":{}}}", Text(error))
                }
                Err(error) => return Err(error),
            };
            objects.push(object);
        }
        let (manifest, files) = (Text(&self.manifest.shown), objects.join(","));
        writeln!(out, "{{\"manifest\":{manifest},\"valid\":{all_valid},\"files\":[{files}]}}")?;
        Ok(all_valid)
    }

    /// Checks one file, and cuts it if it is the last and its directory is held for that.
    fn one(&self, file: &File, out: &mut dyn Write) -> Result<Outcome> {
        let (File { subject, kind, .. }, shown) = (file, &file.subject.shown);
        let report = check(&subject.file, subject.size_bytes, PREAMBLE).with_context(|| shown.clone())?;
        if subject.size_bytes == 0 {
            writeln!(out, "{kind} AOF {shown} is empty", kind = kind.to_uppercase())?;
            return Ok(Outcome { report, repaired: None });
        }
        text::analysis(out, shown, &report)?;
        if report.is_valid() {
            writeln!(out, "{kind} AOF {shown} is valid", kind = kind.to_uppercase())?;
            return Ok(Outcome { report, repaired: None });
        }
        let Some(held) = self.held else {
            text::advice(out, &report)?;
            writeln!(out, "AOF {shown} is not valid. Use the --fix option to try fixing it.")?;
            return Ok(Outcome { report, repaired: None });
        };
        if !file.is_last {
            bail!("Failed to truncate AOF {shown} because it is not the last file");
        }
        if !self.arguments.yes && !subject.ask(self.arguments, out, &report)? {
            bail!("Aborting...");
        }
        let done = subject.cut(held, report.ok_up_to, self.arguments);
        let repaired = done.with_context(|| format!("Failed to truncate AOF {shown}"))?;
        text::repaired(out, &repaired)?;
        writeln!(out, "Successfully truncated AOF {shown}")?;
        Ok(Outcome { report, repaired: Some(repaired) })
    }
}

/// `base` or `incr`, as in the names of the files.
fn kind(parsed: &Manifest, number: usize) -> &'static str {
    if number == 0 && parsed.base.is_some() { "base" } else { "incr" }
}

/// One of the files.
struct File {
    subject: Subject,
    kind: &'static str,
    number: usize,
    is_last: bool,
    is_snapshot: bool,
}

impl File {
    /// Opens a file beside the manifest. A link in its place is refused: what it names may stand where nothing is locked.
    fn open(manifest: &Subject, parsed: &Manifest, number: usize, part: &Part) -> Result<Self> {
        let place = Place::at(&manifest.place.dir.path().join(&part.name))?;
        let subject = Subject::at(place, part.name.clone())?;
        let (kind, is_snapshot) = (kind(parsed, number), subject.starts_with(MAGIC)?);
        if kind == "incr" && is_snapshot {
            bail!("INCR AOF {} starts with an RDB snapshot, which only the base may", subject.shown);
        }
        Ok(Self { subject, kind, number, is_last: number + 1 == parsed.reads().count(), is_snapshot })
    }

    /// What redis-check-aof says before the base, and before the first of the others.
    fn heading(&self, parsed: &Manifest) -> Option<String> {
        if self.kind == "base" {
            let format = if self.is_snapshot { "RDB" } else { "RESP" };
            return Some(format!("Start to check BASE AOF ({format} format)."));
        }
        (self.number == usize::from(parsed.base.is_some())).then(|| "Start to check INCR files.".to_owned())
    }
}

/// What was found in a file and done to it.
struct Outcome {
    report: Report,
    repaired: Option<Repaired>,
}

impl Outcome {
    fn is_valid(&self) -> bool {
        self.report.is_valid() || self.repaired.is_some()
    }

    fn json(&self, kind: &str, name: &str) -> String {
        let report = self.report.json(name);
        let repaired = self.repaired.as_ref();
        let repaired = repaired.map_or_else(String::new, |done| format!(",\"repaired\":{}", text::repaired_json(done)));
        format!("{{\"kind\":\"{kind}\",\"report\":{report}{repaired}}}")
    }
}

fn parse(manifest: &Subject) -> Result<Manifest> {
    if manifest.size_bytes > MAX_MANIFEST_BYTES {
        bail!("{}: a manifest has {MAX_MANIFEST_BYTES} bytes at most", manifest.shown);
    }
    let text = manifest.start(usize::try_from(manifest.size_bytes)?)?;
    Manifest::parse(&text).with_context(|| manifest.shown.clone())
}

/// Copies what is whole in all files to one new file.
fn salvage(manifest: &Subject, parsed: &Manifest, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
    let Some(path) = &arguments.salvage else { bail!("no file to salvage to") };
    let to = Place::at(path)?;
    let files = parsed.reads().enumerate().map(|(number, part)| File::open(manifest, parsed, number, part));
    let files = files.collect::<Result<Vec<File>>>()?;
    let inputs: Vec<_> = files.iter().map(|file| (Arc::clone(&file.subject.file), file.subject.size_bytes)).collect();
    let salvaged = salvage_files(&inputs, PREAMBLE, &to.dir, &to.name)
        .with_context(|| format!("Failed to salvage AOF {} to {}", manifest.shown, path.display()))?;
    let SalvagedFiles { reports, size_bytes, selects_added, .. } = salvaged;
    let new = path.display();
    if arguments.json {
        let objects = reports
            .into_iter()
            .zip(&files)
            .map(|(report, file)| Outcome { report, repaired: None }.json(file.kind, &file.subject.shown));
        let (name, files) = (Text(&manifest.shown), objects.collect::<Vec<_>>().join(","));
        let salvaged = format!("{{\"file\":{},\"size\":{size_bytes},\"selects_added\":{selects_added}}}", Text(new));
        writeln!(out, "{{\"manifest\":{name},\"files\":[{files}],\"salvaged\":{salvaged}}}")?;
        return Ok(true);
    }
    for (report, file) in reports.iter().zip(&files) {
        text::analysis(out, &file.subject.shown, report)?;
    }
    let commands = reports.iter().map(|report| report.commands).sum();
    let transactions = reports.iter().map(|report| report.transactions).sum();
    let new = path.display().to_string();
    text::salvaged(out, &manifest.shown, &new, &text::Copied { commands, transactions, size_bytes, selects_added })?;
    Ok(true)
}
