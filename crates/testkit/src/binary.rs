//! Finds the server's binary, building it once where nothing says where it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

/// Names the binary to test; without it `server-bin` is built.
pub const SERVER_VARIABLE: &str = "LEDGERSTONE_SERVER";

/// The binary under test: what `LEDGERSTONE_SERVER` names, else `server-bin`, built with the profile of the running test.
///
/// # Errors
/// If the build fails.
pub fn server_binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = std::env::var_os(SERVER_VARIABLE) {
        return Ok(path.into());
    }
    let built = BUILT.get_or_init(|| build_like_this_test().map_err(|e| format!("{e:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

/// Builds `server-bin` into the target directory that the running test came from.
fn build_like_this_test() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("the running test's path")?;
    let profile = exe.ancestors().find(|d| d.ends_with("deps")).and_then(Path::parent);
    let profile = profile.context("the running test does not stand in a target directory")?;
    let target = profile.parent().context("a profile's directory has a parent")?;
    let profile = if profile.ends_with("release") { Profile::Release } else { Profile::Dev };
    build(&Build { profile, test_hooks: false, target_dir: Some(target.to_owned()) })
}

/// A profile of the workspace's Cargo.toml.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// As cargo builds what is not told otherwise.
    #[default]
    Dev,
    /// As users have it.
    Release,
    /// Optimized, with every assertion.
    Checked,
}

/// How `server-bin` is built.
#[derive(Clone, Debug, Default)]
pub struct Build {
    /// The profile of cargo.
    pub profile: Profile,
    /// With the hooks of docs/testing.md.
    pub test_hooks: bool,
    /// Where to, if not the workspace's own target directory.
    pub target_dir: Option<PathBuf>,
}

/// Builds `server-bin` and returns the path of its executable, as cargo names it.
///
/// # Errors
/// If cargo fails; its messages have then been printed.
pub fn build(how: &Build) -> Result<PathBuf> {
    let mut options: Vec<&OsStr> = Vec::new();
    match how.profile {
        Profile::Dev => {}
        Profile::Release => options.push("--release".as_ref()),
        Profile::Checked => options.extend(["--profile", "checked"].map(OsStr::new)),
    }
    if how.test_hooks {
        options.extend(["--features", "test-hooks"].map(OsStr::new));
    }
    if let Some(dir) = &how.target_dir {
        options.extend(["--target-dir".as_ref(), dir.as_os_str()]);
    }
    build_package("server-bin", &options)
}

/// Builds the program of a package, with further options of cargo, and returns its path, as cargo names it.
///
/// # Errors
/// If cargo fails; its messages have then been printed.
pub fn build_package(package: &str, options: &[&OsStr]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace_root()).args(["build", "--quiet", "-p", package, "--message-format=json"]);
    command.args(options).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cargo build -p {package}"))?;
    if !output.status.success() {
        bail!("cargo build -p {package}: {}", output.status);
    }
    let executable = executable_of(&String::from_utf8_lossy(&output.stdout), package);
    executable.with_context(|| format!("cargo build -p {package} named no executable"))
}

/// The executable that cargo's JSON messages name for a package.
fn executable_of(messages: &str, package: &str) -> Option<PathBuf> {
    let manifest = Path::new(package).join("Cargo.toml");
    messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|m| {
        let ours = m["target"]["kind"][0] == "bin" && Path::new(m["manifest_path"].as_str()?).ends_with(&manifest);
        ours.then(|| m["executable"].as_str().map(PathBuf::from)).flatten()
    })
}

/// The root of this workspace's sources.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.to_owned(), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_cargo_names_for_the_server() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/vfs/Cargo.toml","target":{"kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/server-bin/Cargo.toml","target":{"kind":["bin"]},"executable":"/t/debug/x"}"#
        );
        assert_eq!(executable_of(messages, "server-bin"), Some(PathBuf::from("/t/debug/x")));
    }

    #[test]
    fn the_workspace_root_holds_the_workspace() {
        assert!(workspace_root().join("crates/testkit/Cargo.toml").is_file());
    }
}
