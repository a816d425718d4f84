//! The names of one simulated directory: those that processes see, those on the medium, and the changes between.

use super::state::InodeId;
use std::collections::BTreeMap;

/// A change of names that is not yet known to be on the medium. Each is atomic.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link { name: String, inode: InodeId },
    Unlink { name: String },
    Rename { from: String, to: String, inode: InodeId },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) cache: BTreeMap<String, InodeId>,
    pub(super) durable: BTreeMap<String, InodeId>,
    /// Oldest first.
    pub(super) pending: Vec<NameChange>,
    /// So many of `pending` were there when some file was last fsynced: durable where any fsync commits all names.
    pub(super) committed_by_any_fsync: usize,
    /// Lock files held, and by which process id.
    pub(super) locks: BTreeMap<String, u32>,
    /// fsyncs of it that failed.
    pub(super) failures: u64,
    /// Write-back errors so far; every handle open at the time reports each of them once.
    pub(super) errors: u64,
    pub(super) last_errno: i32,
}

impl Names {
    pub(super) fn link(&mut self, name: &str, inode: InodeId) {
        self.cache.insert(name.to_owned(), inode);
        self.pending.push(NameChange::Link { name: name.to_owned(), inode });
    }

    /// Removes a name; gives the inode it had.
    pub(super) fn unlink(&mut self, name: &str) -> Option<InodeId> {
        let inode = self.cache.remove(name)?;
        self.pending.push(NameChange::Unlink { name: name.to_owned() });
        Some(inode)
    }

    /// Renames `from`, which exists; gives the inode that `to` had, if it had another one.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Option<InodeId> {
        if from == to {
            return None;
        }
        let inode = self.cache.remove(from)?;
        let replaced = self.cache.insert(to.to_owned(), inode);
        self.pending.push(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        replaced
    }

    /// An fsync of the directory that succeeds.
    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
        self.committed_by_any_fsync = 0;
    }

    /// An fsync of the directory that fails and loses the changes for good.
    pub(super) fn drop_pending(&mut self) {
        self.pending.clear();
        self.committed_by_any_fsync = 0;
    }

    /// Every inode that a surviving image may refer to.
    pub(super) fn referred(&self) -> impl Iterator<Item = InodeId> + '_ {
        let pending = self.pending.iter().filter_map(|change| match change {
            NameChange::Link { inode, .. } | NameChange::Rename { inode, .. } => Some(*inode),
            NameChange::Unlink { .. } => None,
        });
        self.cache.values().chain(self.durable.values()).copied().chain(pending)
    }
}

/// Applies one change to names on the medium.
pub(super) fn apply(names: &mut BTreeMap<String, InodeId>, change: &NameChange) {
    match change {
        NameChange::Unlink { name } => {
            names.remove(name);
        }
        NameChange::Link { name, inode } => bind(names, name, *inode),
        NameChange::Rename { from, to, inode } => {
            names.remove(from);
            bind(names, to, *inode);
        }
    }
}

/// Gives `inode` the name `name` and no other: there are no hard links, also where earlier changes did not survive.
fn bind(names: &mut BTreeMap<String, InodeId>, name: &str, inode: InodeId) {
    names.retain(|_, other| *other != inode);
    names.insert(name.to_owned(), inode);
}
