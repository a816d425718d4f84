//! Looks ahead for what tells whether a place lies in a transaction: the next `MULTI` or `EXEC`.
//!
//! Invariant: what was looked at once is not looked at again, so looking ahead is linear in the file.

use std::io;
use std::sync::Arc;

use vfs::File;

use super::item::{Items, Kind};
use super::resume::PROBE_BYTES;
use crate::assemble::Role;

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The end of a transaction.
    Exec,
    /// The start of a transaction.
    Multi,
    /// Damage.
    Damage,
    /// The end of the file.
    End,
}

/// The view ahead of one file.
pub(super) struct Ahead {
    items: Items,
    end: u64,
    seen: Seen,
}

/// What was seen between two offsets: a mark at the second, and none before.
#[derive(Clone, Copy)]
struct Seen {
    from: u64,
    to: u64,
    mark: Mark,
    /// The last command that looks like a damaged `EXEC`, and the last that looks like a damaged `MULTI`.
    like_exec: Option<u64>,
    like_multi: Option<u64>,
    /// Commands between the two.
    commands: u64,
}

impl Ahead {
    pub(super) fn new(file: &Arc<dyn File>, end: u64) -> Self {
        let items = Items::new(Arc::clone(file), end, PROBE_BYTES, u64::MAX);
        Self {
            items,
            end,
            seen: Seen { from: end, to: end, mark: Mark::End, like_exec: None, like_multi: None, commands: 0 },
        }
    }

    /// What comes first from `from`, where an item starts.
    pub(super) fn mark(&mut self, from: u64) -> io::Result<Mark> {
        if !(self.seen.from..=self.seen.to).contains(&from) {
            self.seen = self.look(from)?;
        }
        Ok(self.seen.mark)
    }

    /// The same, where a command that looks like a damaged `MULTI` counts as one, and in a transaction one like a damaged `EXEC`.
    pub(super) fn likely_mark(&mut self, from: u64, in_transaction: bool) -> io::Result<Mark> {
        let mark = self.mark(from)?;
        let behind = |at: Option<u64>| at.is_some_and(|at| at >= from);
        Ok(match mark {
            Mark::Exec if behind(self.seen.like_multi) => Mark::Multi,
            Mark::Multi | Mark::Damage | Mark::End if in_transaction && behind(self.seen.like_exec) => Mark::Exec,
            mark => mark,
        })
    }

    /// Commands before the mark that was asked for last, or more.
    pub(super) fn commands(&self) -> u64 {
        self.seen.commands
    }

    fn look(&mut self, from: u64) -> io::Result<Seen> {
        let mut seen = Seen { from, to: from, mark: Mark::End, like_exec: None, like_multi: None, commands: 0 };
        while seen.to < self.end {
            let Ok(item) = self.items.item(seen.to)? else {
                return Ok(Seen { mark: Mark::Damage, ..seen });
            };
            if let Kind::Command(head) = item.kind {
                let mark = match head.role() {
                    Role::Plain => None,
                    Role::Multi if head.count == 1 => Some(Mark::Multi),
                    Role::Exec if head.count == 1 => Some(Mark::Exec),
                    _ => Some(Mark::Damage),
                };
                if let Some(mark) = mark {
                    return Ok(Seen { mark, ..seen });
                }
                seen.commands += 1;
                if head.resembles(b"exec") {
                    seen.like_exec = Some(seen.to);
                } else if head.resembles(b"multi") {
                    seen.like_multi = Some(seen.to);
                }
            }
            seen.to = item.end;
        }
        Ok(seen)
    }
}
