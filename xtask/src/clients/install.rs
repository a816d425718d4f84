//! Installs the libraries that tests/clients pins, under the target directory: redis-py into a virtual environment of
//! Python, ioredis and node-redis as npm does it. What is installed already is left as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testkit::binary::workspace_root;

/// The files that say what npm installs.
const NPM_FILES: &[&str] = &["package.json", "package-lock.json", ".npmrc"];
/// The file that says what pip installs.
const REQUIREMENTS: &str = "requirements.txt";
/// What was installed is written here, so that the next run can compare.
const STAMP: &str = "installed.txt";

/// Where the libraries are.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    /// The interpreter that finds redis-py.
    pub(super) python: PathBuf,
    /// The directory that Node looks for modules in.
    pub(super) node_modules: PathBuf,
}

/// Installs what is missing.
///
/// # Errors
/// If an interpreter or installer is missing or fails; what it wrote is in the message.
pub(super) fn install(scripts: &Path) -> Result<Installed> {
    let target = workspace_root().join("target/clients");
    let (python, node) = (target.join("python"), target.join("node"));
    // Each waits for the network most of the time.
    std::thread::scope(|scope| {
        let npm = scope.spawn(|| install_node(&scripts.join("node"), &node));
        install_python(&scripts.join("python"), &python).context("redis-py")?;
        npm.join().expect("installing does not panic").context("ioredis and node-redis")
    })?;
    Ok(Installed { python: python.join("bin/python"), node_modules: node.join("node_modules") })
}

fn install_python(from: &Path, to: &Path) -> Result<()> {
    let wanted = said_by(Command::new("python3").arg("--version"))? + &fs::read_to_string(from.join(REQUIREMENTS))?;
    unless_installed(to, &wanted, || {
        said_by(Command::new("python3").args(["-m", "venv"]).arg(to))?;
        let mut pip = Command::new(to.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]);
        said_by(pip.arg("-r").arg(from.join(REQUIREMENTS))).map(drop)
    })
}

fn install_node(from: &Path, to: &Path) -> Result<()> {
    let wanted = said_by(Command::new("node").arg("--version"))? + &fs::read_to_string(from.join("package-lock.json"))?;
    unless_installed(to, &wanted, || {
        fs::create_dir_all(to)?;
        for file in NPM_FILES {
            fs::copy(from.join(file), to.join(file)).with_context(|| (*file).to_owned())?;
        }
        let mut npm = Command::new("npm");
        npm.current_dir(to).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]);
        said_by(&mut npm).map(drop)
    })
}

/// Installs anew into an empty directory unless exactly what is wanted was installed there.
fn unless_installed(to: &Path, wanted: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    if fs::read_to_string(to.join(STAMP)).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| to.display().to_string())?;
    }
    install()?;
    fs::write(to.join(STAMP), wanted).context(STAMP)
}

/// Runs a program to its end; what it wrote to standard output.
fn said_by(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} is needed"))?;
    if !output.status.success() {
        let [said, complained] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        bail!("{program}: {}\n{said}{complained}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
