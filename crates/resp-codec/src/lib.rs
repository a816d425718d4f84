//! RESP2 and RESP3: requests, replies and effects, without sockets and without knowledge of any command.
//!
//! Everything borrows: a decoded request is a set of spans over the caller's buffer. Nothing is allocated from an
//! announced length; memory follows the bytes that arrived.
pub mod args;
pub mod effect;

pub use args::{ArgSpan, Args, OwnedArgs};
pub use effect::{Effect, Effects};
