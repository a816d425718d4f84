//! Sequences of commands against naive data types: every reply is what the model says, and so is the whole of the data at the end
//! and after a restart from the log.
//!
//! Keys, elements and numbers are drawn from small sets, so that commands meet.

use arbitrary::Unstructured;

use crate::log::Words;
use crate::model::{Model, sorted};
use crate::world::World;

/// The most commands of an input.
const MOST_COMMANDS: usize = 200;

/// What a command takes.
#[derive(Clone, Copy)]
enum Arg {
    Key,
    /// An element, a member, a field, a value.
    Element,
    /// An integer, mostly small.
    Integer,
    /// A place in a string that is not far.
    Offset,
    Score,
    /// Some of what follows, once or more.
    Some(&'static [Arg]),
    OneOf(&'static [&'static str]),
}

use Arg::{Element, Integer, Key, Offset, OneOf, Score, Some};

/// What is drawn.
const COMMANDS: &[(&str, &[Arg])] = &[
    ("SET", &[Key, Element]),
    ("SETNX", &[Key, Element]),
    ("GETSET", &[Key, Element]),
    ("GET", &[Key]),
    ("APPEND", &[Key, Element]),
    ("STRLEN", &[Key]),
    ("SETRANGE", &[Key, Offset, Element]),
    ("GETRANGE", &[Key, Integer, Integer]),
    ("INCRBY", &[Key, Integer]),
    ("DECRBY", &[Key, Integer]),
    ("DEL", &[Some(&[Key])]),
    ("EXISTS", &[Some(&[Key])]),
    ("TYPE", &[Key]),
    ("RENAME", &[Key, Key]),
    ("LPUSH", &[Key, Some(&[Element])]),
    ("RPUSH", &[Key, Some(&[Element])]),
    ("LPOP", &[Key]),
    ("RPOP", &[Key]),
    ("LLEN", &[Key]),
    ("LRANGE", &[Key, Integer, Integer]),
    ("LREM", &[Key, Integer, Element]),
    ("LINSERT", &[Key, OneOf(&["BEFORE", "AFTER"]), Element, Element]),
    ("LSET", &[Key, Integer, Element]),
    ("LINDEX", &[Key, Integer]),
    ("LTRIM", &[Key, Integer, Integer]),
    ("HSET", &[Key, Some(&[Element, Element])]),
    ("HGET", &[Key, Element]),
    ("HDEL", &[Key, Some(&[Element])]),
    ("HLEN", &[Key]),
    ("HGETALL", &[Key]),
    ("HINCRBY", &[Key, Element, Integer]),
    ("SADD", &[Key, Some(&[Element])]),
    ("SREM", &[Key, Some(&[Element])]),
    ("SMEMBERS", &[Key]),
    ("SISMEMBER", &[Key, Element]),
    ("SMOVE", &[Key, Key, Element]),
    ("SINTER", &[Some(&[Key])]),
    ("SUNION", &[Some(&[Key])]),
    ("SDIFF", &[Some(&[Key])]),
    ("SINTERSTORE", &[Key, Some(&[Key])]),
    ("SUNIONSTORE", &[Key, Some(&[Key])]),
    ("SDIFFSTORE", &[Key, Some(&[Key])]),
    ("ZADD", &[Key, Some(&[Score, Element])]),
    ("ZINCRBY", &[Key, Score, Element]),
    ("ZREM", &[Key, Some(&[Element])]),
    ("ZSCORE", &[Key, Element]),
    ("ZCARD", &[Key]),
    ("ZRANK", &[Key, Element]),
    ("ZRANGE", &[Key, Integer, Integer]),
    ("ZREVRANGE", &[Key, Integer, Integer]),
    ("ZRANGEBYSCORE", &[Key, Score, Score]),
    ("ZREMRANGEBYRANK", &[Key, Integer, Integer]),
];

const KEYS: [&str; 4] = ["k0", "k1", "k2", "k3"];

