//! A key as the commands that rebuild it: those of a rewritten log.

use keyspace::{CannotRewrite, Elem, EmitCommands, IntBuf, UnixMs, Value, ValueRef};
use numeric::DoubleBuf;

/// A command's arguments, its name the first of them.
pub(crate) type Words = Vec<Vec<u8>>;

/// The most items in one command. Source: `AOF_REWRITE_ITEMS_PER_CMD` of Redis 4.0.
const ITEMS_PER_COMMAND: usize = 64;

/// The commands that make a key of this value and this deadline where there is none.
///
/// # Errors
/// If a value of a custom type says that no commands can.
pub(crate) fn rebuild(key: &[u8], value: &Value, deadline: Option<UnixMs>) -> Result<Vec<Words>, CannotRewrite> {
    let mut commands = match value.as_ref() {
        ValueRef::Str(value) => vec![vec![b"SET".to_vec(), key.to_vec(), value.elem().to_vec()]],
        ValueRef::List(list) => in_commands("RPUSH", key, list.iter().map(|elem| [elem.to_vec()])),
        ValueRef::Set(set) => in_commands("SADD", key, set.iter().map(|elem| [elem.to_vec()])),
        ValueRef::Hash(hash) => in_commands("HSET", key, hash.iter().map(|(f, v)| [f.to_vec(), v.to_vec()])),
        ValueRef::ZSet(zset) => in_commands("ZADD", key, zset.iter().map(scored)),
        ValueRef::Custom(custom) => {
            let mut emitted = Emitted::default();
            custom.value().rewrite(key, &mut emitted)?;
            emitted.0
        }
    };
    if let Some(UnixMs(at)) = deadline {
        commands.push(vec![b"PEXPIREAT".to_vec(), key.to_vec(), IntBuf::new().format(at).to_vec()]);
    }
    Ok(commands)
}

/// What a value of a custom type emits.
#[derive(Default)]
struct Emitted(Vec<Words>);

impl EmitCommands for Emitted {
    fn command(&mut self, name: &'static str, _: usize) {
        self.0.push(vec![name.into()]);
    }

    fn arg(&mut self, bytes: &[u8]) {
        // Arguments without a command are no command.
        if let Some(command) = self.0.last_mut() {
            command.push(bytes.to_vec());
        }
    }

    fn arg_int(&mut self, value: i64) {
        self.arg(IntBuf::new().format(value));
    }

    fn arg_double(&mut self, value: f64) {
        self.arg(DoubleBuf::new().format(value));
    }
}

fn scored((member, score): (Elem<'_>, f64)) -> [Vec<u8>; 2] {
    [DoubleBuf::new().format(score).to_vec(), member.to_vec()]
}

/// Items of `N` arguments each, in as few commands as may be.
fn in_commands<const N: usize>(name: &str, key: &[u8], items: impl Iterator<Item = [Vec<u8>; N]>) -> Vec<Words> {
    let mut commands: Vec<Words> = Vec::new();
    for (i, item) in items.enumerate() {
        if i % ITEMS_PER_COMMAND == 0 {
            commands.push(vec![name.into(), key.to_vec()]);
        }
        commands.last_mut().expect("the first item began one").extend(item);
    }
    commands
}

#[cfg(test)]
mod tests {
    use keyspace::{Hash, List, Str, Thresholds, ZSet};

    use super::*;

    fn check(value: &Value, deadline: Option<i64>, expected: &[&str]) {
        let lines: Vec<String> = rebuild(b"k", value, deadline.map(UnixMs))
            .unwrap()
            .iter()
            .map(|words| words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn every_type_comes_as_the_commands_of_a_rewrite() {
        let limits = Thresholds::default();
        check(&Value::Str(Str::new(b"12")), Some(7), &["SET k 12", "PEXPIREAT k 7"]);
        let mut hash = Hash::new();
        hash.set(b"f", b"-1", &limits);
        check(&Value::Hash(hash), None, &["HSET k f -1"]);
        let mut zset = ZSet::new();
        zset.insert(b"m", 0.5, &limits);
        zset.insert(b"far", f64::INFINITY, &limits);
        check(&Value::ZSet(zset), None, &["ZADD k 0.5 m inf far"]);
    }

    #[test]
    fn a_key_comes_in_commands_of_64_items_at_most() {
        let mut list = List::new();
        (0..130).for_each(|i: u32| list.push_back(i.to_string().as_bytes(), &Thresholds::default()));
        let commands = rebuild(b"k", &Value::List(list), None).unwrap();
        assert_eq!(commands.iter().map(Vec::len).collect::<Vec<_>>(), [66, 66, 4]);
        let items: Vec<_> = commands.iter().flat_map(|words| &words[2..]).collect();
        assert_eq!((items.len(), items[129].as_slice()), (130, &b"129"[..]));
    }
}
