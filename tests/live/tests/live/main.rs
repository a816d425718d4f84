//! Tests of the real process: what only a server with sockets, files, signals and arguments can show.
//!
//! One binary, a module per subject. Each test has its own directory and port; `LEDGERSTONE_SERVER` names another binary.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "drives real processes and files")]

mod config;
mod config_rewrite;
mod connections;
mod corpus;
mod flood;
mod half_requests;
mod hostile;
mod imports;
mod places;
mod protocol;
mod recovery;
mod sessions;
mod snapshots;
mod statistics;
mod support;
mod survival;
mod transactions;
mod waiting;
