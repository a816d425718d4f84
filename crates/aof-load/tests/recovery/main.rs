//! Recovery as its users see it: over the simulated disk, its crashes and faults, and over the real file system.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, missing_docs, reason = "tests")]

mod commands;
mod crashes;
mod damage;
mod files;
mod fixture;
mod import;
mod proof;
mod snapshots;
