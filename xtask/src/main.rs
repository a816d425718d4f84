//! The project's own commands: `cargo xtask tidy`, `test`, `prove`, `compat`, `compat-check`, `test-crash`, `test-kill-points`,
//! `sim`, `test-faults`, `test-interop`, `test-clients`, `test-outside`, `test-traces`, `fuzz`, `bench`.
//!
//! Each command is a module; this one only reads the arguments. What a command did not do, it says.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a tool for developers: it runs processes, reads files and prints"
)]

mod bench;
mod clients;
mod compat;
mod compat_check;
mod crash;
mod faults;
mod fuzz;
mod interop;
mod interop_dump;
mod interop_rdb;
mod interop_saves;
mod kill_points;
mod leftovers;
mod outside;
mod parallel;
mod power;
mod proofs;
mod prove;
mod recovered;
mod sim;
mod suite;
mod supervise;
mod tidy;
mod traces;
mod waiting;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Checks what no compiler checks: layers, docs, sizes, sources.
    Tidy(tidy::Options),
    /// Runs the tests: with Rust, gcc and make alone, or everything with --all.
    Test(suite::Options),
    /// Makes each change of docs/proofs in a copy and sees the tests fail that it names.
    Prove(prove::Options),
    /// Crashes the engine in a simulated world, over many seeds; or looks for planted bugs with it.
    Sim(sim::Options),
    /// Kills a real server under load and checks what it recovers.
    TestCrash(crash::Options),
    /// Kills a real server, or its child, at every call of a rewrite and checks what is recovered.
    TestKillPoints(kill_points::Options),
    /// Lets calls on a real server's files fail, and heal, under clients that write.
    TestFaults(faults::Options),
    /// Sends the same commands to our server and to redis-server, and compares.
    Compat(compat::Options),
    /// Lets our checker of logs and redis-check-aof judge the same files, and compares.
    CompatCheck(compat_check::Options),
    /// Lets redis-server read what we wrote, and compares.
    TestInterop(interop::Options),
    /// Lets the libraries and tools that people have drive the real server.
    TestClients(clients::Options),
    /// Builds the first example of aof-load as a package of its own, and runs it.
    TestOutside(outside::Options),
    /// Counts what the real server asks of the kernel, with strace.
    TestTraces(traces::Options),
    /// Lets libFuzzer search for an input for which something does not hold that must hold for every one.
    Fuzz(fuzz::Options),
    /// Measures our server and others side by side.
    Bench(Box<bench::Options>),
}

fn main() -> ExitCode {
    if let Some(error) = fuzz::become_compiler() {
        eprintln!("xtask: the compiler does not run: {error}");
        return ExitCode::FAILURE;
    }
    let done = match Arguments::parse().command {
        Task::Tidy(options) => tidy::run(&options),
        Task::Test(options) => suite::run(&options),
        Task::Prove(options) => prove::run(&options),
        Task::Sim(options) => sim::run(&options),
        Task::TestCrash(options) => crash::run(&options),
        Task::TestKillPoints(options) => kill_points::run(&options),
        Task::TestFaults(options) => faults::run(&options),
        Task::Compat(options) => compat::run(&options),
        Task::CompatCheck(options) => compat_check::run(&options),
        Task::TestInterop(options) => interop::run(&options),
        Task::TestClients(options) => clients::run(&options),
        Task::TestOutside(options) => outside::run(&options),
        Task::TestTraces(options) => traces::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
