//! Files that real servers wrote, files made by hand, files that this crate wrote, and files that nobody should have written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside of #[test] functions here")]

mod corpus;
mod dataset;
