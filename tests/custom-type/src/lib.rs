//! An example of a program that brings a data type of its own: the most frequent items of a stream, in bounded memory.
//!
//! # Map
//!
//! - `items`: the data structure, which knows nothing of the server.
//! - `value`: what the server asks of every value: its size, a copy, the commands and the parts that rebuild it.
//! - `operations`: the commands on it.
//! - `main`: the server with it.
//!
//! docs/embedding.md walks through it.

mod items;
mod operations;
mod value;

use commands::Extension;
use keyspace::CustomType;

pub use items::FrequentItems;
pub use operations::COMMANDS;
pub use value::TYPE;

/// What the program adds to the server.
pub static EXTENSION: Extension = Extension { name: "frequent", types: &TYPES, commands: &COMMANDS };

static TYPES: [&CustomType; 1] = [&TYPE];
