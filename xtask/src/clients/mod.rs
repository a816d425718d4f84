//! `cargo xtask test-clients`: the libraries and tools that people have drive our server, unmodified.
//!
//! Every script of tests/clients runs by itself against servers of its own, and a server that a script kills is started
//! again. `install.rs` puts the libraries under the target directory, in the versions that tests/clients pins; `tally.rs`
//! reads what the scripts say about themselves: one that ran nothing, or left something out, has failed.

mod install;
mod supervised;
mod tally;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::ServerBuilder;
use testkit::binary::workspace_root;
use testkit::ports::free_port;
use testkit::server::kill_descendants;

use self::install::Installed;
use self::supervised::Supervised;
use crate::suite::{find_program, server_under_test};

/// Where the scripts stand.
const SCRIPTS: &str = "tests/clients";
/// How long one script may take.
const SCRIPT_BOUND: Duration = Duration::from_secs(120);
/// How often is looked whether a script has ended.
const LOOK: Duration = Duration::from_millis(5);
/// The password of the server that asks for one. Quotes and spaces have to survive every library.
const PASSWORD: &str = "pass \"word\" 1";

/// Scripts that need more than the libraries: a part of the name, and the programs.
const TOOLS: &[(&str, &[&str])] =
    &[("test_tools", &["redis-cli", "redis-benchmark", "stdbuf"]), ("test_exporter", &["prometheus-redis-exporter"])];

/// What is asked of the clients.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Tests this binary instead of building server-bin.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Runs only the scripts whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// Installs the libraries and runs all scripts.
///
/// # Errors
/// If a library cannot be installed, or a script fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = server_under_test(options.server.as_deref())?;
    let started = Instant::now();
    let installed = install::install(&workspace_root().join(SCRIPTS))?;
    let subject = Subject { binary, ours: options.server.is_none(), installed };
    println!("clients: libraries ready after {:.1} s", started.elapsed().as_secs_f64());
    let mut failed = 0;
    for script in scripts(&workspace_root().join(SCRIPTS), options.only.as_deref())? {
        if let Err(error) = run_script(&script, &subject) {
            println!("clients: {} FAILED: {error:#}", script.name);
            println!("repeat: cargo xtask test-clients --only {}", script.name);
            failed += 1;
        }
    }
    ensure!(failed == 0, "{failed} scripts failed");
    Ok(())
}

/// What is tested, and with which libraries.
struct Subject {
    binary: PathBuf,
    /// Whether it is known what the server logs.
    ours: bool,
    installed: Installed,
}

/// One file of tests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Script {
    language: Language,
    /// The file's name without what every such file has.
    name: String,
    path: PathBuf,
}

/// What a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    Node,
}

/// The scripts in order of their names; a new file of the right name is one.
fn scripts(root: &Path, only: Option<&str>) -> Result<Vec<Script>> {
    let mut found = Vec::new();
    for (folder, language) in [("python", Language::Python), ("node", Language::Node)] {
        for entry in fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
            let path = entry?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = match language {
                Language::Python => file.strip_suffix(".py").filter(|name| name.starts_with("test_")),
                Language::Node => file.strip_suffix(".test.js"),
            };
            if let Some(name) = name.filter(|name| only.is_none_or(|part| name.contains(part))) {
                found.push(Script { language, name: name.to_owned(), path });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!found.is_empty(), "no script of that name in {}", root.display());
    Ok(found)
}

/// The programs that a script needs and that are not installed: without them it fails, for it would check nothing.
fn missing_tools(script: &Script) -> Vec<&'static str> {
    let needed = TOOLS.iter().filter(|(name, _)| script.name.contains(name)).flat_map(|(_, programs)| *programs);
    needed.copied().filter(|program| find_program(program).is_none()).collect()
}

/// Runs a script against servers of its own, whose files are kept if it fails.
fn run_script(script: &Script, subject: &Subject) -> Result<()> {
    let missing = missing_tools(script);
    ensure!(missing.is_empty(), "not installed: {}", missing.join(", "));
    let started = Instant::now();
    let home = tempfile::Builder::new().prefix("ledgerstone-clients-").tempdir()?;
    let done = run_in(script, subject, home.path());
    match done {
        Ok(tests) => {
            let took = started.elapsed().as_secs_f64();
            println!("clients: {:<24} {tests:>3} tests in {took:.1} s", script.name);
            Ok(())
        }
        Err(error) => {
            let kept = home.keep();
            println!("{}", fs::read_to_string(kept.join("output.txt")).unwrap_or_default());
            Err(error.context(format!("files in {}", kept.display())))
        }
    }
}

