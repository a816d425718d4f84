//! `check-aof`: checks, cuts or salvages an append-only file, with the options and the output of redis-check-aof.
//!
//! What it knows of files is the library's; this program reads arguments, asks, and prints. Exit status: 0 if the file is valid, or
//! was made so; 1 otherwise.

mod arguments;
mod parts;
mod place;
mod session;
mod text;

use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::{Arguments, Parsed};

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Parsed::Run(arguments) => arguments,
        Parsed::Shown => return ExitCode::SUCCESS,
        Parsed::Refused => return ExitCode::FAILURE,
    };
    let mut out = io::stdout().lock();
    let done = session::run(&arguments, &mut out).and_then(|valid| {
        out.flush()?;
        Ok(valid)
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            failed(&arguments, &error, &mut out);
            ExitCode::FAILURE
        }
    }
}

/// Says why nothing came of it, where the rest of the output is, as redis-check-aof does.
fn failed(arguments: &Arguments, error: &anyhow::Error, out: &mut impl io::Write) {
    let line = if arguments.json {
        let (file, error) = (arguments.file.display(), format!("{error:#}"));
        format!("{{\"file\":{},\"error\":{}}}", aof_load::check::Text(file), aof_load::check::Text(error))
    } else {
        format!("{error:#}")
    };
    // If nobody reads, there is nobody to tell.
    let _unread = writeln!(out, "{line}").and_then(|()| out.flush());
}
