#![doc = include_str!("../README.md")]

pub mod args;
pub mod effect;
pub mod encode;
pub mod inline;
pub mod limits;
pub mod reply;
pub mod reply_decoder;
pub mod request;
pub mod value;

pub use args::{ArgSpan, Args, OwnedArgs};
pub use effect::{Effect, EffectWriter, Effects};
pub use encode::{bulk_size_bytes, encode_array_header, encode_bulk, encode_bulk_int, encode_command};
pub use limits::{Limits, MAX_REQUEST_BYTES, ProtocolError};
pub use reply::{Deferred, Protocol, Reply};
pub use reply_decoder::{ReplyDecoder, ReplyError, ReplyLimits};
pub use request::{Decoded, RequestDecoder};
pub use value::{Value, encode_request};
