//! The arguments: those of redis-check-aof, and more.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Parser};

/// Checks an append-only file, and can cut it or salvage what is whole in it.
#[derive(Clone, Debug, Parser)]
#[command(name = "check-aof", version, after_help = "Exit status: 0 if the file is valid or was made so, 1 otherwise.")]
pub(crate) struct Arguments {
    /// Cuts the file where it is damaged, after asking; everything behind is cut with it.
    #[arg(long, conflicts_with_all = ["truncate_to_timestamp", "salvage"])]
    pub(crate) fix: bool,
    /// Cuts the file where its #TS: annotations pass this time, in seconds since the epoch.
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, conflicts_with = "salvage")]
    pub(crate) truncate_to_timestamp: Option<String>,
    /// Copies whole commands and whole transactions, over all damage, to a file that does not exist yet.
    #[arg(long, value_name = "NEW FILE")]
    pub(crate) salvage: Option<PathBuf>,
    /// Asks nothing.
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keeps no copy of what is cut; else it is put in a file beside it, whose name ends in torn and the offset.
    #[arg(long = "without-side-file", action = ArgAction::SetFalse)]
    pub(crate) side_file: bool,
    /// The file.
    pub(crate) file: PathBuf,
}

/// What became of the arguments.
pub(crate) enum Parsed {
    /// There is something to do.
    Run(Box<Arguments>),
    /// Help or version was asked for, and shown.
    Shown,
    /// They make no sense; that was said.
    Refused,
}

/// Reads the arguments of this process.
pub(crate) fn parse() -> Parsed {
    match Arguments::try_parse() {
        Ok(arguments) => Parsed::Run(Box::new(arguments)),
        Err(error) => {
            // If nobody reads it, there is nobody to tell.
            let _unread = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Shown,
                _ => Parsed::Refused,
            }
        }
    }
}
