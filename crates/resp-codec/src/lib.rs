#![doc = include_str!("../README.md")]

pub mod args;
pub mod effect;
pub mod encode;
pub mod inline;
pub mod limits;
pub mod reply;
pub mod request;

pub use args::{ArgSpan, Args, OwnedArgs};
pub use effect::{Effect, EffectWriter, Effects};
pub use encode::{bulk_size_bytes, encode_array_header, encode_bulk, encode_bulk_int, encode_command};
pub use limits::{Limits, ProtocolError};
pub use reply::{Deferred, Protocol, Reply};
pub use request::{Decoded, RequestDecoder};
