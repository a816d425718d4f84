//! How the replies of a command are compared: as they are, or in a form in which order, clock and chance play no part.

use commands::Command;
use testkit::Value;

use super::payloads;
use super::step::Request;

/// How a reply is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it is.
    Exact,
    /// Items in any order.
    AnyOrder,
    /// Pairs in any order, flat in RESP2.
    AnyOrderPairs,
    /// Up to the server's clock, in units of so many milliseconds.
    Clock(i64),
    /// Types and lengths alone.
    Shape,
    /// What chance chose from another reply.
    Random,
    /// A part of an iteration: shape, and the items once it is complete.
    Scan,
    /// As SORT leaves it: see `sorting.rs`.
    Sorted,
    /// Without what names the server and the connection.
    Greeting,
    /// By the value that it holds: see `payloads.rs`.
    Payload,
    /// The type alone: it tells of the process, its connections, or everything that the server has.
    Type,
    /// The facts about commands, without sentences and subcommands.
    CommandInfo,
}

impl Manner {
    pub(super) fn of(command: &Command) -> Self {
        match command.name {
            "keys" | "smembers" | "sinter" | "sunion" | "sdiff" | "hkeys" | "hvals" | "spop" => Self::AnyOrder,
            "hgetall" | "config|get" => Self::AnyOrderPairs,
            "ttl" | "expiretime" => Self::Clock(1000),
            "pttl" | "pexpiretime" => Self::Clock(1),
            "time" | "object|idletime" => Self::Shape,
            "srandmember" | "hrandfield" | "zrandmember" | "randomkey" => Self::Random,
            "scan" | "sscan" | "hscan" | "zscan" => Self::Scan,
            "sort" | "sort_ro" => Self::Sorted,
            "dump" => Self::Payload,
            "hello" => Self::Greeting,
            "command|info" => Self::CommandInfo,
            "info"
            | "lastsave"
            | "client|id"
            | "client|info"
            | "client|list"
            | "client|help"
            | "latency|doctor"
            | "latency|help"
            | "latency|histogram"
            | "slowlog|get"
            | "slowlog|len"
            | "command"
            | "command|count"
            | "command|docs"
            | "command|list"
            | "memory|usage"
            | "memory|stats"
            | "memory|doctor"
            | "memory|malloc-stats" => Self::Type,
            _ => Self::Exact,
        }
    }

    /// The reply in the form that is compared.
    pub(super) fn canonical(self, request: &Request, reply: &Value) -> Value {
        match self {
            Self::AnyOrder => sorted(reply.clone()),
            Self::AnyOrderPairs => sorted_pairs(reply),
            Self::Shape => shape(reply),
            Self::Scan => scanned(request, reply),
            Self::Payload => payload(reply),
            Self::Greeting => greeting(reply),
            Self::Type => type_alone(reply),
            // Without names it is about all commands that the server has.
            Self::CommandInfo if request.argv.len() == 2 => Value::Null,
            Self::CommandInfo => command_info(reply),
            Self::Exact | Self::Clock(_) | Self::Random | Self::Sorted => reply.clone(),
        }
    }
}

/// The digest of a payload's value; what is none, as it is.
fn payload(reply: &Value) -> Value {
    let digest = reply.as_bytes().and_then(|payload| payloads::digest(payload).ok());
    digest.map_or_else(|| reply.clone(), Value::Bulk)
}

/// An order of replies, by how they print.
fn by_text(value: &Value) -> String {
    format!("{value:?}")
}

fn sort(items: &mut [Value]) {
    items.sort_by_cached_key(by_text);
}

pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut items) => {
            sort(&mut items);
            Value::Array(items)
        }
        Value::Set(mut items) => {
            sort(&mut items);
            Value::Set(items)
        }
        other => other,
    }
}

fn sorted_pairs(reply: &Value) -> Value {
    match reply {
        Value::Map(pairs) => {
            let mut pairs = pairs.clone();
            pairs.sort_by_cached_key(|(name, _)| by_text(name));
            Value::Map(pairs)
        }
        Value::Array(flat) if flat.len() % 2 == 0 => {
            let mut pairs: Vec<&[Value]> = flat.chunks(2).collect();
            pairs.sort_by_cached_key(|pair| by_text(&pair[0]));
            Value::Array(pairs.concat())
        }
        other => other.clone(),
    }
}

/// The types alone; lengths of strings and numbers are left out.
fn shape(reply: &Value) -> Value {
    match reply {
        Value::Bulk(_) => Value::Bulk(Vec::new()),
        Value::Integer(n) => Value::Integer((*n).clamp(-1, 0)),
        Value::Array(items) => Value::Array(items.iter().map(shape).collect()),
        other => other.clone(),
    }
}

/// The type alone; an error as it is.
fn type_alone(reply: &Value) -> Value {
    match reply {
        Value::Bulk(_) => Value::Bulk(Vec::new()),
        Value::Verbatim { format, .. } => Value::Verbatim { format: *format, text: Vec::new() },
        Value::Integer(_) => Value::Integer(0),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        other => other.clone(),
    }
}

/// Whether a reply is the last of an iteration.
pub(super) fn is_complete(reply: &Value) -> bool {
    matches!(reply.as_items(), Some([cursor, _]) if cursor.as_bytes() == Some(b"0"))
}

