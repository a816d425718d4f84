#![doc = include_str!("../README.md")]

pub mod checksum;
pub mod input;
pub mod output;
pub mod sink;
pub mod source;

pub use checksum::{Crc64, crc64};
pub use input::{FileInput, Input, ReaderInput};
pub use output::{FileOutput, Output, WriterOutput};
pub use sink::{Sink, SinkError};
pub use source::{Source, SourceError};
