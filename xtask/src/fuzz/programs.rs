//! The programs of the targets: how they are built, and the words that libFuzzer inserts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use commands::TABLE;
use testkit::binary::workspace_root;

use super::compiler;

/// The directory of the targets.
pub(super) fn home() -> PathBuf {
    workspace_root().join("fuzz")
}

/// Where everything goes that a run leaves.
pub(super) fn place() -> PathBuf {
    workspace_root().join("target/fuzz")
}

/// The targets that are asked for, in order: each has a program of its name.
pub(super) fn targets(asked: Option<&str>) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(home().join("fuzz_targets")).context("fuzz/fuzz_targets")? {
        let path = entry?.path();
        targets.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    targets.sort();
    let Some(asked) = asked else { return Ok(targets) };
    ensure!(targets.iter().any(|name| name == asked), "no target {asked}: there are {}", targets.join(", "));
    Ok(vec![asked.to_owned()])
}

/// Builds the programs and returns their directory.
pub(super) fn build(targets: &[String]) -> Result<PathBuf> {
    let triple = host_triple()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace_root());
    compiler::wrap(&mut command).context("the path of this program")?;
    command.args(["build", "--quiet", "--locked", "-p", "fuzz", "--features", "libfuzzer", "--profile", "fuzz"]);
    // With a target named, build scripts and macros of the compiler stay as they are.
    command.arg("--target-dir").arg(place()).args(["--target", &triple]);
    for target in targets {
        command.args(["--bin", target]);
    }
    let status = command.status().context("cargo build")?;
    ensure!(status.success(), "the targets do not build: {status}");
    Ok(place().join(triple).join("fuzz"))
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).current_dir(workspace_root()).arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let triple = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.context("rustc -vV names no host")?.to_owned())
}

/// What a target's words are for libFuzzer to insert, if it has any.
pub(super) fn words(target: &str) -> Result<Option<PathBuf>> {
    let file = home().join("dict").join(format!("{target}.dict"));
    if target != "commands" {
        return Ok(file.exists().then_some(file));
    }
    let file = place().join("commands.dict");
    fs::write(&file, table_words()).with_context(|| format!("can't write {}", file.display()))?;
    Ok(Some(file))
}

/// The names of the commands, and the words of capitals in what they take.
fn table_words() -> String {
    let mut words = BTreeSet::new();
    for command in TABLE {
        words.insert(command.name.replace('|', " "));
        let of_line = command.docs.syntax.split(|c: char| !c.is_ascii_alphabetic());
        words.extend(
            of_line.filter(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase())).map(str::to_owned),
        );
    }
    words.iter().fold(String::new(), |mut text, word| {
        writeln!(text, "\"{word} \"").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_program_and_inputs_to_start_from() {
        let targets = targets(None).unwrap();
        assert!(targets.len() >= 10, "{targets:?}");
        for target in targets {
            let inputs = fs::read_dir(home().join("corpus").join(&target)).map(Iterator::count);
            assert!(inputs.is_ok_and(|inputs| inputs > 0), "{target} has no input");
        }
    }

    #[test]
    fn the_words_of_the_table_are_names_and_options() {
        let words = table_words();
        for word in ["\"zadd \"", "\"config get \"", "\"WITHSCORES \"", "\"OVERFLOW \""] {
            assert!(words.lines().any(|line| line == word), "{word} in\n{words}");
        }
    }
}
