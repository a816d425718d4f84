//! What commands do to data types of the standard library, written so simply that it cannot be wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use resp_codec::Value;

use crate::log::Words;

type Bytes = Vec<u8>;

/// A value.
#[derive(Clone, Debug)]
enum Data {
    Str(Bytes),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    Hash(BTreeMap<Bytes, Bytes>),
    ZSet(BTreeMap<Bytes, f64>),
}

/// Why there is no reply but an error.
enum Refused {
    WrongType,
    Text(&'static str),
}

type Reply = Result<Value, Refused>;

/// All keys of one database.
#[derive(Default)]
pub(crate) struct Model(BTreeMap<Bytes, Data>);

/// The elements of an array, or the pairs of one that is a map, in order.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut elements) => {
            elements.sort_by(|a, b| a.as_bytes().cmp(&b.as_bytes()));
            Value::Array(elements)
        }
        other => other,
    }
}

fn bulk(bytes: &[u8]) -> Value {
    Value::Bulk(bytes.to_vec())
}

fn bulk_or_null(bytes: Option<&Bytes>) -> Value {
    bytes.map_or(Value::Null, |bytes| bulk(bytes))
}

fn integer(number: usize) -> Value {
    Value::Integer(i64::try_from(number).expect("a model is small"))
}

fn ok() -> Value {
    Value::Status(b"OK".to_vec())
}

fn array<'a>(elements: impl IntoIterator<Item = &'a Bytes>) -> Value {
    Value::Array(elements.into_iter().map(|bytes| bulk(bytes)).collect())
}

const NOT_AN_INTEGER: Refused = Refused::Text("ERR value is not an integer or out of range");

