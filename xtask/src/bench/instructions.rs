//! Instructions a request, counted by valgrind over whole turns of the engine: the same number on every run, however busy
//! the machine is. What the kernel does, and what a processor's caches make of it, is not in it.
//!
//! Two runs differ only in how many turns they make; their difference is the turns, without start and filling.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use testkit::binary::build_package;

use super::record::{Section, Table};
use crate::suite::find_program;

/// The workloads of `benches` that are counted.
const WORKLOADS: [&str; 16] = [
    "ping",
    "set",
    "get",
    "incr",
    "lpush_lpop",
    "sadd",
    "sadd_spop",
    "spop_missing",
    "hset",
    "zadd",
    "zadd_move",
    "zadd_zpopmin",
    "lrange_100",
    "mset",
    "set_many",
    "get_many",
];
/// Clients, and requests that each sends at once.
const FORMS: [(u64, u64); 2] = [(1, 16), (16, 1)];
/// The turns of the two runs.
const TURNS: [u64; 2] = [200, 1_200];

/// Whether the program that counts is there.
pub(crate) fn is_possible() -> bool {
    find_program("valgrind").is_some()
}

/// Counts.
///
/// # Errors
/// If valgrind is missing or fails, or the workloads cannot be built.
pub(crate) fn measure() -> Result<Section> {
    // Built as the server is.
    let turns = build_package("benches", &["--release", "--bin", "turns"].map(OsStr::new))?;
    let mut table = Table::new(["workload", "pipeline of 16", "16 clients"].map(str::to_owned));
    let mut found = Vec::new();
    for workload in WORKLOADS {
        let each: Result<Vec<u64>> = FORMS.iter().map(|form| a_request(&turns, workload, *form)).collect();
        let each = each.context(workload)?;
        super::progress(&format!("{workload}: {} / {} instructions a request", each[0], each[1]));
        table.rows.push(vec![workload.to_owned(), each[0].to_string(), each[1].to_string()]);
        found.push(json!({ "workload": workload, "pipeline_of_16": each[0], "clients_16": each[1] }));
    }
    let notes = vec![
        "Instructions of a whole turn of the engine divided by its 16 requests: decoding, running, feeding the log, \
         releasing the reply. No system call is in it."
            .to_owned(),
    ];
    let title = "Instructions a request".to_owned();
    Ok(Section { title, key: "instructions", notes, table, json: found.into() })
}

fn a_request(turns: &Path, workload: &str, form: (u64, u64)) -> Result<u64> {
    let [few, many] = TURNS.map(|count| count_instructions(turns, workload, form, count));
    let (clients, depth) = form;
    Ok(many?.saturating_sub(few?) / ((TURNS[1] - TURNS[0]) * clients * depth))
}

fn count_instructions(turns: &Path, workload: &str, (clients, depth): (u64, u64), count: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(turns)
        .args([workload.to_owned(), clients.to_string(), depth.to_string(), count.to_string()])
        .output()
        .context("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind: {}\n{said}", output.status);
    }
    instructions(&said).with_context(|| format!("valgrind counted nothing:\n{said}"))
}

/// The number in cachegrind's line `I refs: 288,665,386`, whose blanks differ between versions.
fn instructions(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("refs:").filter(|(head, _)| head.contains('I')))?;
    line.1.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_what_valgrind_says() {
        let said = "==1== Command: turns get 1 16 9\n==1== \n==1== I   refs:      288,665,386\n";
        assert_eq!(instructions(said), Some(288_665_386));
        assert_eq!(instructions("==1== I refs:        12\n"), Some(12));
        assert_eq!(instructions("==1== nothing"), None);
    }
}
