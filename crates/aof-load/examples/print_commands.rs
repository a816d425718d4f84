//! Prints every command of a log, one a line: `cargo run -p aof-load --example print_commands -- appendonly.aof`.

use std::error::Error;
use std::path::PathBuf;

use aof_load::Reader;
use vfs::{Dir as _, Open, RealDir};

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: print_commands <file>")?);
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("that is no name of a file")?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let file = RealDir::open(parent)?.open(name, Open::Read)?;
    let size_bytes = file.metadata()?.len;
    let mut reader = Reader::new(file, 0, size_bytes);
    while let Some(batch) = reader.next_batch()? {
        for command in batch.units().flat_map(|unit| unit.commands()) {
            let words: Vec<_> = command.args().from(0).map(|arg| arg.escape_ascii().to_string()).collect();
            println!("{:>10} {}", command.offset(), words.join(" "));
        }
    }
    Ok(())
}
