//! Prints every key of a log's preamble and every command, one a line: `cargo run -p aof-load --example print_commands -- appendonly.aof`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use aof_load::{Import, LoadOptions, Refusal, Sink, Unit};
use keyspace::{UnixMs, Value};
use resp_codec::Args;
use vfs::{Dir, RealDir};

/// Takes everything, and prints it.
struct Printer;

impl Sink for Printer {
    fn check(&mut self, _: Args<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn apply(&mut self, unit: &Unit<'_>) -> Result<(), Refusal> {
        for command in unit.commands() {
            let words: Vec<_> = command.args().from(0).map(|arg| arg.escape_ascii().to_string()).collect();
            println!("{:>10} {}", command.offset(), words.join(" "));
        }
        Ok(())
    }

    fn put(&mut self, db: u32, key: &[u8], value: Value, _: Option<UnixMs>) -> Result<(), Refusal> {
        println!("{:>10} {} {}", format!("db {db}"), value.as_ref().type_name(), key.escape_ascii());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: print_commands <file>")?);
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("that is no name of a file")?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let dir: Arc<dyn Dir> = Arc::new(RealDir::open(parent)?);
    let mut import = Import::of_log(&dir, name, LoadOptions::default())?.ok_or("there is no such file")?;
    while !import.step(&mut Printer, 1 << 20)?.is_done() {}
    if let Some(left_out) = import.finish().left_out {
        println!("{:>10} torn: {} bytes", left_out.offset, left_out.tail_bytes);
    }
    Ok(())
}
