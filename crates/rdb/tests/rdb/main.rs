//! Files that real servers wrote, files made by hand, files that this crate wrote, and files that nobody should have written.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers of tests stand outside of #[test] functions here"
)]

mod by_hand;
mod corpus;
mod dataset;
mod hostile;
mod modules;
mod payloads;
mod random;
mod snapshots;
mod strings;