/// An integer as Redis reads one: no sign but a minus, no zeros before it.
fn strict(text: &[u8]) -> Option<i64> {
    let number: i64 = str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// An argument that is one.
fn number(text: &[u8]) -> i64 {
    strict(text).expect("the target draws integers")
}

fn score(text: &[u8]) -> f64 {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("the target draws numbers")
}

/// The places from `start` to `stop`, both included, of `len` elements; negative ones count from the end.
fn range(start: &[u8], stop: &[u8], len: usize) -> std::ops::Range<usize> {
    let len = i128::try_from(len).expect("a model is small");
    let place = |at: &[u8]| {
        let at = i128::from(number(at));
        if at < 0 { at + len } else { at }
    };
    let (start, stop) = (place(start).clamp(0, len), (place(stop) + 1).clamp(0, len));
    let index = |at: i128| usize::try_from(at).expect("clamped");
    index(start)..index(stop.max(start))
}

/// The same for GETRANGE, where an end before the first byte is the first byte, unless it stands before the start.
fn text_range(start: &[u8], stop: &[u8], len: usize) -> std::ops::Range<usize> {
    let (from, to) = (number(start), number(stop));
    let before = i128::from(to) < -i128::try_from(len).expect("a model is small");
    if before && !(from < 0 && from > to) { range(start, b"0", len) } else { range(start, stop, len) }
}

/// Functions that look up a key of a type: `None` without one.
macro_rules! of_type {
    ($read:ident, $write:ident, $variant:ident, $type:ty) => {
        fn $read(&self, key: &[u8]) -> Result<$type, Refused> {
            match self.0.get(key) {
                None => Ok(<$type>::default()),
                Some(Data::$variant(value)) => Ok(value.clone()),
                Some(_) => Err(Refused::WrongType),
            }
        }

        /// Changes a value, which goes when nothing is in it.
        fn $write<R>(&mut self, key: &[u8], change: impl FnOnce(&mut $type) -> R) -> Result<R, Refused> {
            let mut value = self.$read(key)?;
            let result = change(&mut value);
            if value.is_empty() {
                self.0.remove(key);
            } else {
                self.0.insert(key.to_vec(), Data::$variant(value));
            }
            Ok(result)
        }
    };
}

impl Model {
    of_type!(list, change_list, List, VecDeque<Bytes>);
    of_type!(set, change_set, Set, BTreeSet<Bytes>);
    of_type!(hash, change_hash, Hash, BTreeMap<Bytes, Bytes>);
    of_type!(zset, change_zset, ZSet, BTreeMap<Bytes, f64>);

    /// The type of a key, `none` without one.
    pub(crate) fn type_of(&self, key: &[u8]) -> &'static str {
        match self.0.get(key) {
            None => "none",
            Some(Data::Str(_)) => "string",
            Some(Data::List(_)) => "list",
            Some(Data::Set(_)) => "set",
            Some(Data::Hash(_)) => "hash",
            Some(Data::ZSet(_)) => "zset",
        }
    }

    /// Performs a command and gives its reply; of one without order, the elements in order.
    pub(crate) fn reply(&mut self, request: &Words) -> Value {
        let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let (name, args) = (str::from_utf8(args[0]).expect("names are text"), &args[1..]);
        let reply = self.keys(name, args).or_else(|| self.strings(name, args)).or_else(|| self.lists(name, args));
        let reply = reply.or_else(|| self.hashes(name, args)).or_else(|| self.sets(name, args));
        let reply = reply.or_else(|| self.zsets(name, args)).unwrap_or_else(|| panic!("no model of {name}"));
        match reply {
            Ok(value) if matches!(name, "SINTER" | "SUNION" | "SDIFF" | "SMEMBERS" | "HGETALL") => sorted(value),
            Ok(value) => value,
            Err(Refused::Text(text)) => Value::Error(text.into()),
            Err(Refused::WrongType) => {
                Value::Error(b"WRONGTYPE Operation against a key holding the wrong kind of value".to_vec())
            }
        }
    }

    fn keys(&mut self, name: &str, args: &[&[u8]]) -> Option<Reply> {
        Some(Ok(match name {
            "DEL" => integer(args.iter().filter(|key| self.0.remove(**key).is_some()).count()),
            "EXISTS" => integer(args.iter().filter(|key| self.0.contains_key(**key)).count()),
            "TYPE" => Value::Status(self.type_of(args[0]).into()),
            "RENAME" => match self.0.remove(args[0]) {
                None => return Some(Err(Refused::Text("ERR no such key"))),
                Some(value) => {
                    self.0.insert(args[1].to_vec(), value);
                    ok()
                }
            },
            _ => return None,
        }))
    }

    fn string(&self, key: &[u8]) -> Result<Option<Bytes>, Refused> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Data::Str(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refused::WrongType),
        }
    }

    fn set_string(&mut self, key: &[u8], text: &[u8]) {
        self.0.insert(key.to_vec(), Data::Str(text.to_vec()));
    }

    fn strings(&mut self, name: &str, args: &[&[u8]]) -> Option<Reply> {
        let key = args[0];
        if name == "SET" {
            self.set_string(key, args[1]);
            return Some(Ok(ok()));
        }
        if name == "SETNX" {
            let free = !self.0.contains_key(key);
            if free {
                self.set_string(key, args[1]);
            }
            return Some(Ok(integer(usize::from(free))));
        }
        if !matches!(name, "GET" | "GETSET" | "APPEND" | "STRLEN" | "SETRANGE" | "GETRANGE" | "INCRBY" | "DECRBY") {
            return None;
        }
        if name == "DECRBY" && number(args[1]) == i64::MIN {
            return Some(Err(Refused::Text("ERR decrement would overflow")));
        }
        Some(self.string(key).and_then(|old| self.on_string(name, args, old)))
    }

    fn on_string(&mut self, name: &str, args: &[&[u8]], old: Option<Bytes>) -> Reply {
        let text = old.clone().unwrap_or_default();
        Ok(match name {
            "GET" => bulk_or_null(old.as_ref()),
            "GETSET" => {
                self.set_string(args[0], args[1]);
                bulk_or_null(old.as_ref())
            }
            "APPEND" => {
                let text = [&text, args[1]].concat();
                self.set_string(args[0], &text);
                integer(text.len())
            }
            "STRLEN" => integer(text.len()),
            "SETRANGE" if args[2].is_empty() => integer(text.len()),
            "SETRANGE" => {
                let (mut text, at) = (text, usize::try_from(number(args[1])).expect("an offset"));
                text.resize(text.len().max(at + args[2].len()), 0);
                text[at..at + args[2].len()].copy_from_slice(args[2]);
                self.set_string(args[0], &text);
                integer(text.len())
            }
            "GETRANGE" => bulk(&text[text_range(args[1], args[2], text.len())]),
            _ => {
                let old = old.map_or(Some(0), |text| strict(&text)).ok_or(NOT_AN_INTEGER)?;
                let by = number(args[1]);
                let sum = if name == "INCRBY" { old.checked_add(by) } else { old.checked_sub(by) };
                let sum = sum.ok_or(Refused::Text("ERR increment or decrement would overflow"))?;
                self.set_string(args[0], sum.to_string().as_bytes());
                Value::Integer(sum)
            }
        })
    }

    fn lists(&mut self, name: &str, args: &[&[u8]]) -> Option<Reply> {
        let (key, rest) = (args[0], &args[1..]);
        Some(match name {
            "LPUSH" | "RPUSH" => self.change_list(key, |list| {
                for element in rest {
                    if name == "LPUSH" { list.push_front(element.to_vec()) } else { list.push_back(element.to_vec()) }
                }
                integer(list.len())
            }),
            "LPOP" => self.change_list(key, |list| bulk_or_null(list.pop_front().as_ref())),
            "RPOP" => self.change_list(key, |list| bulk_or_null(list.pop_back().as_ref())),
            "LLEN" => self.list(key).map(|list| integer(list.len())),
            "LRANGE" => self.list(key).map(|list| array(list.range(range(rest[0], rest[1], list.len())))),
            "LINDEX" => self.list(key).map(|list| bulk_or_null(place(rest[0], list.len()).map(|at| &list[at]))),
            "LTRIM" => self.change_list(key, |list| {
                *list = list.range(range(rest[0], rest[1], list.len())).cloned().collect();
                ok()
            }),
            "LSET" => self.list_set(key, rest),
            "LREM" => self.change_list(key, |list| integer(remove(list, number(rest[0]), rest[1]))),
            "LINSERT" => self.change_list(key, |list| insert(list, rest)),
            _ => return None,
        })
    }

    fn list_set(&mut self, key: &[u8], rest: &[&[u8]]) -> Reply {
        let len = self.list(key)?.len();
        if len == 0 {
            return Err(Refused::Text("ERR no such key"));
        }
        let at = place(rest[0], len).ok_or(Refused::Text("ERR index out of range"))?;
        self.change_list(key, |list| list[at] = rest[1].to_vec()).map(|()| ok())
    }

    fn hashes(&mut self, name: &str, args: &[&[u8]]) -> Option<Reply> {
        let (key, rest) = (args[0], &args[1..]);
        Some(match name {
            "HSET" => self.change_hash(key, |hash| {
                let added = |pair: &&[&[u8]]| hash.insert(pair[0].to_vec(), pair[1].to_vec()).is_none();
                integer(rest.chunks(2).filter(added).count())
            }),
            "HGET" => self.hash(key).map(|hash| bulk_or_null(hash.get(rest[0]))),
            "HDEL" => self
                .change_hash(key, |hash| integer(rest.iter().filter(|field| hash.remove(**field).is_some()).count())),
            "HLEN" => self.hash(key).map(|hash| integer(hash.len())),
            "HGETALL" => self.hash(key).map(|hash| array(hash.iter().flat_map(|(field, value)| [field, value]))),
            "HINCRBY" => self.hash(key).and_then(|hash| {
                let old = hash.get(rest[0]).map_or(Some(0), |old| strict(old));
                let old = old.ok_or(Refused::Text("ERR hash value is not an integer"))?;
                let sum = old.checked_add(number(rest[1]));
                let sum = sum.ok_or(Refused::Text("ERR increment or decrement would overflow"))?;
                self.change_hash(key, |hash| hash.insert(rest[0].to_vec(), sum.to_string().into_bytes()))?;
                Ok(Value::Integer(sum))
            }),
            _ => return None,
        })
    }

    fn sets(&mut self, name: &str, args: &[&[u8]]) -> Option<Reply> {
        let (key, rest) = (args[0], &args[1..]);
        Some(match name {
            "SADD" => self.change_set(key, |set| integer(rest.iter().filter(|m| set.insert(m.to_vec())).count())),
            "SREM" => self.change_set(key, |set| integer(rest.iter().filter(|m| set.remove(**m)).count())),
            "SMEMBERS" => self.set(key).map(|set| array(&set)),
            "SISMEMBER" => self.set(key).map(|set| integer(usize::from(set.contains(rest[0])))),
            "SMOVE" => self.set_move(key, rest),
            "SINTER" | "SUNION" | "SDIFF" => self.combined(name, args).map(|set| array(&set)),
            "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => self.combined(name, rest).map(|set| {
                let len = set.len();
                self.0.remove(key);
                if len > 0 {
                    self.0.insert(key.to_vec(), Data::Set(set));
                }
                integer(len)
            }),
            _ => return None,
        })
    }

    fn set_move(&mut self, from: &[u8], rest: &[&[u8]]) -> Reply {
        let (to, member) = (rest[0], rest[1]);
        if !self.0.contains_key(from) {
            return Ok(integer(0));
        }
        self.set(from)?;
        self.set(to)?;
        if !self.change_set(from, |set| set.remove(member))? {
            return Ok(integer(0));
        }
        self.change_set(to, |set| set.insert(member.to_vec()))?;
        Ok(integer(1))
    }

    fn combined(&self, name: &str, keys: &[&[u8]]) -> Result<BTreeSet<Bytes>, Refused> {
        let sets = keys.iter().map(|key| self.set(key)).collect::<Result<Vec<_>, _>>()?;
        let (first, others) = sets.split_first().expect("at least one key");
        Ok(match &name[..4] {
            "SINT" => first.iter().filter(|member| others.iter().all(|set| set.contains(*member))).cloned().collect(),
            "SUNI" => sets.into_iter().flatten().collect(),
            _ => first.iter().filter(|member| others.iter().all(|set| !set.contains(*member))).cloned().collect(),
        })
    }

    fn zsets(&mut self, name: &str, args: &[&[u8]]) -> Option<Reply> {
        let (key, rest) = (args[0], &args[1..]);
        Some(match name {
            "ZADD" => self.change_zset(key, |zset| {
                let added = |pair: &&[&[u8]]| zset.insert(pair[1].to_vec(), score(pair[0])).is_none();
                integer(rest.chunks(2).filter(added).count())
            }),
            "ZINCRBY" => self.zset_increment(key, rest),
            "ZREM" => self.change_zset(key, |zset| integer(rest.iter().filter(|m| zset.remove(**m).is_some()).count())),
            "ZSCORE" => self.zset(key).map(|zset| zset.get(rest[0]).map_or(Value::Null, |score| shown_score(*score))),
            "ZCARD" => self.zset(key).map(|zset| integer(zset.len())),
            "ZRANK" => self
                .ranked(key)
                .map(|members| members.iter().position(|member| member == rest[0]).map_or(Value::Null, integer)),
            "ZRANGE" => self.ranked(key).map(|members| array(&members[range(rest[0], rest[1], members.len())])),
            "ZREVRANGE" => self.ranked(key).map(|mut members| {
                members.reverse();
                array(&members[range(rest[0], rest[1], members.len())])
            }),
            "ZRANGEBYSCORE" => self.zset(key).and_then(|zset| {
                let within = |member: &&Bytes| zset[*member] >= score(rest[0]) && zset[*member] <= score(rest[1]);
                Ok(array(self.ranked(key)?.iter().filter(within)))
            }),
            "ZREMRANGEBYRANK" => self.ranked(key).and_then(|members| {
                let removed = &members[range(rest[0], rest[1], members.len())];
                self.change_zset(key, |zset| zset.retain(|member, _| !removed.contains(member)))?;
                Ok(integer(removed.len()))
            }),
            _ => return None,
        })
    }

    fn zset_increment(&mut self, key: &[u8], rest: &[&[u8]]) -> Reply {
        let sum = self.zset(key)?.get(rest[1]).copied().unwrap_or(0.0) + score(rest[0]);
        if sum.is_nan() {
            return Err(Refused::Text("ERR resulting score is not a number (NaN)"));
        }
        self.change_zset(key, |zset| zset.insert(rest[1].to_vec(), sum))?;
        Ok(shown_score(sum))
    }

    /// The members by score, and by name where scores are equal.
    fn ranked(&self, key: &[u8]) -> Result<Vec<Bytes>, Refused> {
        let zset = self.zset(key)?;
        let mut members: Vec<Bytes> = zset.keys().cloned().collect();
        members.sort_by(|a, b| zset[a].total_cmp(&zset[b]).then_with(|| a.cmp(b)));
        Ok(members)
    }
}

