//! What COMMAND and COMMAND INFO reply about a command.

use resp_codec::Reply;

use crate::command::{Command, Flags, Group, Keys};
use crate::key_specs::{FindKeys, KeySpec, key_specs};
use crate::table::subcommands;
use crate::tips::tips;

/// The flags that are shown, in Redis's order.
const SHOWN_FLAGS: &[(u32, &str)] = &[
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::MODULE, "module"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::MAY_REPLICATE, "may_replicate"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLEKEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
];

/// The names of a command's flags, in Redis's order.
pub fn flag_names(command: &Command) -> impl Iterator<Item = &'static str> {
    let flags = command.flags;
    SHOWN_FLAGS.iter().filter(move |(flag, _)| flags.has(*flag)).map(|(_, name)| *name)
}

/// The ACL categories of a command, without `@`, in Redis's order.
pub fn categories(command: &Command) -> impl Iterator<Item = &'static str> {
    let flags = command.flags;
    let container = flags.has(Flags::CONTAINER);
    let group = if flags.has(Flags::CONNECTION_CATEGORY) { Group::Connection } else { command.docs.group };
    let sorts = flags.has(Flags::SORTS);
    let of_group = |wanted: Group| group == wanted && !sorts && (!container || flags.has(Flags::CONNECTION_CATEGORY));
    let admin = flags.has(Flags::ADMIN | Flags::ADMIN_CATEGORY);
    [
        (of_group(Group::Generic) || flags.has(Flags::KEYSPACE_CATEGORY), "keyspace"),
        (flags.has(Flags::READONLY), "read"),
        (flags.has(Flags::WRITE), "write"),
        (of_group(Group::Set) || sorts, "set"),
        (of_group(Group::SortedSet) || sorts, "sortedset"),
        (of_group(Group::List) || sorts, "list"),
        (of_group(Group::Hash), "hash"),
        (of_group(Group::String), "string"),
        (of_group(Group::Bitmap), "bitmap"),
        (flags.has(Flags::PUBSUB), "pubsub"),
        (admin, "admin"),
        (flags.has(Flags::FAST), "fast"),
        (!flags.has(Flags::FAST), "slow"),
        (flags.has(Flags::BLOCKING), "blocking"),
        (flags.has(Flags::DANGEROUS | Flags::ADMIN | Flags::ADMIN_CATEGORY), "dangerous"),
        (of_group(Group::Connection), "connection"),
        (of_group(Group::Transactions), "transaction"),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, name)| name)
}

/// The first key, the last and the step, as the old form of COMMAND INFO shows them. Keys that a count announces are
/// not covered.
pub fn key_range(keys: Keys) -> (i64, i64, i64) {
    match keys {
        Keys::None | Keys::Numkeys { destination: false, .. } => (0, 0, 0),
        Keys::Numkeys { destination: true, .. } | Keys::Sort { .. } => (1, 1, 1),
        Keys::Range { first, last, step } => (i64::from(first), i64::from(last), i64::from(step)),
    }
}

/// A set of words.
pub(crate) fn statuses(reply: &mut Reply<'_>, names: impl Iterator<Item = impl AsRef<str>>) {
    let begun = reply.deferred();
    let mut count = 0;
    for name in names {
        reply.status(name.as_ref());
        count += 1;
    }
    reply.finish_set(begun, count);
}

/// Appends one element of COMMAND INFO.
pub fn command_info(reply: &mut Reply<'_>, command: &Command) {
    let (first, last, step) = key_range(command.keys);
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(i64::from(command.arity));
    statuses(reply, flag_names(command));
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    statuses(reply, categories(command).map(|name| format!("@{name}")));
    let tips = tips(command);
    reply.set(tips.len());
    for tip in tips {
        reply.bulk(tip.as_bytes());
    }
    let specs = key_specs(command);
    reply.set(specs.len());
    for spec in &specs {
        key_spec(reply, spec);
    }
    let subs = subcommands(command);
    match subs.clone().count() {
        0 => reply.set(0),
        count => reply.array(count),
    }
    for sub in subs {
        command_info(reply, sub);
    }
}

fn key_spec(reply: &mut Reply<'_>, spec: &KeySpec) {
    let index = i64::try_from(spec.index).unwrap_or(i64::MAX);
    reply.map(3);
    reply.bulk(b"flags");
    statuses(reply, spec.uses());
    reply.bulk(b"begin_search");
    match spec.find {
        FindKeys::Patterns | FindKeys::Store => search(reply, "unknown", &[]),
        FindKeys::Range { .. } | FindKeys::Keynum => search(reply, "index", &[("index", index)]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        FindKeys::Range { last, step } => {
            let (last, step) = (i64::try_from(last).unwrap_or(-1), i64::try_from(step).unwrap_or(i64::MAX));
            search(reply, "range", &[("lastkey", last), ("keystep", step), ("limit", 0)]);
        }
        FindKeys::Patterns | FindKeys::Store => search(reply, "unknown", &[]),
        FindKeys::Keynum => search(reply, "keynum", &[("keynumidx", 0), ("firstkey", 1), ("keystep", 1)]),
    }
}

/// A part of a key specification: its type and the numbers that belong to it.
fn search(reply: &mut Reply<'_>, kind: &str, numbers: &[(&str, i64)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(*number);
    }
}
