//! What is printed: redis-check-aof's own lines where scripts look for them, and more in between.

use std::io::{self, Write};

use aof_load::check::{Ambiguity, Reading, Repaired, Report, Stretch, Text};

/// What a check found: every damaged stretch, and redis-check-aof's line of figures.
pub(crate) fn analysis(out: &mut dyn Write, file: &str, report: &Report) -> io::Result<()> {
    if report.commands_start > 0 {
        writeln!(out, "RDB preamble is OK, proceeding with AOF tail...")?;
    }
    for stretch in &report.stretches {
        self::stretch(out, stretch, report.size_bytes)?;
    }
    let listed = report.stretches.len() as u64;
    if report.stretch_count > listed {
        writeln!(out, "… and {} more damaged stretches", report.stretch_count - listed)?;
    }
    let Report { size_bytes, ok_up_to, ok_up_to_line, .. } = report;
    let diff = size_bytes - ok_up_to;
    writeln!(
        out,
        "AOF analyzed: filename={file}, size={size_bytes}, ok_up_to={ok_up_to}, ok_up_to_line={ok_up_to_line}, diff={diff}"
    )
}

/// One damaged stretch.
fn stretch(out: &mut dyn Write, stretch: &Stretch, size_bytes: u64) -> io::Result<()> {
    let damage = &stretch.damage;
    let found = damage.found.map_or_else(|| "the end of the file".to_owned(), |b| format!("'{}'", b.escape_ascii()));
    writeln!(
        out,
        "0x{:>16x}: Expected {}, got: {found} (in command {} begun at byte {})",
        damage.offset, damage.expected, damage.command_index, damage.command_offset
    )?;
    let bytes = stretch.end - stretch.start;
    write!(out, "  damaged: bytes {} to {}, {bytes} in all", stretch.start, stretch.end)?;
    let resume = match stretch.resume {
        _ if stretch.undecided => "too much of what follows resembles commands to tell where they resume".to_owned(),
        resume if resume == size_bytes => "no whole command follows".to_owned(),
        resume => format!("whole commands resume at byte {resume}"),
    };
    writeln!(out, "; {resume}")?;
    if stretch.dropped_commands > 0 {
        let of = if stretch.transaction { "of a damaged transaction" } else { "whose count of arguments is wrong" };
        writeln!(out, "  in it {} whole commands {of}", stretch.dropped_commands)?;
    }
    if let Some(ambiguity) = &stretch.ambiguity {
        self::ambiguity(out, ambiguity, size_bytes)?;
    }
    if let Some(assumed) = &stretch.assumed {
        let (commands, database) = (assumed.commands, assumed.database);
        write!(out, "  a SELECT may be lost: database {database} assumed for the commands up to the next one, ")?;
        writeln!(out, "{commands} in all")?;
    }
    Ok(())
}

fn ambiguity(out: &mut dyn Write, ambiguity: &Ambiguity, size_bytes: u64) -> io::Result<()> {
    let Ambiguity { inside, inside_end, outside, taken } = *ambiguity;
    write!(out, "  ambiguous: whole commands at bytes {inside} to {inside_end} are taken for ")?;
    match taken {
        Reading::Text => writeln!(out, "the text of a value; if they are commands, that value's length is wrong"),
        Reading::Commands if outside == size_bytes => {
            writeln!(out, "commands; if they are the text of a value, no command follows")
        }
        Reading::Commands => {
            writeln!(out, "commands; if they are the text of a value, commands resume at byte {outside}")
        }
    }
}

/// Where whole commands resume behind the first damage, if any do.
fn resume(report: &Report) -> Option<u64> {
    report.stretches.first().map(|stretch| stretch.resume).filter(|resume| *resume < report.size_bytes)
}

/// What redis-check-aof's last line leaves out.
pub(crate) fn advice(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if resume(report).is_some() {
        writeln!(
            out,
            "Whole commands follow the damage: --fix would cut them as well, --salvage <new file> keeps them"
        )?;
    }
    Ok(())
}

/// The question before a cut.
pub(crate) fn question(out: &mut dyn Write, file: &str, report: &Report) -> io::Result<()> {
    let Report { size_bytes, ok_up_to, .. } = report;
    let diff = size_bytes - ok_up_to;
    if let Some(resume) = resume(report) {
        writeln!(
            out,
            "Whole commands follow the damage, from byte {resume} on, and would be cut as well: --salvage keeps them"
        )?;
    }
    if report.ok_up_to == 0 {
        writeln!(out, "Nothing before the damage is a command: this may be no AOF at all")?;
    }
    writeln!(out, "This will shrink the AOF {file} from {size_bytes} bytes, with {diff} bytes, to {ok_up_to} bytes")?;
    write!(out, "Continue? [y/N]: ")
}

/// What stands beside a file that was cut.
pub(crate) fn repaired(out: &mut dyn Write, repaired: &Repaired) -> io::Result<()> {
    if let Some(side_file) = &repaired.side_file {
        writeln!(out, "The {} bytes that were cut are in {side_file}", repaired.tail_bytes)?;
    }
    if let Some(state_file) = &repaired.state_file {
        writeln!(out, "The state file, which spoke of the whole file, is now {state_file}")?;
    }
    Ok(())
}

/// The same as JSON.
pub(crate) fn repaired_json(repaired: &Repaired) -> String {
    let name = |name: &Option<String>| name.as_ref().map_or_else(|| "null".to_owned(), |name| Text(name).to_string());
    format!(
        "{{\"size\":{},\"cut\":{},\"side_file\":{},\"state_file\":{}}}",
        repaired.size_bytes,
        repaired.tail_bytes,
        name(&repaired.side_file),
        name(&repaired.state_file)
    )
}

/// What was salvaged.
pub(crate) struct Copied {
    pub(crate) commands: u64,
    pub(crate) transactions: u64,
    pub(crate) size_bytes: u64,
    pub(crate) selects_added: u64,
}

/// Says so.
pub(crate) fn salvaged(out: &mut dyn Write, file: &str, new: &str, copied: &Copied) -> io::Result<()> {
    let Copied { commands, transactions, size_bytes, selects_added } = copied;
    if *selects_added > 0 {
        writeln!(out, "{selects_added} SELECT commands were added, where one is lost or another file begins")?;
    }
    writeln!(
        out,
        "Successfully salvaged AOF {file} to {new}: {commands} whole commands, among them {transactions} transactions, in \
         {size_bytes} bytes"
    )
}
