//! What the program does for its arguments, in order: check, say, ask, cut or copy.

use std::io::{self, BufRead as _, Write};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use aof_load::Manifest;
use aof_load::check::{
    Held, Later, Preamble, RdbPreamble, RepairError, Repaired, Report, Text, check, later_than, salvage,
};
use vfs::{Dir as _, File, Open};

use crate::arguments::Arguments;
use crate::parts;
use crate::place::Place;
use crate::text;

/// Who reads RDB preambles.
pub(crate) const PREAMBLE: Option<&dyn Preamble> = Some(&RdbPreamble);

/// A file to be looked at.
pub(crate) struct Subject {
    pub(crate) place: Place,
    /// As it was given, for messages.
    pub(crate) shown: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) size_bytes: u64,
}

/// Does what was asked. Whether the file is valid now.
pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
    let subject = Subject::open(arguments)?;
    if Manifest::starts_with(&subject.start(1024)?) {
        return parts::run(&subject, arguments, out);
    }
    if !arguments.json {
        writeln!(out, "Start checking Old-Style AOF")?;
    }
    if subject.size_bytes == 0 && arguments.salvage.is_none() && !arguments.json {
        writeln!(out, "AOF {} is empty", subject.shown)?;
        return Ok(true);
    }
    match (&arguments.salvage, &arguments.truncate_to_timestamp) {
        (Some(_), _) => subject.salvage(arguments, out),
        (None, Some(seconds)) => subject.truncate_to_timestamp(seconds, arguments, out),
        (None, None) if arguments.fix => subject.fix(arguments, out),
        (None, None) => subject.check(arguments, out),
    }
}

impl Subject {
    fn open(arguments: &Arguments) -> Result<Self> {
        Self::at(Place::of_existing(&arguments.file)?, arguments.file.display().to_string())
    }

    /// The file that stands at `place`.
    pub(crate) fn at(place: Place, shown: String) -> Result<Self> {
        let opened = place.dir.open(&place.name, Open::Read);
        let file = opened.with_context(|| format!("Cannot open file {shown}"))?;
        let size_bytes = file.metadata().with_context(|| format!("Cannot stat file: {shown}"))?.len;
        Ok(Self { place, shown, file, size_bytes })
    }

    /// Whether its first bytes are these.
    pub(crate) fn starts_with(&self, bytes: &[u8]) -> Result<bool> {
        Ok(self.start(bytes.len())? == bytes)
    }

