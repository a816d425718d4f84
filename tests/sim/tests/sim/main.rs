//! Crashes of the whole server in a simulated world: see the library of this package.
#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]

mod campaigns;
mod exhaustive;
mod planted;
