//! A copy of the workspace in which lines may be changed, and how it is kept the same as the checkout.
//!
//! A file is written only if it differs, so that cargo builds only what changed since the last proof.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::proofs::Change;

/// A copy, with a target directory of its own beside it.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) tree: PathBuf,
    pub(super) target: PathBuf,
    /// What the last command wrote.
    pub(super) output: PathBuf,
}

impl Copy {
    /// Makes the copy of that number, or brings it up to date.
    ///
    /// # Errors
    /// If the workspace cannot be read or the copy not be written.
    pub(super) fn make(root: &Path, number: usize) -> Result<Self> {
        let home = root.join("target/prove").join(number.to_string());
        let copy = Self { tree: home.join("tree"), target: home.join("target"), output: home.join("output.txt") };
        mirror(root, &copy.tree)?;
        Ok(copy)
    }

    /// Makes a change in the copy.
    ///
    /// # Errors
    /// If it does not fit in exactly one place.
    pub(super) fn change(&self, change: &Change) -> Result<Changed> {
        let path = self.tree.join(&change.file);
        let original = fs::read_to_string(&path).with_context(|| change.file.clone())?;
        let changed = change.made_in(&original);
        let changed =
            changed.with_context(|| format!("`{}` fits in no place of {}, or in several", change.old, change.file))?;
        fs::write(&path, changed)?;
        Ok(Changed { path, original })
    }
}

/// A file with a change in it.
#[derive(Debug)]
#[must_use = "the change stays until it is restored"]
pub(super) struct Changed {
    path: PathBuf,
    original: String,
}

impl Changed {
    /// Takes the change back.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn restore(self) -> Result<()> {
        fs::write(&self.path, self.original).with_context(|| self.path.display().to_string())
    }
}

/// What is not copied: what git keeps for itself, and what was built or installed.
const NOT_COPIED: &[&str] = &[".git", "target", "node_modules", "__pycache__"];

/// Makes `to` the same as `from`.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        if NOT_COPIED.iter().any(|skipped| name == *skipped) || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        let (source, copy) = (entry.path(), to.join(&name));
        if kind.is_dir() {
            mirror(&source, &copy)?;
        } else {
            let bytes = fs::read(&source)?;
            if fs::read(&copy).ok().as_ref() != Some(&bytes) {
                fs::write(&copy, bytes).with_context(|| copy.display().to_string())?;
            }
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) {
            let path = entry.path();
            if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_what_is_added_changed_and_deleted() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        fs::create_dir_all(from.join("a/target")).unwrap();
        fs::write(from.join("a/b"), "1").unwrap();
        fs::write(from.join("a/target/c"), "built").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b")).unwrap(), "1");
        assert!(!to.join("a/target").exists());
        fs::write(from.join("a/b"), "2").unwrap();
        fs::write(to.join("a/left"), "over").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b")).unwrap(), "2");
        assert!(!to.join("a/left").exists());
    }

    #[test]
    fn a_change_is_made_in_the_copy_alone_and_taken_back() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("src")).unwrap();
        fs::write(home.path().join("src/a.rs"), "a < b").unwrap();
        let copy = Copy::make(home.path(), 0).unwrap();
        let change = Change { file: "src/a.rs".into(), old: "<".into(), new: "<=".into(), ..Change::default() };
        let changed = copy.change(&change).unwrap();
        assert_eq!(fs::read_to_string(copy.tree.join("src/a.rs")).unwrap(), "a <= b");
        assert_eq!(fs::read_to_string(home.path().join("src/a.rs")).unwrap(), "a < b");
        changed.restore().unwrap();
        assert_eq!(fs::read_to_string(copy.tree.join("src/a.rs")).unwrap(), "a < b");
        assert!(copy.change(&Change { old: "x".into(), ..change }).is_err());
    }
}
