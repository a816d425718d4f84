//! This program as cargo's wrapper of the compiler, which leaves coverage to the crates that a search is after.
//!
//! Every edge that an input reaches is looked up in tables of libFuzzer's that no cache holds. Half of those that a target reached were the
//! simulated disk's, the models' and other people's; without them programs are up to two thirds faster, and what is new is new in the server.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Says that this program is called as a wrapper.
const VARIABLE: &str = "LEDGERSTONE_WRAPS_RUSTC";

/// What the compiler is told for coverage: a counter for every edge, by the pass of LLVM that cargo-fuzz uses too.
///
/// Notes of what is compared (`-sanitizer-coverage-trace-compares`) are not taken: a third of the time went to them, and with them no
/// target reached more in as many inputs. What they help to find is whole numbers of 4 and 8 bytes, and ours are text, or short.
const COVERAGE: [&str; 4] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
];

/// The crates that have it, as the compiler names them.
const SEARCHED: [&str; 13] = [
    "aof_buffer",
    "aof_load",
    "aof_rewrite",
    "aof_state",
    "child_file",
    "commands",
    "engine",
    "keyspace",
    "numeric",
    "rdb",
    "rdb_save",
    "resp_codec",
    "rio",
];

/// Lets a build of cargo go through this program.
///
/// Its flags hold everything that decides what is built, so that cargo builds again what a change of it concerns.
///
/// # Errors
/// If the path of this program cannot be told.
pub(super) fn wrap(cargo: &mut Command) -> io::Result<()> {
    let flags = format!("{} --cfg fuzzing --cfg searched=\"{}\"", COVERAGE.join(" "), SEARCHED.join(","));
    cargo.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.env("RUSTC_WRAPPER", std::env::current_exe()?).env(VARIABLE, "1");
    Ok(())
}

/// Becomes the compiler, if this program was called as its wrapper. Returns only if it was not, or why it cannot.
pub(crate) fn become_compiler() -> Option<io::Error> {
    std::env::var_os(VARIABLE)?;
    let mut line = std::env::args_os().skip(1);
    let compiler = line.next()?;
    let arguments: Vec<OsString> = line.collect();
    Some(Command::new(compiler).args(told(&arguments)).exec())
}

/// What the compiler is told of `arguments`: without coverage, unless the crate is one of those that are searched.
fn told(arguments: &[OsString]) -> Vec<&OsStr> {
    let mut names = arguments.iter().skip_while(|argument| *argument != "--crate-name").skip(1);
    let searched = names.next().is_some_and(|name| SEARCHED.iter().any(|searched| name == searched));
    let is_told = |argument: &&OsString| searched || !COVERAGE.iter().any(|coverage| *argument == coverage);
    arguments.iter().filter(is_told).map(OsString::as_os_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::binary::workspace_root;

    #[test]
    fn only_the_crates_that_are_searched_are_told_of_coverage() {
        let line = |name: &str| ["--crate-name", name, COVERAGE[0], COVERAGE[3], "-Copt-level=3"].map(OsString::from);
        assert_eq!(told(&line("engine")).len(), 5);
        assert_eq!(told(&line("tests_sim")), ["--crate-name", "tests_sim", "-Copt-level=3"]);
        assert_eq!(told(&["-vV".into()]), ["-vV"]);
    }

    #[test]
    fn every_crate_that_is_searched_is_there() {
        for name in SEARCHED {
            assert!(workspace_root().join("crates").join(name.replace('_', "-")).exists(), "{name}");
        }
    }
}
