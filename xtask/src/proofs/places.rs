//! Where tests stand: which package and which of its test binaries holds a test, by its name alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The binary that a test is part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) package: String,
    /// How cargo is told which of the package's binaries: `--lib`, `--bins`, or `--test` and a name.
    pub(crate) target: Vec<String>,
}

/// All tests of the workspace by name. Two of the same name both stand in the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Vec<Place>>);

impl Places {
    /// Looks through the sources of the workspace.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut places = Self::default();
        for folder in ["crates", "tests"] {
            places.gather(root, &PathBuf::from(folder))?;
        }
        Ok(places)
    }

    fn gather(&mut self, root: &Path, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(root.join(folder)).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if path.file_name().is_none_or(|name| name != "corpus" && name != "target") {
                    self.gather(root, &path)?;
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
                self.add(&path, &text, |package| root.join(package).join("src/lib.rs").is_file());
            }
        }
        Ok(())
    }

    /// Takes in the tests of one file.
    pub(crate) fn add(&mut self, path: &Path, text: &str, is_library: impl Fn(&Path) -> bool) {
        let Some(place) = place(path, is_library) else { return };
        for name in test_names(text) {
            self.0.entry(name.to_owned()).or_default().push(place.clone());
        }
    }

    /// Where the tests of that name stand.
    pub(crate) fn of(&self, name: &str) -> &[Place] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The binary that a source file goes into.
fn place(path: &Path, is_library: impl Fn(&Path) -> bool) -> Option<Place> {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let [folder, directory, kind, first, ..] = parts[..] else { return None };
    let package = if folder == "tests" { format!("tests-{directory}") } else { directory.to_owned() };
    let target = match kind {
        "tests" => vec!["--test".to_owned(), first.trim_end_matches(".rs").to_owned()],
        "src" if is_library(&Path::new(folder).join(directory)) => vec!["--lib".to_owned()],
        "src" => vec!["--bins".to_owned()],
        _ => return None,
    };
    Some(Place { package, target })
}

/// The functions under `#[test]`, whichever other attributes stand between.
fn test_names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            names.extend(rest.split_once('(').map(|(name, _)| name));
            is_test = false;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Places {
        let mut places = Places::default();
        places.add(Path::new(path), text, |package| package != Path::new("crates/bin"));
        places
    }

    const TEXT: &str = "#[test]\n#[expect(x)]\nfn it_holds() {}\nfn no_test() {}\n";

    #[test]
    fn a_test_is_found_in_the_binary_that_its_file_goes_into() {
        let target = |path: &str| {
            let places = places(path, TEXT);
            let [place] = places.of("it_holds") else { unreachable!("one place") };
            format!("{} {}", place.package, place.target.join(" "))
        };
        assert_eq!(target("crates/a/src/b/c.rs"), "a --lib");
        assert_eq!(target("crates/bin/src/main.rs"), "bin --bins");
        assert_eq!(target("crates/a/tests/b.rs"), "a --test b");
        assert_eq!(target("crates/a/tests/b/c.rs"), "a --test b");
        assert_eq!(target("tests/sim/tests/sim/d.rs"), "tests-sim --test sim");
    }

    #[test]
    fn a_function_that_is_no_test_is_none() {
        assert!(places("crates/a/src/b.rs", TEXT).of("no_test").is_empty());
        assert!(places("crates/a/benches/b.rs", TEXT).of("it_holds").is_empty());
    }
}
