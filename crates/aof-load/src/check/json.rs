//! A report as JSON, for programs. The README describes the fields; one is never taken away or given another meaning.

use std::fmt::{self, Display, Write};

use super::{Reading, Report, Stretch};

/// A report as one JSON object. Made by [`Report::json`].
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    report: &'a Report,
    file: &'a str,
}

impl Report {
    /// The report as one JSON object, which says that it is about `file`.
    #[must_use]
    pub fn json<'a>(&'a self, file: &'a str) -> Json<'a> {
        Json { report: self, file }
    }
}

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, file } = self;
        let mut object = Object::begin(f)?;
        object.field("file", Text(file))?;
        object.field("valid", report.is_valid())?;
        object.field("size", report.size_bytes)?;
        object.field("ok_up_to", report.ok_up_to)?;
        object.field("ok_up_to_line", report.ok_up_to_line)?;
        object.field("diff", report.size_bytes - report.ok_up_to)?;
        object.field("commands_start", report.commands_start)?;
        object.field("commands", report.commands)?;
        object.field("transactions", report.transactions)?;
        object.field("annotations", report.annotations)?;
        object.field("stretch_count", report.stretch_count)?;
        object.field("stretches", List(&report.stretches))?;
        object.end()
    }
}

/// A text as a JSON string.
pub struct Text<T>(pub T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(Escaped(f), "{}", self.0)?;
        f.write_char('"')
    }
}

/// Escapes what is written through it.
struct Escaped<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Nothing as `null`.
struct Maybe<T>(Option<T>);

impl<T: Display> Display for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("null"),
        }
    }
}

struct List<'a>(&'a [Stretch]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (i, stretch) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_char(',')?;
            }
            json_stretch(f, stretch)?;
        }
        f.write_char(']')
    }
}

fn json_stretch(f: &mut fmt::Formatter<'_>, stretch: &Stretch) -> fmt::Result {
    let damage = &stretch.damage;
    let mut object = Object::begin(f)?;
    object.field("start", stretch.start)?;
    object.field("resume", stretch.resume)?;
    object.field("end", stretch.end)?;
    object.field("offset", damage.offset)?;
    object.field("found", Maybe(damage.found))?;
    object.field("expected", Text(damage.expected))?;
    object.field("command_offset", damage.command_offset)?;
    object.field("command_index", damage.command_index)?;
    object.field("dropped_commands", stretch.dropped_commands)?;
    object.field("transaction", stretch.transaction)?;
    object.field("undecided", stretch.undecided)?;
    let ambiguity = stretch.ambiguity.map(|a| {
        let taken = if a.taken == Reading::Text { "text" } else { "commands" };
        let (inside, inside_end, outside) = (a.inside, a.inside_end, a.outside);
        format!("{{\"inside\":{inside},\"inside_end\":{inside_end},\"outside\":{outside},\"taken\":\"{taken}\"}}")
    });
    object.field("ambiguity", Maybe(ambiguity))?;
    let assumed = stretch.assumed.map(|a| format!("{{\"database\":{},\"commands\":{}}}", a.database, a.commands));
    object.field("assumed", Maybe(assumed))?;
    object.end()
}

/// An object in the writing.
struct Object<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    first: bool,
}

impl<'a, 'b> Object<'a, 'b> {
    fn begin(f: &'a mut fmt::Formatter<'b>) -> Result<Self, fmt::Error> {
        f.write_char('{')?;
        Ok(Self { f, first: true })
    }

    fn field(&mut self, name: &str, value: impl Display) -> fmt::Result {
        let comma = if std::mem::replace(&mut self.first, false) { "" } else { "," };
        write!(self.f, "{comma}\"{name}\":{value}")
    }

    fn end(self) -> fmt::Result {
        self.f.write_char('}')
    }
}
