//! A loader so simple that it cannot be wrong: the commands a rewrite emits, applied to a keyspace.

use keyspace::{Deadline, HashSeed, Keyspace, Thresholds, UnixMs, Value, ValueMut};
use resp_codec::{Decoded, Limits, RequestDecoder};

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

/// The keyspace that a whole log builds.
pub(crate) fn replay(bytes: &[u8]) -> Keyspace {
    let (commands, valid) = commands(bytes);
    assert_eq!(valid, bytes.len(), "the log is whole");
    apply_all(&commands)
}

/// The keyspace that a sequence of commands builds.
pub(crate) fn apply_all(commands: &[Vec<Vec<u8>>]) -> Keyspace {
    let mut keyspace = empty();
    let mut db = 0;
    for command in commands {
        apply(&mut keyspace, &mut db, command);
    }
    keyspace
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
