//! A key as the commands that rebuild it: those of a rewritten log.

use keyspace::{Batches, CannotRewrite, CustomTypes, Elem, Emission, EmitCommands, IntBuf, UnixMs, Value, ValueRef};
use numeric::DoubleBuf;
use resp_codec::{MAX_REQUEST_BYTES, bulk_size_bytes};

/// A command's arguments, its name the first of them.
pub(crate) type Words = Vec<Vec<u8>>;

/// The commands that make a key of this value and this deadline where there is none.
///
/// # Errors
/// If a value of a custom type says that no commands can, or emits what could not be replayed; or if a command would be longer than any
/// may be.
pub(crate) fn rebuild(
    key: &[u8],
    value: &Value,
    deadline: Option<UnixMs>,
    types: &CustomTypes,
) -> Result<Vec<Words>, CannotRewrite> {
    let mut commands = match value.as_ref() {
        ValueRef::Str(value) => vec![vec![b"SET".to_vec(), key.to_vec(), value.elem().to_vec()]],
        ValueRef::List(list) => in_commands("RPUSH", key, list.iter().map(|elem| [elem.to_vec()])),
        ValueRef::Set(set) => in_commands("SADD", key, set.iter().map(|elem| [elem.to_vec()])),
        ValueRef::Hash(hash) => in_commands("HSET", key, hash.iter().map(|(f, v)| [f.to_vec(), v.to_vec()])),
        ValueRef::ZSet(zset) => in_commands("ZADD", key, zset.iter().map(scored)),
        ValueRef::Custom(custom) => {
            let emission = types.emission(custom.value().custom_type());
            let mut emitted = Emitted { commands: Vec::new(), emission, misuse: None };
            custom.value().rewrite(key, &mut emitted)?;
            emitted.finish()?
        }
    };
    if commands.iter().any(|words| !fits_in_log(words)) {
        return Err(CannotRewrite("it takes a command that is longer than any may be"));
    }
    if let Some(UnixMs(at)) = deadline {
        commands.push(vec![b"PEXPIREAT".to_vec(), key.to_vec(), IntBuf::new().format(at).to_vec()]);
    }
    Ok(commands)
}

fn fits_in_log(words: &Words) -> bool {
    /// What stands in front of all arguments, at most.
    const HEAD_BYTES: usize = 16;
    HEAD_BYTES + words.iter().map(|word| bulk_size_bytes(word.len())).sum::<usize>() <= MAX_REQUEST_BYTES
}

/// What a value of a custom type emits, up to the first thing that it may not.
struct Emitted<'t> {
    commands: Vec<Words>,
    emission: Emission<'t>,
    misuse: Option<CannotRewrite>,
}

impl Emitted<'_> {
    fn finish(self) -> Result<Vec<Words>, CannotRewrite> {
        self.misuse.map_or_else(|| self.emission.finish(), Err)?;
        Ok(self.commands)
    }
}

impl EmitCommands for Emitted<'_> {
    fn command(&mut self, name: &'static str, args: usize) {
        if self.misuse.is_none() {
            self.misuse = self.emission.command(name, args).err();
            self.commands.push(vec![name.into()]);
        }
    }

    fn arg(&mut self, bytes: &[u8]) {
        if self.misuse.is_none() {
            self.misuse = self.emission.arg().err();
            self.commands.last_mut().into_iter().for_each(|command| command.push(bytes.to_vec()));
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
    let (mut commands, mut batches): (Vec<Words>, _) = (Vec::new(), Batches::new(key));
    for item in items {
        if batches.next_begins_another(item.iter().map(Vec::len).sum()) || commands.is_empty() {
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
        let lines: Vec<String> = rebuild(b"k", value, deadline.map(UnixMs), &CustomTypes::default())
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
        let commands = rebuild(b"k", &Value::List(list), None, &CustomTypes::default()).unwrap();
        assert_eq!(commands.iter().map(Vec::len).collect::<Vec<_>>(), [66, 66, 4]);
        let items: Vec<_> = commands.iter().flat_map(|words| &words[2..]).collect();
        assert_eq!((items.len(), items[129].as_slice()), (130, &b"129"[..]));
    }

    #[test]
    fn a_key_comes_in_commands_of_several_items_only_up_to_a_megabyte() {
        let (limits, value) = (Thresholds::default(), vec![b'v'; 400_000]);
        let mut hash = Hash::new();
        (0..5).for_each(|i: u32| _ = hash.set(i.to_string().as_bytes(), &value, &limits));
        hash.set(b"large", &vec![b'v'; 2_000_000], &limits);
        let commands = rebuild(b"k", &Value::Hash(hash), None, &CustomTypes::default()).unwrap();
        let mut counts: Vec<_> = commands.iter().map(|words| (words.len() - 2) / 2).collect();
        counts.sort_unstable();
        assert_eq!((counts.iter().sum(), counts.last()), (6, Some(&2)), "{counts:?}");
        let sizes = commands.iter().map(|words| words[2..].iter().map(Vec::len).sum::<usize>());
        assert!(commands.iter().zip(sizes).all(|(words, size)| size <= 1 << 20 || words.len() == 4));
    }
}
