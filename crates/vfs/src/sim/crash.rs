//! What is left when the process dies ([`kill`]) or the power goes ([`crash`]): one of the images the contract allows.
//!
//! What was made durable is in every image. Of the rest:
//!
//! | mode | bytes not fsynced | names without fsync of their directory |
//! | --- | --- | --- |
//! | `Strict` | none | none |
//! | `TornAnyByte` | those of the first changes, cut at any byte | those of the first changes |
//! | `ZeroSectors` | as torn, but any of the new sectors may be zeros, and of the overwritten ones may be old | as torn |
//! | `Reordered` | any of their sectors, with zeros in the gaps and possibly after | any of them |
//!
//! A cut of the file by `set_len` survives in order with its like, and nothing after one that did not survive does.

use super::content::{Change, Content, write_into};
use super::names::{NameChange, Names, apply};
use super::state::{Inode, InodeId, State, lowest_free};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// How a power loss treats what was not fsynced. See the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// Nothing of it survives.
    Strict,
    /// A prefix of it survives, cut at any byte.
    TornAnyByte,
    /// The size survives, some of its sectors do not.
    ZeroSectors,
    /// It landed out of order.
    Reordered,
}

impl CrashMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Strict, Self::TornAnyByte, Self::ZeroSectors, Self::Reordered];
}

/// Which fsync makes a name durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMode {
    /// Only one of its directory: what POSIX promises, and all that may be relied on.
    OnlyDirFsync,
    /// Any fsync of any file commits all names there are: what a single journal does.
    AnyFsync,
}

impl NameMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::OnlyDirFsync, Self::AnyFsync];
}

/// Size of a sector in bytes.
const SECTOR_BYTES: usize = 512;

/// What the next process finds after this one was killed: everything, without handles and locks.
pub(super) fn kill(state: &State) -> State {
    let mut inodes = state.inodes.clone();
    for inode in inodes.values_mut() {
        inode.handles = 0;
        // Who would have been told of them is gone.
        (inode.errors, inode.failures) = (0, 0);
    }
    let mut dirs = state.dirs.clone();
    for names in dirs.values_mut() {
        names.locks.clear();
        names.failures = 0;
    }
    let mut next = state.successor(inodes, dirs);
    next.collect();
    next
}

/// One image that may be found after the power was lost.
pub(super) fn crash(state: &State, rng: &mut Rng, mode: CrashMode, name_mode: NameMode) -> State {
    let mut dirs = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (path, names) in &state.dirs {
        let durable = surviving_names(names, rng, mode, name_mode);
        found.extend(durable.values().copied());
        dirs.insert(path.clone(), Names { cache: durable.clone(), durable, ..Names::default() });
    }
    let numbers = numbers(state, &found);
    let mut inodes: BTreeMap<InodeId, Inode> = BTreeMap::new();
    for id in found {
        let old = &state.inodes[&id];
        let number = numbers[&id];
        let mark_survives = mode != CrashMode::Strict && rng.bool();
        let mark = if mark_survives { old.mark } else { old.durable_mark };
        let content = Content::durable(surviving_bytes(&old.content, rng, mode));
        inodes.insert(
            id,
            Inode { number, mark, durable_mark: mark, content, links: 1, handles: 0, errors: 0, failures: 0, ..*old },
        );
    }
    state.successor(inodes, dirs)
}

/// The inode numbers of the files that are found. An unlink that did not survive may bring back a file whose number was given away: the
/// one keeps it whose name was durable, the newest of several, since what was fsynced with a number has it for good.
fn numbers(state: &State, found: &BTreeSet<InodeId>) -> BTreeMap<InodeId, u64> {
    let durable: BTreeSet<InodeId> = state.dirs.values().flat_map(|names| names.durable.values()).copied().collect();
    let (for_good, others): (Vec<InodeId>, Vec<InodeId>) = found.iter().partition(|&id| durable.contains(id));
    let mut taken = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    let mut without = Vec::new();
    for id in for_good.into_iter().rev().chain(others) {
        let number = state.inodes[&id].number;
        if taken.insert(number) {
            numbers.insert(id, number);
        } else {
            without.push(id);
        }
    }
    for id in without {
        let number = lowest_free(&taken);
        taken.insert(number);
        numbers.insert(id, number);
    }
    numbers
}

