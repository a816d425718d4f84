//! Runs turns of the engine and nothing else, for profilers and for counting instructions.
//!
//! `turns WORKLOAD CLIENTS DEPTH TURNS`: each of so many clients sends so many requests a turn. Instructions a request are
//! the difference of two runs with different numbers of turns, divided by the requests between them:
//!
//! ```text
//! valgrind --tool=callgrind target/release/turns set 1 16 5000
//! perf record -g target/release/turns set 1 16 2000000
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers: it prints")]

use std::process::ExitCode;

use benches::workload::{WORKLOADS, Workload};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).and_then(|text: &String| text.parse::<usize>().ok()).filter(|n| *n > 0);
    let workload = arguments.first().and_then(|name| Workload::find(name));
    let (Some(workload), Some(clients), Some(depth), Some(turns)) = (workload, number(1), number(2), number(3)) else {
        let names: Vec<&str> = WORKLOADS.iter().map(|w| w.name).collect();
        eprintln!("usage: turns WORKLOAD CLIENTS DEPTH TURNS\nworkloads: {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    let mut running = workload.start(clients, depth);
    let sent: usize = (0..turns).map(|_| running.turn()).sum();
    println!("{} requests, {sent} bytes of replies", turns * clients * depth);
    ExitCode::SUCCESS
}
