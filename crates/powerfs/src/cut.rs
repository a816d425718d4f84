//! What a power loss leaves of a [`Disk`].
//!
//! What was made durable is in every image. Of the rest:
//!
//! | mode | bytes | names |
//! | --- | --- | --- |
//! | `Killed` | all: the process dies, the machine goes on | all |
//! | `Strict` | none | none |
//! | `Torn` | of each file a prefix of the changes, cut at any byte | a prefix of the changes |
//! | `Holes` | of each file any of the changes, in pieces of at most a sector, with zeros in the gaps and possibly to the full length | any of the changes |
//!
//! A cut of the file by `SetLen` survives in order with its like, and nothing after one that did not survive does.
//! An extended attribute that was not fsynced survives by chance, but in `Strict` never.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::content::{Content, Edit, apply as apply_edit, write_into};
use crate::disk::{Disk, Kind, Node};
use crate::names::{Directories, apply as apply_name};
use crate::{Inode, ROOT};

/// How a power loss treats what was not fsynced. See the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// No power loss: the process alone dies.
    Killed,
    /// Nothing of it survives.
    Strict,
    /// A prefix of it survives.
    Torn,
    /// Any of it survives, with holes.
    Holes,
}

impl Mode {
    /// Every mode, the mildest first.
    pub const ALL: [Self; 4] = [Self::Killed, Self::Strict, Self::Torn, Self::Holes];

    /// Its name in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Strict => "strict",
            Self::Torn => "torn",
            Self::Holes => "holes",
        }
    }
}

/// Which fsync makes a name durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameRule {
    /// Only one of its directory: all that POSIX lets a program rely on.
    DirectoryFsync,
    /// Any fsync of any file commits all names there are, as a single journal does.
    AnyFsync,
}

impl NameRule {
    /// Every rule.
    pub const ALL: [Self; 2] = [Self::DirectoryFsync, Self::AnyFsync];

    /// Its name in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DirectoryFsync => "dir-fsync",
            Self::AnyFsync => "any-fsync",
        }
    }
}

/// Size of a sector in bytes.
const SECTOR_BYTES: usize = 512;

impl Disk {
    /// One of the images that may be found after the power was cut now; `rng` chooses among them.
    #[must_use]
    pub fn cut(&self, mode: Mode, rule: NameRule, rng: &mut Rng) -> Self {
        let directories = self.surviving_names(mode, rule, rng);
        let mut nodes = BTreeMap::new();
        let mut found = vec![ROOT];
        while let Some(inode) = found.pop() {
            if nodes.contains_key(&inode) {
                continue;
            }
            found.extend(directories.get(&inode).into_iter().flat_map(BTreeMap::values));
            if let Some(node) = self.nodes.get(&inode) {
                nodes.insert(inode, survivor(node, mode, rng));
            }
        }
        let of_directory = |inode: &Inode| nodes.get(inode).is_some_and(|node| matches!(node.kind, Kind::Directory));
        let kept = directories.into_iter().filter(|(inode, _)| of_directory(inode)).collect();
        Self::durable(nodes, kept, self.next_inode)
    }

    fn surviving_names(&self, mode: Mode, rule: NameRule, rng: &mut Rng) -> Directories {
        if mode == Mode::Killed {
            return self.names.cache.clone();
        }
        let committed = match rule {
            NameRule::DirectoryFsync => 0,
            NameRule::AnyFsync => self.names.committed_by_any,
        };
        let pending = &self.names.pending;
        let mut lucky = match mode {
            Mode::Killed | Mode::Strict => 0,
            Mode::Torn => up_to(rng, pending.iter().filter(|(number, _)| *number >= committed).count()),
            Mode::Holes => usize::MAX,
        };
        let chance = if mode == Mode::Holes { chance(rng) } else { 1.0 };
        let mut image = self.names.durable.clone();
        for (number, change) in pending {
            if *number < committed {
                apply_name(&mut image, change);
            } else if lucky > 0 {
                lucky -= 1;
                if rng.f64() < chance {
                    apply_name(&mut image, change);
                }
            }
        }
        image
    }
}

fn survivor(node: &Node, mode: Mode, rng: &mut Rng) -> Node {
    let kind = match &node.kind {
        Kind::File(content) => Kind::File(Content::durable(surviving_bytes(content, mode, rng))),
        other => other.clone(),
    };
    let all_attributes = match mode {
        Mode::Killed => true,
        Mode::Strict => false,
        Mode::Torn | Mode::Holes => node.pending_attributes.is_empty() || rng.bool(),
    };
    let attributes = if all_attributes { &node.attributes } else { &node.durable_attributes };
    Node::new(kind, node.mode, attributes.clone())
}

fn surviving_bytes(content: &Content, mode: Mode, rng: &mut Rng) -> Vec<u8> {
    match mode {
        Mode::Killed => content.cache.clone(),
        Mode::Strict => content.durable.clone(),
        Mode::Torn => torn(content, rng),
        Mode::Holes => with_holes(content, rng),
    }
}

/// A prefix of the changes, cut at any byte.
fn torn(content: &Content, rng: &mut Rng) -> Vec<u8> {
    let mut left = up_to(rng, content.pending.iter().map(|(_, edit)| edit.weight()).sum());
    let mut image = content.durable.clone();
    for (_, edit) in &content.pending {
        if left == 0 {
            break;
        }
        match edit {
            Edit::Write { offset, bytes } => write_into(&mut image, *offset, &bytes[..bytes.len().min(left)]),
            Edit::SetLen(_) => apply_edit(&mut image, edit),
        }
        left = left.saturating_sub(edit.weight());
    }
    image
}

/// Any of the pieces; the length follows what landed, or everything.
fn with_holes(content: &Content, rng: &mut Rng) -> Vec<u8> {
    let cuts = content.pending.iter().filter(|(_, edit)| matches!(edit, Edit::SetLen(_))).count();
    let mut cuts_left = up_to(rng, cuts);
    let (chance, full_length) = (chance(rng), rng.bool());
    let mut image = content.durable.clone();
    for (_, edit) in &content.pending {
        match edit {
            Edit::SetLen(_) if cuts_left == 0 => break,
            Edit::SetLen(_) => {
                cuts_left -= 1;
                apply_edit(&mut image, edit);
            }
            Edit::Write { offset, bytes } => {
                for (at, piece) in sectors(*offset, bytes) {
                    if rng.f64() < chance {
                        write_into(&mut image, at, piece);
                    } else if full_length && image.len() < at + piece.len() {
                        image.resize(at + piece.len(), 0);
                    }
                }
            }
        }
    }
    image
}

/// The parts of `bytes` at `offset` between sector boundaries, each with where it stands.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    std::iter::once(head).chain(rest.chunks(SECTOR_BYTES)).scan(offset, |at, piece| {
        let here = *at;
        *at += piece.len();
        Some((here, piece))
    })
}

/// A number from 0 to `most`, either end with a good chance: the ends are where the mistakes are.
fn up_to(rng: &mut Rng, most: usize) -> usize {
    match rng.u8(..8) {
        0 => 0,
        1 => most,
        _ => rng.usize(..=most),
    }
}

/// How likely one piece is to survive, in this cut.
fn chance(rng: &mut Rng) -> f64 {
    [0.1, 0.5, 0.9, 1.0][rng.usize(..4)]
}
