//! A manifest: the files of a log in several files, checked in the order in which a server reads them, with redis-check-aof's lines.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use aof_load::check::{Held, check};
use aof_load::{MAX_MANIFEST_BYTES, Manifest, Part};
use vfs::Dir as _;

use crate::arguments::Arguments;
use crate::place::Place;
use crate::session::{PREAMBLE, Subject};
use crate::text;

/// The first bytes of a snapshot in RDB format.
const MAGIC: &[u8] = b"REDIS";

/// Checks the files that `manifest` names, and cuts the last one if that is asked for. Whether all are valid now.
pub(crate) fn run(manifest: &Subject, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
    if arguments.json || arguments.salvage.is_some() || arguments.truncate_to_timestamp.is_some() {
        bail!(
            "{}: this is the manifest of a multi-part AOF: --json, --salvage and --truncate-to-timestamp take one of its files",
            manifest.shown
        );
    }
    writeln!(out, "Start checking Multi Part AOF")?;
    let parsed = parse(manifest)?;
    // A server of ours locks the directory that this one stands in.
    let above = Place::at(manifest.place.dir.path()).ok().filter(|_| arguments.fix);
    let _server = above.as_ref().map(|above| Held::take(&above.dir)).transpose().context(manifest.shown.clone())?;
    let held = if arguments.fix { Some(Held::take(&manifest.place.dir)?) } else { None };
    let last = parsed.reads().count();
    for (number, part) in parsed.reads().enumerate() {
        let subject = open(manifest, part)?;
        let is_base = number == 0 && parsed.base.is_some();
        let is_snapshot = subject.starts_with(MAGIC)?;
        if is_base {
            let format = if is_snapshot { "RDB" } else { "RESP" };
            writeln!(out, "Start to check BASE AOF ({format} format).")?;
        } else if parsed.incremental.first() == Some(part) {
            writeln!(out, "Start to check INCR files.")?;
        }
        if !is_base && is_snapshot {
            bail!("INCR AOF {} starts with an RDB snapshot, which only the base may", subject.shown);
        }
        let kind = if is_base { "BASE AOF" } else { "INCR AOF" };
        let how = if number + 1 == last { held.as_ref() } else { None };
        if !one(&subject, kind, how, arguments, out)? {
            return Ok(false);
        }
    }
    writeln!(out, "All AOF files and manifest are valid")?;
    Ok(true)
}

fn parse(manifest: &Subject) -> Result<Manifest> {
    if manifest.size_bytes > MAX_MANIFEST_BYTES {
        bail!("{}: a manifest has {MAX_MANIFEST_BYTES} bytes at most", manifest.shown);
    }
    let text = manifest.start(usize::try_from(manifest.size_bytes)?)?;
    Manifest::parse(&text).with_context(|| manifest.shown.clone())
}

/// Opens a file beside the manifest. A link in its place is refused: what it names may stand where nothing is locked.
fn open(manifest: &Subject, part: &Part) -> Result<Subject> {
    Subject::at(Place::at(&manifest.place.dir.path().join(&part.name))?, part.name.clone())
}

/// Checks one file, and cuts it if it is the last and its directory is held for that. Whether it is valid now.
fn one(
    subject: &Subject,
    kind: &str,
    held: Option<&Held<'_>>,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> Result<bool> {
    let shown = &subject.shown;
    if subject.size_bytes == 0 {
        writeln!(out, "{kind} {shown} is empty")?;
        return Ok(true);
    }
    let report = check(&subject.file, subject.size_bytes, PREAMBLE).with_context(|| shown.clone())?;
    text::analysis(out, shown, &report)?;
    if report.is_valid() {
        writeln!(out, "{kind} {shown} is valid")?;
        return Ok(true);
    }
    if !arguments.fix {
        writeln!(out, "AOF {shown} is not valid. Use the --fix option to try fixing it.")?;
        return Ok(false);
    }
    let Some(held) = held else { bail!("Failed to truncate AOF {shown} because it is not the last file") };
    if !arguments.yes && !subject.ask(arguments, out, &report)? {
        bail!("Aborting...");
    }
    let done = subject.cut(held, report.ok_up_to, arguments);
    text::repaired(out, &done.with_context(|| format!("Failed to truncate AOF {shown}"))?)?;
    writeln!(out, "Successfully truncated AOF {shown}")?;
    Ok(true)
}
