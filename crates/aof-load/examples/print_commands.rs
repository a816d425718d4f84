//! Prints every command of a log, with its offset and its database: `cargo run -p aof-load --example print_commands -- appendonly.aof`.
//!
//! The keys of an RDB preamble come as the commands that rebuild them. A dump and the manifest of a log in several files do as well.

use std::error::Error;
use std::io::{self, Write as _};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: print_commands FILE")?;
    let mut out = io::stdout().lock();
    for command in aof_load::commands(path)? {
        let command = command?;
        writeln!(out, "{:>10} {:>2} {command}", command.offset, command.db)?;
    }
    Ok(())
}
