#![doc = include_str!("../README.md")]

mod error;
mod format;
mod lzf;
mod module;
mod payload;
mod read;
mod write;

pub use error::{Excerpt, Foreign, Found, RdbError};
pub use format::{MAX_STRING_BYTES, NEWEST_VERSION, OLDEST_VERSION, ValueType};
pub use module::{ModuleId, ModuleValue, Part};
pub use payload::{Payload, read_payload};
pub use read::{Checksum, Content, Entry, Event, KeyEntry, Options, Reader, Step, Unsupported};
pub use write::{
    Encoder, ModuleWriter, Preface, Progress, SnapshotSettings, SnapshotWriter, StringTooLong, Target, WriteOptions,
};