/// The place of an index, negative from the end, in `len` elements.
fn place(index: &[u8], len: usize) -> Option<usize> {
    let (index, len) = (i128::from(number(index)), i128::try_from(len).ok()?);
    let at = if index < 0 { index + len } else { index };
    usize::try_from(at).ok().filter(|_| at < len)
}

/// Removes elements equal to `element`: all for 0, so many from the end for a negative count.
fn remove(list: &mut VecDeque<Bytes>, count: i64, element: &[u8]) -> usize {
    let most = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let mut equal: Vec<usize> = (0..list.len()).filter(|at| list[*at] == element).collect();
    if count < 0 {
        equal.reverse();
    }
    equal.truncate(most);
    equal.sort_unstable();
    for at in equal.iter().rev() {
        list.remove(*at);
    }
    equal.len()
}

fn insert(list: &mut VecDeque<Bytes>, rest: &[&[u8]]) -> Value {
    if list.is_empty() {
        return integer(0);
    }
    let Some(pivot) = list.iter().position(|element| element == rest[1]) else { return Value::Integer(-1) };
    list.insert(pivot + usize::from(rest[0] == b"AFTER"), rest[2].to_vec());
    integer(list.len())
}

/// A score as a reply, for those that the target's scores can add up to.
fn shown_score(score: f64) -> Value {
    Value::Bulk(if score.abs() >= 1e17 && score.is_finite() {
        format!("{score:e}").replace('e', "e+").into_bytes()
    } else {
        score.to_string().into_bytes()
    })
}
