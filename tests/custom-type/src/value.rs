//! The items as a value of the server: what it weighs, how it is copied, and the two forms in which it is rebuilt, commands in a
//! log and parts in an RDB file.
//!
//! `rewrite` and `save` run in a forked child, so they only read.

use keyspace::{CannotLoad, CannotRewrite, CustomType, CustomValue, EmitCommands, ReadParts, WriteParts};

use crate::items::{FrequentItems, Item};

/// The type. Its name stands in files: it must never change, and another layout of the parts gets another version.
pub static TYPE: CustomType = CustomType::new("freqitems", 1, &[LOAD_COMMAND], load);

/// The command that rebuilds a value.
pub(crate) const LOAD_COMMAND: &str = "freq.load";

/// Items in one command. Short commands keep the memory small that a reader needs.
const ITEMS_PER_COMMAND: usize = 20;

/// Arguments for one item: name, count and error.
pub(crate) const ARGS_PER_ITEM: usize = 3;

impl CustomValue for FrequentItems {
    fn custom_type(&self) -> &'static CustomType {
        &TYPE
    }

    fn copy(&self) -> Box<dyn CustomValue> {
        Box::new(self.clone())
    }

    fn heap_bytes(&self) -> usize {
        let names: usize = self.items().iter().map(|item| item.name.len()).sum();
        size_of_val(self.items()) + names
    }

    fn free_effort(&self) -> usize {
        self.items().len()
    }

    fn rewrite(&self, key: &[u8], out: &mut dyn EmitCommands) -> Result<(), CannotRewrite> {
        let mut chunks = self.items().chunks(ITEMS_PER_COMMAND);
        // Without items, one command without any.
        let first = chunks.next().unwrap_or_default();
        for items in std::iter::once(first).chain(chunks) {
            out.command(LOAD_COMMAND, 2 + items.len() * ARGS_PER_ITEM);
            out.arg(key);
            out.arg_int(self.capacity());
            for item in items {
                out.arg(&item.name);
                out.arg_int(item.count);
                out.arg_int(item.error);
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut dyn WriteParts) {
        out.signed(self.capacity());
        out.unsigned(self.items().len() as u64);
        for item in self.items() {
            out.string(&item.name);
            out.signed(item.count);
            out.signed(item.error);
        }
    }
}

/// Makes a value of what [`CustomValue::save`] wrote. Version 0 knew no errors.
fn load(version: u16, parts: &mut dyn ReadParts) -> Result<Box<dyn CustomValue>, CannotLoad> {
    let mut items = FrequentItems::new(parts.signed()?).ok_or(CannotLoad("no capacity that there can be"))?;
    for _ in 0..parts.unsigned()? {
        let (name, count) = (parts.string()?.into_boxed_slice(), parts.signed()?);
        let error = if version == 0 { 0 } else { parts.signed()? };
        if !items.restore(Item { name, count, error }) {
            return Err(CannotLoad("an item that cannot be there"));
        }
    }
    Ok(Box::new(items))
}
