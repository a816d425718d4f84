//! What a process may do to a file system, as far as a power loss can take it back: the lines of a recording.

use std::sync::Arc;

/// The number of a file, directory or link. Never given away again within a recording.
pub type Inode = u64;

/// The directory that is mounted.
pub const ROOT: Inode = 1;

/// What stands behind a new name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewNode {
    /// An empty file.
    File,
    /// An empty directory.
    Directory,
    /// A symbolic link with its target.
    Link(String),
}

/// One operation that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new file, directory or symbolic link under a new name.
    Create {
        /// The directory.
        parent: Inode,
        /// The name in it.
        name: String,
        /// The number that the new one has.
        inode: Inode,
        /// What it is.
        node: NewNode,
        /// Its permissions.
        mode: u16,
    },
    /// One more name for a file.
    Link {
        /// The directory.
        parent: Inode,
        /// The name in it.
        name: String,
        /// The file.
        inode: Inode,
    },
    /// The end of a name.
    Unlink {
        /// The directory.
        parent: Inode,
        /// The name in it.
        name: String,
    },
    /// Another name for what has one; what had that name loses it.
    Rename {
        /// Directory and name before.
        from: (Inode, String),
        /// Directory and name after.
        to: (Inode, String),
    },
    /// Bytes of a file.
    Write {
        /// The file.
        inode: Inode,
        /// Where they begin.
        offset: usize,
        /// What they are.
        bytes: Arc<[u8]>,
    },
    /// A new length of a file.
    SetLen {
        /// The file.
        inode: Inode,
        /// In bytes.
        len: usize,
    },
    /// New permissions.
    SetMode {
        /// Whose.
        inode: Inode,
        /// The permission bits.
        mode: u16,
    },
    /// An extended attribute.
    SetAttribute {
        /// Whose.
        inode: Inode,
        /// The attribute's name.
        name: String,
        /// Its value; none if it was removed.
        value: Option<Vec<u8>>,
    },
    /// An fsync, or with `data_only` an fdatasync, of a file or directory.
    Sync {
        /// Of what.
        inode: Inode,
        /// Attributes are left out.
        data_only: bool,
        /// It covers what was done before this many operations were; those done while it ran are left to the next one.
        since: u64,
        /// Whether it succeeded. One that fails loses what it would have covered: it can be read until the power is cut.
        succeeded: bool,
    },
}
