//! A whole file system in memory: what processes see of it, and beside that what of it is on the medium.
//!
//! Pure: [`Disk::apply`] takes an operation that took effect. `cut.rs` says what a power loss leaves.

use std::collections::BTreeMap;

use crate::content::{Content, Edit};
use crate::names::{Directories, NameChange, Names};
use crate::{Inode, NewNode, Operation, ROOT};

/// What stands behind an inode number.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    File(Content),
    Directory,
    Link(String),
}

/// Extended attributes by name.
pub(crate) type Attributes = BTreeMap<String, Vec<u8>>;

/// A change of an attribute: the number of its operation, the name, and the value unless it was removed.
type AttributeChange = (u64, String, Option<Vec<u8>>);

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) mode: u16,
    pub(crate) attributes: Attributes,
    pub(crate) durable_attributes: Attributes,
    pub(crate) pending_attributes: Vec<AttributeChange>,
}

impl Node {
    pub(crate) fn new(kind: Kind, mode: u16, attributes: Attributes) -> Self {
        Self { kind, mode, durable_attributes: attributes.clone(), attributes, pending_attributes: Vec::new() }
    }

    fn sync_attributes(&mut self, since: u64, succeeded: bool) {
        let covered = self.pending_attributes.partition_point(|(number, ..)| *number < since);
        for (_, name, value) in self.pending_attributes.drain(..covered) {
            if succeeded {
                set(&mut self.durable_attributes, name, value);
            }
        }
    }
}

fn set(attributes: &mut Attributes, name: String, value: Option<Vec<u8>>) {
    match value {
        Some(value) => attributes.insert(name, value),
        None => attributes.remove(&name),
    };
}

/// A file system in memory. A new one is empty but for its root.
#[derive(Clone, Debug)]
pub struct Disk {
    pub(crate) nodes: BTreeMap<Inode, Node>,
    pub(crate) names: Names,
    /// How many operations were applied.
    pub(crate) applied: u64,
    /// No inode number from here on was given away.
    pub(crate) next_inode: Inode,
}

impl Default for Disk {
    fn default() -> Self {
        let root = Node::new(Kind::Directory, 0o700, Attributes::default());
        Self::durable(BTreeMap::from([(ROOT, root)]), Directories::from([(ROOT, BTreeMap::new())]), ROOT + 1)
    }
}

/// What a process is told of a file, directory or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The length in bytes: of a file, or of a link's target.
    pub len: usize,
    /// The permission bits.
    pub mode: u16,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Whether it is a symbolic link.
    pub is_link: bool,
    /// How many names it has.
    pub names: u32,
}

impl Disk {
    /// A file system of which everything is on the medium.
    pub(crate) fn durable(nodes: BTreeMap<Inode, Node>, directories: Directories, next_inode: Inode) -> Self {
        Self { nodes, names: Names::durable(directories), applied: 0, next_inode }
    }

    /// Applies an operation that took effect. One on what is not there does nothing.
    pub fn apply(&mut self, operation: &Operation) {
        let number = self.applied;
        self.applied += 1;
        match operation {
            Operation::Create { parent, name, inode, node, mode } => {
                self.create(number, (*parent, name), *inode, node, *mode);
            }
            Operation::Link { parent, name, inode } => {
                let add = NameChange::Add { parent: *parent, name: name.clone(), inode: *inode };
                self.names.change(number, add);
            }
            Operation::Unlink { parent, name } => {
                self.names.change(number, NameChange::Remove { parent: *parent, name: name.clone() });
            }
            Operation::Rename { from, to } => {
                let Some(inode) = self.lookup(from.0, &from.1) else { return };
                self.names.change(number, NameChange::Rename { from: from.clone(), to: to.clone(), inode });
            }
            Operation::Write { inode, offset, bytes } => {
                self.edit(number, *inode, Edit::Write { offset: *offset, bytes: bytes.clone() });
            }
            Operation::SetLen { inode, len } => self.edit(number, *inode, Edit::SetLen(*len)),
            Operation::SetMode { inode, mode } => {
                self.nodes.entry(*inode).and_modify(|node| node.mode = *mode);
            }
            Operation::SetAttribute { inode, name, value } => {
                let Some(node) = self.nodes.get_mut(inode) else { return };
                set(&mut node.attributes, name.clone(), value.clone());
                node.pending_attributes.push((number, name.clone(), value.clone()));
            }
            Operation::Sync { inode, data_only, since, succeeded } => {
                self.sync(*inode, *data_only, *since, *succeeded);
            }
        }
    }

