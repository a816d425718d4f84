//! What the commands of the workload do to a dataset, written so simply that it cannot be wrong.

use std::collections::BTreeMap;

use resp_codec::Value;

/// How many databases the workload uses.
pub const DATABASES: u32 = 3;

/// A key: its database and name.
pub type Name = (u32, String);

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A string.
    Text(String),
    /// A list.
    List(Vec<String>),
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
pub struct Dataset(pub BTreeMap<Name, Entry>);

/// One unit of the workload: what is there after a crash as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `MULTI; RPUSH left n; RPUSH right n; EXEC`.
    Transaction {
        /// The first list.
        left: String,
        /// The second list.
        right: String,
        /// The number pushed to both.
        n: u64,
    },
    /// `RPUSH key n n … n`, so many times.
    Fill {
        /// The list.
        key: String,
        /// What is pushed.
        n: u64,
        /// How often.
        times: usize,
    },
    /// `SET key text`, with a relative deadline or without.
    Set {
        /// The key.
        key: String,
        /// The value.
        text: String,
        /// `PX`.
        px_ms: Option<i64>,
    },
    /// `INCR key`.
    Incr {
        /// The key.
        key: String,
    },
    /// `PEXPIRE key ms`.
    Pexpire {
        /// The key.
        key: String,
        /// The relative deadline.
        ms: i64,
    },
    /// `DEL key`.
    Del {
        /// The key.
        key: String,
    },
    /// `GET key`.
    Get {
        /// The key.
        key: String,
    },
    /// `EXISTS key` of a key past its deadline, before the wall clock goes back: from here on it is gone.
    Touch {
        /// The key.
        key: String,
    },
}

/// What an operation did.
#[derive(Clone, Debug)]
pub struct Done {
    /// The replies, one a request.
    pub replies: Vec<Value>,
    /// Whether the dataset changed.
    pub changed: bool,
}

impl Op {
    /// The requests that it is made of.
    pub fn requests(&self) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Self::Transaction { left, right, n } => {
                let n = n.to_string();
                vec![words(&["MULTI"]), words(&["RPUSH", left, &n]), words(&["RPUSH", right, &n]), words(&["EXEC"])]
            }
            Self::Fill { key, n, times } => {
                let mut request = words(&["RPUSH", key]);
                request.extend(std::iter::repeat_n(n.to_string(), *times));
                vec![request]
            }
            Self::Set { key, text, px_ms: None } => vec![words(&["SET", key, text])],
            Self::Set { key, text, px_ms: Some(ms) } => vec![words(&["SET", key, text, "PX", &ms.to_string()])],
            Self::Incr { key } => vec![words(&["INCR", key])],
            Self::Pexpire { key, ms } => vec![words(&["PEXPIRE", key, &ms.to_string()])],
            Self::Del { key } => vec![words(&["DEL", key])],
            Self::Get { key } => vec![words(&["GET", key])],
            Self::Touch { key } => vec![words(&["EXISTS", key])],
        }
    }

    /// The keys it names.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Transaction { left, right, .. } => vec![left, right],
            Self::Fill { key, .. } => vec![key],
            Self::Set { key, .. } | Self::Incr { key } | Self::Pexpire { key, .. } => vec![key],
            Self::Del { key } | Self::Get { key } | Self::Touch { key } => vec![key],
        }
    }

    /// Whether the server refuses it while it cannot write its log.
    pub fn writes(&self) -> bool {
        !matches!(self, Self::Get { .. } | Self::Touch { .. })
    }
}

impl Dataset {
    /// Performs `op` in database `db` at `now_ms`.
    pub fn apply(&mut self, db: u32, op: &Op, now_ms: i64) -> Done {
        let one = |reply, changed| Done { replies: vec![reply], changed };
        match op {
            Op::Transaction { left, right, n } => {
                let pushed = [left, right].map(|key| Value::Integer(self.push(db, key, *n, now_ms)));
                let queued = || Value::Status(b"QUEUED".to_vec());
                let ok = Value::Status(b"OK".to_vec());
                Done { replies: vec![ok, queued(), queued(), Value::Array(pushed.to_vec())], changed: true }
            }
            Op::Fill { key, n, times } => {
                let lens = (0..*times).map(|_| self.push(db, key, *n, now_ms));
                one(Value::Integer(lens.last().unwrap_or(0)), true)
            }
            Op::Set { key, text, px_ms } => {
                let entry = Entry { held: Held::Text(text.clone()), deadline_ms: px_ms.map(|ms| now_ms + ms) };
                self.0.insert((db, key.clone()), entry);
                one(Value::Status(b"OK".to_vec()), true)
            }
            Op::Incr { key } => {
                let old = self.live(db, key, now_ms).cloned();
                let number = old.as_ref().map_or(0, |entry| entry.number()) + 1;
                let deadline_ms = old.and_then(|entry| entry.deadline_ms);
                self.0.insert((db, key.clone()), Entry { held: Held::Text(number.to_string()), deadline_ms });
                one(Value::Integer(number), true)
            }
            Op::Pexpire { key, ms } => match self.live(db, key, now_ms) {
                None => one(Value::Integer(0), false),
                Some(entry) => {
                    entry.deadline_ms = Some(now_ms + ms);
                    one(Value::Integer(1), true)
                }
            },
            Op::Del { key } => {
                let was_there = self.live(db, key, now_ms).is_some();
                self.0.remove(&(db, key.clone()));
                one(Value::Integer(i64::from(was_there)), was_there)
            }
            Op::Touch { key } => {
                if self.live(db, key, now_ms).is_none() {
                    self.0.remove(&(db, key.clone()));
                }
                one(Value::Integer(0), false)
            }
            Op::Get { key } => one(self.live(db, key, now_ms).map_or(Value::Null, |entry| entry.text()), false),
        }
    }

    /// Whether the two hold something else under a name. A key whose deadline has passed may be there or not: nobody can tell.
    pub fn differs(&self, other: &Self, name: &Name, now_ms: i64) -> bool {
        let [ours, theirs] = [self, other].map(|dataset| dataset.0.get(name).filter(|entry| !entry.is_expired(now_ms)));
        ours != theirs
    }

    /// The keys past their deadlines.
    pub fn expired(&self, now_ms: i64) -> Vec<Name> {
        self.0.iter().filter(|(_, entry)| entry.is_expired(now_ms)).map(|(name, _)| name.clone()).collect()
    }

    fn live(&mut self, db: u32, key: &str, now_ms: i64) -> Option<&mut Entry> {
        self.0.get_mut(&(db, key.to_owned())).filter(|entry| !entry.is_expired(now_ms))
    }

    fn push(&mut self, db: u32, key: &str, n: u64, now_ms: i64) -> i64 {
        if self.live(db, key, now_ms).is_none() {
            self.0.insert((db, key.to_owned()), Entry { held: Held::List(Vec::new()), deadline_ms: None });
        }
        let Some(Entry { held: Held::List(items), .. }) = self.live(db, key, now_ms) else {
            unreachable!("the workload pushes to its own lists only")
        };
        items.push(n.to_string());
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

    fn text(&self) -> Value {
        match &self.held {
            Held::Text(text) => Value::Bulk(text.clone().into_bytes()),
            Held::List(_) => unreachable!("the workload gets strings only"),
        }
    }
}
