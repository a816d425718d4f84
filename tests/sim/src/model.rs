//! What the commands of the workload do to a dataset, written so simply that it cannot be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::key::Key;
use crate::reply::Reply;

/// How many databases the workload uses.
pub const DATABASES: u32 = 3;

/// A key: its database and name.
pub type Name = (u32, Key);

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A string.
    Text(Arc<str>),
    /// A list of numbers.
    List(Vec<u64>),
}

/// A key's value and deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub held: Held,
    /// The deadline, Unix milliseconds.
    pub deadline_ms: Option<i64>,
}

/// A dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// The keys and what they hold.
    pub keys: BTreeMap<Name, Entry>,
    /// What a server holds that no operation of the workload makes, in words.
    pub strange: Vec<String>,
}

/// One unit of the workload: what is there after a crash as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `MULTI; RPUSH left n; RPUSH right n; EXEC`.
    Transaction {
        /// The first list.
        left: Key,
        /// The second list.
        right: Key,
        /// The number pushed to both.
        n: u64,
    },
    /// `RPUSH key n n … n`, so many times.
    Fill {
        /// The list.
        key: Key,
        /// What is pushed.
        n: u64,
        /// How often.
        times: usize,
    },
    /// `SET key text`, with a relative deadline or without.
    Set {
        /// The key.
        key: Key,
        /// The value.
        text: Arc<str>,
        /// `PX`.
        px_ms: Option<i64>,
    },
    /// `INCR key`.
    Incr {
        /// The key.
        key: Key,
    },
    /// `PEXPIRE key ms`.
    Pexpire {
        /// The key.
        key: Key,
        /// The relative deadline.
        ms: i64,
    },
    /// `DEL key`.
    Del {
        /// The key.
        key: Key,
    },
    /// `GET key`.
    Get {
        /// The key.
        key: Key,
    },
    /// `EXISTS key` of a key past its deadline, before the wall clock goes back: from here on it is gone.
    Touch {
        /// The key.
        key: Key,
    },
}

/// What an operation did.
#[derive(Clone, Debug)]
pub struct Done {
    /// The last reply.
    pub reply: Reply,
    /// Whether the dataset changed.
    pub changed: bool,
}

impl Op {
    /// Gives the requests that it is made of to `send`, in order.
    pub fn requests(&self, mut send: impl FnMut(&[&[u8]])) {
        match self {
            Self::Transaction { left, right, n } => {
                let n = n.to_string();
                send(&[b"MULTI"]);
                send(&[b"RPUSH", left.as_bytes(), n.as_bytes()]);
                send(&[b"RPUSH", right.as_bytes(), n.as_bytes()]);
                send(&[b"EXEC"]);
            }
            Self::Fill { key, n, times } => {
                let n = n.to_string();
                let mut request = vec![&b"RPUSH"[..], key.as_bytes()];
                request.extend(std::iter::repeat_n(n.as_bytes(), *times));
                send(&request);
            }
            Self::Set { key, text, px_ms: None } => send(&[b"SET", key.as_bytes(), text.as_bytes()]),
            Self::Set { key, text, px_ms: Some(ms) } => {
                send(&[b"SET", key.as_bytes(), text.as_bytes(), b"PX", ms.to_string().as_bytes()]);
            }
            Self::Incr { key } => send(&[b"INCR", key.as_bytes()]),
            Self::Pexpire { key, ms } => send(&[b"PEXPIRE", key.as_bytes(), ms.to_string().as_bytes()]),
            Self::Del { key } => send(&[b"DEL", key.as_bytes()]),
            Self::Get { key } => send(&[b"GET", key.as_bytes()]),
            Self::Touch { key } => send(&[b"EXISTS", key.as_bytes()]),
        }
    }

    /// How many requests it is made of.
    pub fn request_count(&self) -> usize {
        if matches!(self, Self::Transaction { .. }) { 4 } else { 1 }
    }

    /// The keys it names.
    pub fn keys(&self) -> impl Iterator<Item = Key> + Clone + use<> {
        let (first, second) = match self {
            Self::Transaction { left, right, .. } => (*left, Some(*right)),
            Self::Fill { key, .. } => (*key, None),
            Self::Set { key, .. } | Self::Incr { key } | Self::Pexpire { key, .. } => (*key, None),
            Self::Del { key } | Self::Get { key } | Self::Touch { key } => (*key, None),
        };
        std::iter::once(first).chain(second)
    }