pub(crate) fn run(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let mut requests = Vec::new();
    while !input.is_empty() && requests.len() < MOST_COMMANDS {
        let Ok(request) = request(&mut input) else { break };
        requests.push(request);
    }
    if requests.is_empty() {
        return;
    }
    let (mut world, mut model) = (World::new(), Model::default());
    let replies = world.run(&requests);
    for (i, (request, reply)) in requests.iter().zip(replies).enumerate() {
        let expected = model.reply(request);
        let found = if is_unordered(request) { sorted(reply) } else { reply };
        assert!(found == expected, "{}: {found:?}, and the model says {expected:?}", shown(&requests[..=i]));
    }
    check_contents(&mut world, &mut model, &requests);
    let mut world = world.restarted(|| format!(": {}", shown(&requests)));
    check_contents(&mut world, &mut model, &requests);
}

fn check_contents(world: &mut World, model: &mut Model, requests: &[Words]) {
    let asked = KEYS.map(|key| {
        let words = match model.type_of(key.as_bytes()) {
            "string" => vec!["GET", key],
            "list" => vec!["LRANGE", key, "0", "-1"],
            "set" => vec!["SMEMBERS", key],
            "hash" => vec!["HGETALL", key],
            "zset" => vec!["ZRANGE", key, "0", "-1"],
            _ => vec!["EXISTS", key],
        };
        words.into_iter().map(|word| word.as_bytes().to_vec()).collect::<Words>()
    });
    for (request, reply) in asked.iter().zip(world.run(&asked)) {
        let found = if is_unordered(request) { sorted(reply) } else { reply };
        let expected = model.reply(request);
        assert!(found == expected, "{found:?}, not {expected:?}: {}\nthen {request:?}", shown(requests));
    }
}

fn is_unordered(request: &Words) -> bool {
    matches!(&request[0][..], b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"HGETALL")
}

/// Requests as one may type them.
fn shown(requests: &[Words]) -> String {
    let word = |word: &Vec<u8>| format!("\"{}\"", word.escape_ascii());
    let line = |words: &Words| words.iter().map(word).collect::<Vec<_>>().join(" ");
    requests.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn request(input: &mut Unstructured<'_>) -> arbitrary::Result<Words> {
    let (name, args) = input.choose(COMMANDS)?;
    let mut words = vec![name.as_bytes().to_vec()];
    for arg in *args {
        draw(*arg, input, &mut words)?;
    }
    Ok(words)
}

fn draw(arg: Arg, input: &mut Unstructured<'_>, words: &mut Words) -> arbitrary::Result<()> {
    let word = match arg {
        Key => input.choose(&KEYS)?.as_bytes().to_vec(),
        Element => element(input)?,
        Integer => integer(input)?.to_string().into_bytes(),
        Offset => input.int_in_range(0..=40)?.to_string().into_bytes(),
        Score => input.choose(&["0", "1", "-1", "2", "3", "0.5", "inf", "-inf", "1e300"])?.as_bytes().to_vec(),
        OneOf(choices) => input.choose(choices)?.as_bytes().to_vec(),
        Some(args) => {
            for _ in 0..input.int_in_range(1..=4)? {
                for arg in args {
                    draw(*arg, input, words)?;
                }
            }
            return Ok(());
        }
    };
    words.push(word);
    Ok(())
}

fn element(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    Ok(match input.int_in_range(0..=15)? {
        0..=5 => input.choose(&["a", "b", "c", "", "d\0", "e\r\n"])?.as_bytes().to_vec(),
        6..=9 => input.int_in_range(-3..=12)?.to_string().into_bytes(),
        10 => input.choose(&["007", "-0", "+1", " 1", "1.0", "-"])?.as_bytes().to_vec(),
        11 => integer(input)?.to_string().into_bytes(),
        12 | 13 => vec![b'x'; input.int_in_range(60..=70)?],
        _ => {
            let len = input.int_in_range(0..=6)?;
            input.bytes(len)?.to_vec()
        }
    })
}

fn integer(input: &mut Unstructured<'_>) -> arbitrary::Result<i64> {
    Ok(match input.int_in_range(0..=7)? {
        0..=4 => input.int_in_range(-4..=6)?,
        5 => *input.choose(&[i64::MIN, i64::MAX, i64::MIN + 1, 1 << 31, -(1 << 31), 1 << 32, 255, 256])?,
        6 => input.int_in_range(-40_000..=40_000)?,
        _ => input.arbitrary()?,
    })
}
