#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! - `job`: kinds, jobs, completions, the [`Bio`] trait and the one table of what each kind may do.
//! - `slots`: results in order of submission, whatever the order in which the jobs ended.
//! - `threads`: [`ThreadBio`], the real executor.
//! - `inline`: [`InlineBio`], which runs a job only when told to.
//! - `meter`: [`Meter`], how long calls take in a job, for whoever wants to know.

mod inline;
mod job;
mod meter;
mod slots;
mod threads;

pub use inline::InlineBio;
pub use job::{Bio, Completion, Job, JobId, JobPanicked, Kind, Outcome};
pub use meter::{Clock, Meter, Timing, Timings};
pub use threads::ThreadBio;
