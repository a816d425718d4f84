//! Checks an RDB file and counts what is in it: `cargo run -p rdb --example summary < dump.rdb`.

use std::collections::BTreeMap;
use std::io::stdin;

use rdb::{Checksum, Content, Entry, Options, RdbError, Reader, Unsupported};
use rio::{ReaderInput, Source};

fn main() -> Result<(), RdbError> {
    let source = Source::with_buffer(ReaderInput(stdin().lock()), Vec::with_capacity(1 << 16));
    // What cannot be had as a value is still counted, and the checksum covers it.
    let options = Options { unsupported: Unsupported::Skip, ..Options::default() };
    let mut reader = Reader::new(source, options)?;
    println!("version {}", reader.version());
    let mut keys: BTreeMap<(u32, &str), u64> = BTreeMap::new();
    while let Some(event) = reader.next_event()? {
        match event.entry {
            Entry::Aux { key, value } => println!("{}: {}", key.escape_ascii(), value.escape_ascii()),
            Entry::Key(entry) => {
                let kind = match &entry.content {
                    Content::Value(value) => value.as_ref().type_name(),
                    Content::Module(_) => "module value",
                    Content::Empty(kind) | Content::Skipped(kind) => kind.name(),
                };
                *keys.entry((entry.db, kind)).or_default() += 1;
            }
            Entry::End(Checksum::Verified(sum)) => {
                println!("checksum {sum:016x} at byte {} is right", event.offset + 1);
            }
            Entry::End(_) => println!("no checksum"),
            _ => {}
        }
    }
    for ((db, kind), count) in keys {
        println!("database {db}: {count} of type {kind}");
    }
    Ok(())
}
