//! A loader so simple that it cannot be wrong: the commands a rewrite emits, applied to a keyspace, and before them what an RDB
//! preamble holds.

use keyspace::{Deadline, HashSeed, Keyspace, Thresholds, UnixMs, Value, ValueMut};
use rdb::{Content, Entry, Options, Reader};
use resp_codec::{Decoded, Limits, RequestDecoder};
use rio::Source;

/// The databases of every keyspace in these tests.
pub(crate) const DATABASES: u32 = 4;

/// An empty keyspace.
pub(crate) fn empty() -> Keyspace {
    Keyspace::new(DATABASES, HashSeed([7; 16]))
}

/// The commands in `bytes`, and how many bytes of it they are: the rest is an incomplete command.
pub(crate) fn commands(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, usize) {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let Ok(Decoded::Request { consumed }) = decoder.decode(&bytes[at..]) else { break };
        let args = decoder.args(&bytes[at..at + consumed]);
        assert!(args.verbatim().is_some(), "a log holds canonical commands only");
        all.push(args.from(0).map(<[u8]>::to_vec).collect());
        at += consumed;
    }
    (all, at)
}

/// The keyspace that an RDB preamble holds, and the bytes behind it; without one, an empty keyspace and all bytes.
pub(crate) fn preamble(bytes: &[u8]) -> (Keyspace, &[u8]) {
    let mut keyspace = empty();
    if !bytes.starts_with(b"REDIS") {
        return (keyspace, bytes);
    }
    let mut reader = Reader::new(Source::with_buffer(bytes, Vec::with_capacity(1 << 16)), Options::default()).unwrap();
    while let Some(event) = reader.next_event().unwrap() {
        let Entry::Key(entry) = event.entry else { continue };
        let Content::Value(value) = entry.content else { panic!("no value: {entry:?}") };
        let deadline = entry.expire_at.map_or(Deadline::Clear, Deadline::At);
        let key = keyspace.key(&entry.key);
        keyspace.db_mut(entry.db).insert(key, value, deadline);
    }
    let end = usize::try_from(reader.offset()).unwrap();
    (keyspace, &bytes[end..])
}

/// The keyspace that a whole log builds.
pub(crate) fn replay(bytes: &[u8]) -> Keyspace {
    let (keyspace, valid) = replay_torn(bytes);
    assert_eq!(valid, bytes.len(), "the log is whole");
    keyspace
}

/// The keyspace that a log builds whose last command may be cut short, and how many bytes of it are whole.
pub(crate) fn replay_torn(bytes: &[u8]) -> (Keyspace, usize) {
    let (mut keyspace, tail) = preamble(bytes);
    let (commands, valid) = commands(tail);
    // SELECT comes again behind a preamble: nothing goes to the database that happened to be selected.
    assert!(tail.len() == bytes.len() || commands.first().is_none_or(|first| first[0] == b"SELECT"));
    let mut db = 0;
    for command in &commands {
        apply(&mut keyspace, &mut db, command);
    }
    (keyspace, bytes.len() - tail.len() + valid)
}

fn apply(keyspace: &mut Keyspace, db: &mut u32, command: &[Vec<u8>]) {
    let limits = Thresholds::default();
    let number = |i: usize| numeric::parse_i64(&command[i]).expect("a number");
    if command[0] == b"SELECT" {
        *db = u32::try_from(number(1)).unwrap();
        return;
    }
    let key = keyspace.key(&command[1]);
    let values = keyspace.db_mut(*db);
    match &command[0][..] {
        b"SET" => drop(values.set_str(key, &command[2], Deadline::Clear)),
        b"PEXPIREAT" => assert!(values.set_deadline(key, Some(UnixMs(number(2)))), "a deadline belongs to a key"),
        b"RPUSH" => {
            let mut value = take(values.get_mut(key).is_none(), Value::List(keyspace::List::new()));
            let ValueMut::List(list) = of(values, key, &mut value) else { panic!("a list") };
            command[2..].iter().for_each(|elem| list.push_back(elem, &limits));
        }
        b"SADD" => {
            let mut value = take(values.get_mut(key).is_none(), Value::Set(keyspace::Set::new()));
            let ValueMut::Set(set) = of(values, key, &mut value) else { panic!("a set") };
            command[2..].iter().for_each(|member| assert!(set.insert(member, &limits), "each member once"));
        }
        b"HMSET" => {
            let mut value = take(values.get_mut(key).is_none(), Value::Hash(keyspace::Hash::new()));
            let ValueMut::Hash(hash) = of(values, key, &mut value) else { panic!("a hash") };
            command[2..].chunks(2).for_each(|pair| assert!(hash.set(&pair[0], &pair[1], &limits), "each field once"));
        }
        b"ZADD" => {
            let mut value = take(values.get_mut(key).is_none(), Value::ZSet(keyspace::ZSet::new()));
            let ValueMut::ZSet(zset) = of(values, key, &mut value) else { panic!("a sorted set") };
            for pair in command[2..].chunks(2) {
                zset.insert(&pair[1], numeric::parse_f64(&pair[0]).expect("a score"), &limits);
            }
        }
        other => panic!("a rewrite emits no {}", String::from_utf8_lossy(other)),
    }
}

fn take(missing: bool, empty: Value) -> Option<Value> {
    missing.then_some(empty)
}

fn of<'a>(db: &'a mut keyspace::Db, key: keyspace::Key<'_>, empty: &mut Option<Value>) -> ValueMut<'a> {
    if let Some(empty) = empty.take() {
        db.insert(key, empty, Deadline::Clear);
    }
    db.get_mut(key).expect("inserted")
}