    /// Whether the server refuses it while it cannot write its log.
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Get { .. } | Self::Touch { .. })
    }
}

impl Dataset {
    /// Performs `op` in database `db` at `now_ms`.
    pub fn apply(&mut self, db: u32, op: &Op, now_ms: i64) -> Done {
        let done = |reply, changed| Done { reply, changed };
        match op {
            Op::Transaction { left, right, n } => {
                let pushed = [left, right].map(|key| self.push((db, *key), *n, 1, now_ms));
                done(Reply::Two(pushed), true)
            }
            Op::Fill { key, n, times } => done(Reply::Integer(self.push((db, *key), *n, *times, now_ms)), true),
            Op::Set { key, text, px_ms } => {
                let entry = Entry { held: Held::Text(Arc::clone(text)), deadline_ms: px_ms.map(|ms| now_ms + ms) };
                self.keys.insert((db, *key), entry);
                done(Reply::Ok, true)
            }
            Op::Incr { key } => {
                let old = self.live((db, *key), now_ms);
                let number = old.as_ref().map_or(0, |entry| entry.number()) + 1;
                let deadline_ms = old.and_then(|entry| entry.deadline_ms);
                let held = Held::Text(number.to_string().into());
                self.keys.insert((db, *key), Entry { held, deadline_ms });
                done(Reply::Integer(number), true)
            }
            Op::Pexpire { key, ms } => match self.live((db, *key), now_ms) {
                None => done(Reply::Integer(0), false),
                Some(entry) => {
                    entry.deadline_ms = Some(now_ms + ms);
                    done(Reply::Integer(1), true)
                }
            },
            Op::Del { key } => {
                let was_there = self.keys.remove(&(db, *key)).is_some_and(|entry| !entry.is_expired(now_ms));
                done(Reply::Integer(i64::from(was_there)), was_there)
            }
            Op::Touch { key } => {
                if self.live((db, *key), now_ms).is_none() {
                    self.keys.remove(&(db, *key));
                }
                done(Reply::Integer(0), false)
            }
            Op::Get { key } => done(Reply::Text(self.live((db, *key), now_ms).map(|entry| entry.text())), false),
        }
    }

    /// Whether the two hold something else under a name. A key whose deadline has passed may be there or not: nobody can tell.
    pub fn differs(&self, other: &Self, name: &Name, now_ms: i64) -> bool {
        let [ours, theirs] =
            [self, other].map(|dataset| dataset.keys.get(name).filter(|entry| !entry.is_expired(now_ms)));
        ours != theirs
    }

    /// The keys past their deadlines.
    pub fn expired(&self, now_ms: i64) -> Vec<Name> {
        self.keys.iter().filter(|(_, entry)| entry.is_expired(now_ms)).map(|(name, _)| *name).collect()
    }

    fn live(&mut self, name: Name, now_ms: i64) -> Option<&mut Entry> {
        self.keys.get_mut(&name).filter(|entry| !entry.is_expired(now_ms))
    }

    /// Pushes `n` so many times; how long the list is then.
    fn push(&mut self, name: Name, n: u64, times: usize, now_ms: i64) -> i64 {
        let new = || Entry { held: Held::List(Vec::new()), deadline_ms: None };
        let entry = self.keys.entry(name).or_insert_with(new);
        if entry.is_expired(now_ms) {
            *entry = new();
        }
        let Held::List(items) = &mut entry.held else { unreachable!("the workload pushes to its own lists only") };
        items.extend(std::iter::repeat_n(n, times));
        i64::try_from(items.len()).unwrap_or(i64::MAX)
    }
}

impl Entry {
    fn is_expired(&self, now_ms: i64) -> bool {
        self.deadline_ms.is_some_and(|deadline_ms| now_ms > deadline_ms)
    }

    fn number(&self) -> i64 {
        match &self.held {
            Held::Text(text) => text.parse().unwrap_or_else(|_| unreachable!("the workload counts in numbers only")),
            Held::List(_) => unreachable!("the workload counts in strings only"),
        }
    }

    fn text(&self) -> Arc<str> {
        match &self.held {
            Held::Text(text) => Arc::clone(text),
            Held::List(_) => unreachable!("the workload gets strings only"),
        }
    }
}