/// The items of an iteration that one call completed; the shape of one that was begun elsewhere.
fn scanned(request: &Request, reply: &Value) -> Value {
    match reply.as_items() {
        Some([cursor, items]) if request.word(cursor_at(request)) == b"0" => {
            let paired = matches!(request.command.name, "hscan" | "zscan");
            let items = if paired { sorted_pairs(items) } else { sorted(items.clone()) };
            Value::Array(vec![cursor.clone(), items])
        }
        _ => scan_shape(reply),
    }
}

/// A part of an iteration, without what it holds.
pub(super) fn scan_shape(reply: &Value) -> Value {
    match reply.as_items() {
        Some([Value::Bulk(_), Value::Array(_)]) => {
            Value::Array(vec![Value::Bulk(b"...".to_vec()), Value::Array(Vec::new())])
        }
        _ => reply.clone(),
    }
}

/// Where the cursor stands in a request of the SCAN family.
pub(super) fn cursor_at(request: &Request) -> usize {
    if request.command.name == "scan" { 1 } else { 2 }
}

fn greeting(reply: &Value) -> Value {
    let own = |name: &Value| matches!(name.as_bytes(), Some(b"version" | b"id"));
    let hidden = || Value::Bulk(b"...".to_vec());
    match reply {
        Value::Map(pairs) => {
            let kept =
                pairs.iter().map(|(name, value)| (name.clone(), if own(name) { hidden() } else { value.clone() }));
            Value::Map(kept.collect())
        }
        Value::Array(flat) => {
            let kept = flat.chunks(2).flat_map(|pair| match pair {
                [name, _] if own(name) => vec![name.clone(), hidden()],
                other => other.to_vec(),
            });
            Value::Array(kept.collect())
        }
        other => other.clone(),
    }
}

/// A command's facts; of its subcommands a server has those that it has.
fn command_info(reply: &Value) -> Value {
    const KEY_SPECS: usize = 8;
    let facts = |about: &Value| match about.as_items() {
        Some(parts) => {
            let mut facts: Vec<Value> = parts.iter().take(KEY_SPECS).cloned().map(sorted).collect();
            facts.extend(parts.get(KEY_SPECS).map(without_notes));
            Value::Array(facts)
        }
        None => about.clone(),
    };
    match reply {
        Value::Array(commands) => Value::Array(commands.iter().map(facts).collect()),
        other => other.clone(),
    }
}

/// Key specifications without the sentences on some of them.
fn without_notes(specs: &Value) -> Value {
    let is_note = |name: &Value| name.as_bytes() == Some(b"notes");
    let kept = |spec: &Value| match spec {
        Value::Map(pairs) => Value::Map(pairs.iter().filter(|(name, _)| !is_note(name)).cloned().collect()),
        Value::Array(flat) => {
            Value::Array(flat.chunks(2).filter(|pair| !is_note(&pair[0])).flat_map(<[Value]>::to_vec).collect())
        }
        other => other.clone(),
    };
    Value::Array(specs.as_items().unwrap_or_default().iter().map(kept).collect())
}

/// The rows of a reply: what chance chooses from, or chose. `paired` if a flat reply holds pairs.
fn rows(reply: &Value, paired: bool) -> Vec<Vec<Value>> {
    match reply {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect(),
        Value::Array(items) | Value::Set(items) if items.iter().all(|item| item.as_items().is_some()) => {
            items.iter().map(|item| item.as_items().unwrap_or_default().to_vec()).collect()
        }
        Value::Array(flat) if paired => flat.chunks(2).map(<[Value]>::to_vec).collect(),
        Value::Array(items) | Value::Set(items) => items.iter().map(|item| vec![item.clone()]).collect(),
        Value::Null | Value::NullArray => Vec::new(),
        single => vec![vec![single.clone()]],
    }
}

/// What is wrong with a reply of a random command, given the reply to its witness, if it has one.
pub(super) fn wrong_choice(request: &Request, reply: &Value, witness: Option<&Value>) -> Option<String> {
    let paired = request.argv.len() > 3;
    let chosen = rows(reply, paired);
    let count = std::str::from_utf8(request.word(2)).ok().and_then(|count| count.parse::<i64>().ok());
    let repeats = (1..chosen.len()).any(|i| chosen[i..].contains(&chosen[i - 1]));
    if repeats && count.is_none_or(|count| count >= 0) {
        return Some("an element is answered twice".to_owned());
    }
    let whole = rows(witness?, matches!(request.command.name, "hrandfield" | "zrandmember"));
    let known = |row: &Vec<Value>| whole.iter().any(|known| known.starts_with(row));
    if let Some(stranger) = chosen.iter().find(|row| !known(row)) {
        return Some(format!("{stranger:?} is not among the elements"));
    }
    None
}

/// The shape of a random command's reply: type and length, and those of its items.
pub(super) fn random_shape(reply: &Value) -> Value {
    match reply {
        Value::Array(items) => Value::Array(items.iter().map(random_shape).collect()),
        Value::Set(items) => Value::Set(items.iter().map(random_shape).collect()),
        Value::Bulk(_) => Value::Bulk(Vec::new()),
        Value::Double(_) => Value::Double(0.0),
        other => other.clone(),
    }
}