/// Runs a script with everything under `home`; returns how many tests it ran.
fn run_in(script: &Script, subject: &Subject, home: &Path) -> Result<usize> {
    let homes = ["open", "guarded"].map(|name| home.join(name));
    let [open, guarded] = [start(&subject.binary, &homes[0])?, start(&subject.binary, &homes[1])?];
    guarded.client()?.expect(&["CONFIG", "SET", "requirepass", PASSWORD])?;
    let output = home.join("output.txt");
    let written = File::create(&output)?;
    let mut command = subject.installed.command(script);
    command.current_dir(script.path.parent().unwrap_or(home)).stdin(Stdio::null());
    command.stdout(written.try_clone()?).stderr(written);
    command.env("LEDGERSTONE_ADDRESS", open.address().to_string());
    command.env("LEDGERSTONE_GUARDED_ADDRESS", guarded.address().to_string());
    command.env("LEDGERSTONE_PASSWORD", PASSWORD);
    command.env("LEDGERSTONE_FREE_PORT", free_port()?.to_string());
    let status = wait_bounded(command.spawn().with_context(|| script.name.clone())?, SCRIPT_BOUND)?;
    open.end()?;
    guarded.end()?;
    ensure!(status.success(), "{status}");
    let text = fs::read_to_string(&output)?;
    let tests = match script.language {
        Language::Python => tally::of_unittest(&text),
        Language::Node => tally::of_tap(&text),
    };
    for home in homes.iter().filter(|_| subject.ours) {
        quiet(&home.join("server.log"))?;
    }
    tests.with_context(|| format!("how many tests {} ran", script.name))
}

fn start(server: &Path, home: &Path) -> Result<Supervised> {
    let builder = ServerBuilder::new(server, home).directive("appendonly", "yes");
    Supervised::start(&builder.directive("enable-debug-command", "yes"))
}

/// Nothing that clients do is worth a warning of the server, not even to kill it.
fn quiet(log: &Path) -> Result<()> {
    match warning(&fs::read_to_string(log)?) {
        Some(line) => bail!("the server warned: {line}"),
        None => Ok(()),
    }
}

/// The first line that warns, of anything but the machine it runs on.
fn warning(log: &str) -> Option<&str> {
    const OF_THE_MACHINE: &str = "max file descriptors";
    let loud = |line: &&str| line.contains(" # ") || line.contains("panicked");
    log.lines().filter(loud).find(|line| !line.contains(OF_THE_MACHINE))
}

/// Waits for the end of a script, and ends it, with all that it started, if it takes longer than `bound`.
fn wait_bounded(mut child: Child, bound: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            kill_descendants(i32::try_from(child.id())?);
            child.kill()?;
            child.wait()?;
            bail!("did not end in {bound:?}");
        }
        std::thread::sleep(LOOK);
    }
}

impl Installed {
    /// How a script is run: with the libraries installed, and nothing written beside it.
    fn command(&self, script: &Script) -> Command {
        match script.language {
            Language::Python => {
                let mut command = Command::new(&self.python);
                command.args(["-W", "ignore::DeprecationWarning", "-m", "unittest", &script.name]);
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Language::Node => {
                let mut command = Command::new("node");
                command.args(["--test", "--test-reporter=tap"]).arg(&script.path);
                command.env("NODE_PATH", &self.node_modules);
                command
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    #[test]
    fn files_named_as_tests_are_scripts_and_others_are_not() {
        let found = scripts(&workspace_root().join(SCRIPTS), None).unwrap();
        let named = |name: &str| found.iter().find(|script| script.name == name).map(|script| script.language);
        assert_eq!(named("test_restart"), Some(Language::Python));
        assert_eq!(named("ioredis"), Some(Language::Node));
        assert_eq!((named("support"), named("package")), (None, None));
        assert_eq!(scripts(&workspace_root().join(SCRIPTS), Some("restart")).unwrap().len(), 1);
        assert!(scripts(&workspace_root().join(SCRIPTS), Some("no such")).is_err());
    }

    #[test]
    fn a_warning_is_found_unless_it_is_about_the_machine() {
        let line = |level: char, text: &str| format!("7:M 25 Nov 2026 22:12:00.042 {level} {text}\n");
        let usual = line('*', "Ready")
            + &line('#', "You requested maxclients of 9 requiring at least 41 max file descriptors.");
        assert_eq!(warning(&usual), None);
        let loud = line('#', "Error writing to the AOF file: No space left on device");
        assert_eq!(warning(&(usual + &loud)), Some(loud.trim_end()));
        assert_eq!(warning("thread 'main' panicked at x.rs:1\n"), Some("thread 'main' panicked at x.rs:1"));
    }

    #[test]
    fn a_script_that_takes_too_long_leaves_no_process_behind() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut grandchild = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut grandchild).unwrap();
        assert!(wait_bounded(child, Duration::ZERO).is_err());
        testkit::server::wait_gone(grandchild.trim().parse().unwrap(), Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn every_tool_is_needed_by_a_script_that_exists() {
        let found = scripts(&workspace_root().join(SCRIPTS), None).unwrap();
        for (name, _) in TOOLS {
            assert!(found.iter().any(|script| script.name.contains(name)), "{name}");
        }
    }
}