fn surviving_names(names: &Names, rng: &mut Rng, mode: CrashMode, name_mode: NameMode) -> BTreeMap<String, InodeId> {
    let committed = match name_mode {
        NameMode::OnlyDirFsync => 0,
        NameMode::AnyFsync => names.committed_by_any_fsync,
    };
    let (committed, rest) = names.pending.split_at(committed);
    let lucky: Vec<&NameChange> = match mode {
        CrashMode::Strict => Vec::new(),
        CrashMode::TornAnyByte | CrashMode::ZeroSectors => rest.iter().take(up_to(rng, rest.len())).collect(),
        CrashMode::Reordered => {
            let chance = chance(rng);
            rest.iter().filter(|_| rng.f64() < chance).collect()
        }
    };
    let mut image = names.durable.clone();
    for change in committed.iter().chain(lucky) {
        apply(&mut image, change);
    }
    image
}

fn surviving_bytes(content: &Content, rng: &mut Rng, mode: CrashMode) -> Vec<u8> {
    match mode {
        CrashMode::Strict => content.durable.clone(),
        CrashMode::TornAnyByte => torn(content, rng, 0.0),
        CrashMode::ZeroSectors => {
            let chance = chance(rng);
            torn(content, rng, chance)
        }
        CrashMode::Reordered => reordered(content, rng),
    }
}

/// A prefix of the changes, cut at any byte; each sector in it is lost with the chance `lost`.
fn torn(content: &Content, rng: &mut Rng, lost: f64) -> Vec<u8> {
    let total: usize = content.pending.iter().map(weight).sum();
    let mut left = up_to(rng, total);
    let mut image = content.durable.clone();
    for change in &content.pending {
        if left == 0 {
            break;
        }
        match change {
            Change::SetLen(len) => image.resize(*len, 0),
            Change::Write { offset, bytes } => {
                let mut at = *offset;
                for piece in sectors(*offset, &bytes[..bytes.len().min(left)]) {
                    land_or_lose(&mut image, at, piece, rng.f64() >= lost);
                    at += piece.len();
                }
            }
        }
        left = left.saturating_sub(weight(change));
    }
    image
}

/// What a change counts when a cut is chosen: its bytes, so that large writes are cut as often as their size deserves.
fn weight(change: &Change) -> usize {
    match change {
        Change::SetLen(_) => 1,
        Change::Write { bytes, .. } => bytes.len(),
    }
}

/// The parts of `bytes` at `offset` between sector boundaries.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    std::iter::once(head).chain(rest.chunks(SECTOR_BYTES))
}

/// Writes a piece, or gives the file its size only: what was there stays, what is new is zeros.
fn land_or_lose(image: &mut Vec<u8>, at: usize, piece: &[u8], lands: bool) {
    if lands {
        write_into(image, at, piece);
    } else if image.len() < at + piece.len() {
        image.resize(at + piece.len(), 0);
    }
}

/// Any of the sectors; the size follows what landed, or everything. A device writes a sector whole or not at all, so a gap is
/// never shorter than one, but where the file or what is not durable begins or ends in it.
fn reordered(content: &Content, rng: &mut Rng) -> Vec<u8> {
    let cuts = content.pending.iter().filter(|change| matches!(change, Change::SetLen(_))).count();
    let mut cuts_left = up_to(rng, cuts);
    let chance = chance(rng);
    let full_size = rng.bool();
    let mut image = content.durable.clone();
    for change in &content.pending {
        match change {
            Change::SetLen(_) if cuts_left == 0 => break,
            Change::SetLen(len) => {
                cuts_left -= 1;
                image.resize(*len, 0);
            }
            Change::Write { offset, bytes } => {
                let mut at = *offset;
                for piece in sectors(*offset, bytes) {
                    let lands = rng.f64() < chance;
                    if lands || full_size {
                        land_or_lose(&mut image, at, piece, lands);
                    }
                    at += piece.len();
                }
            }
        }
    }
    image
}

/// A number from 0 to `most`, either end with a good chance: the ends are where the mistakes are.
fn up_to(rng: &mut Rng, most: usize) -> usize {
    match rng.u8(..8) {
        0 => 0,
        1 => most,
        _ => rng.usize(..=most),
    }
}

/// How likely one piece is to survive (or to be lost), in this crash.
fn chance(rng: &mut Rng) -> f64 {
    [0.1, 0.5, 0.9, 1.0][rng.usize(..4)]
}
