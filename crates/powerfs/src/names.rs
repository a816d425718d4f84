//! The names of all directories: those that processes see, those on the medium, and the changes between the two.

use std::collections::BTreeMap;

use crate::Inode;

/// The entries of every directory.
pub(crate) type Directories = BTreeMap<Inode, BTreeMap<String, Inode>>;

/// A change of names. Each is atomic: a rename never leaves both names, or none.
#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Add { parent: Inode, name: String, inode: Inode },
    Remove { parent: Inode, name: String },
    Rename { from: (Inode, String), to: (Inode, String), inode: Inode },
}

impl NameChange {
    /// Whether an fsync of this directory commits it. A rename from one directory to another is one record of a journal:
    /// whichever of the two is fsynced takes it along.
    fn concerns(&self, directory: Inode) -> bool {
        match self {
            Self::Add { parent, .. } | Self::Remove { parent, .. } => *parent == directory,
            Self::Rename { from, to, .. } => from.0 == directory || to.0 == directory,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) cache: Directories,
    pub(crate) durable: Directories,
    /// Oldest first, each with the number of the operation that made it.
    pub(crate) pending: Vec<(u64, NameChange)>,
    /// Changes before this operation are committed where any fsync commits all names.
    pub(crate) committed_by_any: u64,
}

impl Names {
    /// Names that are on the medium.
    pub(crate) fn durable(directories: Directories) -> Self {
        Self { cache: directories.clone(), durable: directories, ..Self::default() }
    }

    pub(crate) fn change(&mut self, number: u64, change: NameChange) {
        apply(&mut self.cache, &change);
        self.pending.push((number, change));
    }

    /// An fsync of a directory: of its changes before operation number `since`, in their order.
    pub(crate) fn sync(&mut self, directory: Inode, since: u64, succeeded: bool) {
        let (covered, rest) =
            std::mem::take(&mut self.pending).into_iter().partition(|(n, c)| *n < since && c.concerns(directory));
        self.pending = rest;
        let covered: Vec<(u64, NameChange)> = covered;
        if succeeded {
            covered.iter().for_each(|(_, change)| apply(&mut self.durable, change));
        }
    }
}

/// Makes a change. One of which nothing is there, since a change before it did not survive, does nothing.
pub(crate) fn apply(directories: &mut Directories, change: &NameChange) {
    match change {
        NameChange::Add { parent, name, inode } => {
            directories.entry(*parent).or_default().insert(name.clone(), *inode);
        }
        NameChange::Remove { parent, name } => {
            directories.entry(*parent).or_default().remove(name);
        }
        NameChange::Rename { from, to, inode } => {
            let old = directories.entry(from.0).or_default();
            if old.get(&from.1) == Some(inode) {
                old.remove(&from.1);
            }
            directories.entry(to.0).or_default().insert(to.1.clone(), *inode);
        }
    }
}