    fn create(&mut self, number: u64, at: (Inode, &str), inode: Inode, node: &NewNode, mode: u16) {
        let kind = match node {
            NewNode::File => Kind::File(Content::default()),
            NewNode::Directory => Kind::Directory,
            NewNode::Link(target) => Kind::Link(target.clone()),
        };
        self.nodes.insert(inode, Node::new(kind, mode, Attributes::default()));
        self.next_inode = self.next_inode.max(inode + 1);
        self.names.change(number, NameChange::Add { parent: at.0, name: at.1.to_owned(), inode });
    }

    fn edit(&mut self, number: u64, inode: Inode, edit: Edit) {
        if let Some(Node { kind: Kind::File(content), .. }) = self.nodes.get_mut(&inode) {
            content.edit(number, edit);
        }
    }

    fn sync(&mut self, inode: Inode, data_only: bool, since: u64, succeeded: bool) {
        let Some(node) = self.nodes.get_mut(&inode) else { return };
        match &mut node.kind {
            Kind::File(content) => content.sync(since, succeeded),
            Kind::Directory => self.names.sync(inode, since, succeeded),
            Kind::Link(_) => {}
        }
        if !data_only {
            node.sync_attributes(since, succeeded);
        }
        if succeeded {
            self.names.committed_by_any = self.names.committed_by_any.max(since);
        }
    }

    /// How many operations were applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// What has this name in this directory.
    #[must_use]
    pub fn lookup(&self, parent: Inode, name: &str) -> Option<Inode> {
        self.names.cache.get(&parent)?.get(name).copied()
    }

    /// The entries of a directory, by name.
    pub fn entries(&self, directory: Inode) -> impl Iterator<Item = (&str, Inode)> {
        self.names.cache.get(&directory).into_iter().flatten().map(|(name, inode)| (name.as_str(), *inode))
    }

    /// What stands behind an inode number.
    #[must_use]
    pub fn status(&self, inode: Inode) -> Option<Status> {
        let node = self.nodes.get(&inode)?;
        let (len, is_directory, is_link) = match &node.kind {
            Kind::File(content) => (content.cache.len(), false, false),
            Kind::Directory => (0, true, false),
            Kind::Link(target) => (target.len(), false, true),
        };
        let names = self.names.cache.values().flat_map(BTreeMap::values).filter(|named| **named == inode).count();
        Some(Status { len, mode: node.mode, is_directory, is_link, names: u32::try_from(names).unwrap_or(u32::MAX) })
    }

    /// The bytes of a file, as processes read them; none of what is no file.
    #[must_use]
    pub fn bytes(&self, inode: Inode) -> &[u8] {
        match self.nodes.get(&inode).map(|node| &node.kind) {
            Some(Kind::File(content)) => &content.cache,
            _ => &[],
        }
    }

    /// The target of a symbolic link.
    #[must_use]
    pub fn target(&self, inode: Inode) -> Option<&str> {
        match &self.nodes.get(&inode)?.kind {
            Kind::Link(target) => Some(target),
            _ => None,
        }
    }

    /// The extended attributes of a file or directory, by name.
    pub fn attributes(&self, inode: Inode) -> impl Iterator<Item = (&str, &[u8])> {
        let attributes = self.nodes.get(&inode).map(|node| &node.attributes);
        attributes.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// A name that an inode has, if it has one; for what tells files apart by their names.
    #[must_use]
    pub fn name_of(&self, inode: Inode) -> Option<&str> {
        let mut all = self.names.cache.values().flatten();
        all.find(|(_, named)| **named == inode).map(|(name, _)| name.as_str())
    }

    /// All bytes of all files that have a name.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        let named = self.names.cache.values().flat_map(BTreeMap::values);
        named.map(|inode| self.bytes(*inode).len()).sum()
    }
}
