//! The real engine over a simulated world: disk, clock, background threads, rewrite children and clients, all of them
//! driven by one seeded generator, so that a seed repeats a run to the byte.
//!
//! What is judged is what a client could judge: after a crash the dataset must be what some prefix of the executed commands
//! left, at least as long as the policy promises; a second recovery must give the same; the server must go on.
//!
//! # Map
//!
//! - `campaign`: lives, crashes and recoveries one after the other, all from one seed.
//! - `background`: bio jobs that run when the schedule says so, and when each fsync ran.
//! - `server`: one process: engine, disk, clock, children; a turn of its loop.
//! - `client`: a client that pipelines, splits its requests over reads, and checks every reply.
//! - `model`: what the commands of the workload do, naively; `key`, `reply`: its keys, and what is answered; `readback`: what a server holds, in the same terms.
//! - `history`: everything executed and acknowledged, and what a crash may take of it.
//! - `life`: one process's life under the workload, up to its crash; `ending`: its end by SHUTDOWN; `trouble`: what goes wrong in it meanwhile; `health`: whether a refusal has a reason.
//! - `moment`: what a process was in the middle of when it crashed.
//! - `verdict`: recovery of what the crash left, and its judgement; `excuse`: what a crash may do that no recovery can mend;
//!   `snapshot`: what `dump.rdb` must hold.
//! - `caught`, `report`, `failure`, `shrink`: a panic is a failure too; what campaigns went through; what went wrong, and the smallest campaign in which it does.
//!
//! The program of this package is `cargo xtask sim`.

pub mod background;
pub mod campaign;
pub mod caught;
pub mod client;
mod ending;
pub mod excuse;
pub mod failure;
pub mod health;
pub mod history;
pub mod key;
pub mod life;
pub mod model;
pub mod moment;
#[cfg(feature = "mutants")]
pub mod mutation;
pub mod readback;
pub mod reply;
pub mod report;
pub mod server;
pub mod shrink;
pub mod snapshot;
pub mod trouble;
pub mod verdict;