    /// Its first bytes, fewer if it has fewer.
    pub(crate) fn start(&self, bytes: usize) -> Result<Vec<u8>> {
        let mut start = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            let read = self.file.read_at(&mut start[filled..], filled as u64);
            match read.with_context(|| format!("Cannot read file: {}", self.shown))? {
                0 => break,
                read => filled += read,
            }
        }
        start.truncate(filled);
        Ok(start)
    }

    fn report(&self) -> Result<Report> {
        check(&self.file, self.size_bytes, PREAMBLE).with_context(|| self.shown.clone())
    }

    fn check(&self, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
        let report = self.report()?;
        if arguments.json {
            writeln!(out, "{}", report.json(&self.shown))?;
            return Ok(report.is_valid());
        }
        text::analysis(out, &self.shown, &report)?;
        if report.is_valid() {
            writeln!(out, "AOF {} is valid", self.shown)?;
        } else {
            text::advice(out, &report)?;
            writeln!(out, "AOF {} is not valid. Use the --fix option to try fixing it.", self.shown)?;
        }
        Ok(report.is_valid())
    }

    fn fix(&self, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
        let held = Held::take(&self.place.dir).with_context(|| self.shown.clone())?;
        let report = self.report()?;
        if !arguments.json {
            text::analysis(out, &self.shown, &report)?;
        }
        if report.is_valid() {
            self.say(arguments, out, &report, None, &format!("AOF {} is valid", self.shown))?;
            return Ok(true);
        }
        if !arguments.yes && !self.ask(arguments, out, &report)? {
            bail!("Aborting...");
        }
        let done = self.cut(&held, report.ok_up_to, arguments);
        let repaired = done.with_context(|| format!("Failed to truncate AOF {}", self.shown))?;
        self.say(arguments, out, &report, Some(&repaired), &format!("Successfully truncated AOF {}", self.shown))?;
        Ok(true)
    }

    pub(crate) fn cut(&self, held: &Held<'_>, cut_at: u64, arguments: &Arguments) -> Result<Repaired, RepairError> {
        held.cut(&self.place.name, &*self.file, self.size_bytes, cut_at, arguments.side_file)
    }

    /// Asks whether to cut. With --json nothing but the object goes out, so that needs --yes.
    pub(crate) fn ask(&self, arguments: &Arguments, out: &mut dyn Write, report: &Report) -> Result<bool> {
        if arguments.json {
            bail!("--fix with --json asks nothing, and needs --yes");
        }
        text::question(out, &self.shown, report)?;
        out.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).context("can't read the answer")?;
        Ok(answer.starts_with(['y', 'Y']))
    }

    fn truncate_to_timestamp(&self, seconds: &str, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
        let Some(seconds) = seconds.parse().ok().filter(|&seconds: &i64| seconds > 0) else {
            bail!("Invalid timestamp, aborting...");
        };
        let held = Held::take(&self.place.dir).with_context(|| self.shown.clone())?;
        let later = later_than(&self.file, self.size_bytes, PREAMBLE, seconds).with_context(|| self.shown.clone())?;
        let cut_at = match later {
            Later::From(cut_at) => cut_at,
            Later::Damaged => return self.check(arguments, out),
            Later::Nothing => {
                let line = format!("Truncate nothing in AOF {} to timestamp {seconds}\nAOF {0} is valid", self.shown);
                self.say(arguments, out, &self.report()?, None, &line)?;
                return Ok(true);
            }
            Later::Everything => bail!("AOF {} has nothing before timestamp {seconds}, aborting...", self.shown),
            Later::Invalid(offset) => bail!("Invalid timestamp annotation at byte {offset}"),
        };
        let report = self.report()?;
        let done = self.cut(&held, cut_at, arguments);
        let repaired = done.with_context(|| format!("Failed to truncate AOF {} to timestamp {seconds}", self.shown))?;
        let line = format!("Successfully truncated AOF {} to timestamp {seconds}", self.shown);
        self.say(arguments, out, &report, Some(&repaired), &line)?;
        Ok(true)
    }

    fn salvage(&self, arguments: &Arguments, out: &mut dyn Write) -> Result<bool> {
        let Some(path) = &arguments.salvage else { bail!("no file to salvage to") };
        let to = Place::at(path)?;
        let salvaged = salvage(&self.file, self.size_bytes, PREAMBLE, &to.dir, &to.name)
            .with_context(|| format!("Failed to salvage AOF {} to {}", self.shown, path.display()))?;
        if arguments.json {
            let (report, new) = (salvaged.report.json(&self.shown), Text(path.display()));
            let (size, selects) = (salvaged.size_bytes, salvaged.selects_added);
            writeln!(
                out,
                "{{\"report\":{report},\"salvaged\":{{\"file\":{new},\"size\":{size},\"selects_added\":{selects}}}}}"
            )?;
            return Ok(true);
        }
        text::analysis(out, &self.shown, &salvaged.report)?;
        let Report { commands, transactions, .. } = salvaged.report;
        let (size_bytes, selects_added) = (salvaged.size_bytes, salvaged.selects_added);
        let copied = text::Copied { commands, transactions, size_bytes, selects_added };
        text::salvaged(out, &self.shown, &path.display().to_string(), &copied)?;
        Ok(true)
    }

    /// Says what came of it: a line of text with what stands beside the file now, or an object.
    fn say(
        &self,
        arguments: &Arguments,
        out: &mut dyn Write,
        report: &Report,
        repaired: Option<&Repaired>,
        line: &str,
    ) -> Result<()> {
        if !arguments.json {
            if let Some(repaired) = repaired {
                text::repaired(out, repaired)?;
            }
            writeln!(out, "{line}")?;
            return Ok(());
        }
        let report = report.json(&self.shown);
        match repaired {
            None => writeln!(out, "{report}")?,
            Some(repaired) => writeln!(out, "{{\"report\":{report},\"repaired\":{}}}", text::repaired_json(repaired))?,
        }
        Ok(())
    }
}
