//! What COMMAND replies about a row.

use resp_codec::Reply;

use crate::command::{Command, Flags, Group, Keys};
use crate::getkeys::access;
use crate::table::{TABLE, subcommands};

/// The flags that are shown, in Redis's order.
const SHOWN_FLAGS: &[(u32, &str)] = &[
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
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
    let group = if flags.has(Flags::CONNECTION_CATEGORY) { Group::Connection } else { command.docs().group };
    let of_group = |wanted: Group| group == wanted && (!container || flags.has(Flags::CONNECTION_CATEGORY));
    let admin = flags.has(Flags::ADMIN | Flags::ADMIN_CATEGORY);
    [
        (of_group(Group::Generic) || flags.has(Flags::KEYSPACE_CATEGORY), "keyspace"),
        (flags.has(Flags::READONLY), "read"),
        (flags.has(Flags::WRITE), "write"),
        (of_group(Group::Set), "set"),
        (of_group(Group::SortedSet), "sortedset"),
        (of_group(Group::List), "list"),
        (of_group(Group::Hash), "hash"),
        (of_group(Group::String), "string"),
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
        Keys::Numkeys { destination: true, .. } => (1, 1, 1),
        Keys::Range { first, last, step } => (i64::from(first), i64::from(last), i64::from(step)),
    }
}

fn statuses(reply: &mut Reply<'_>, names: impl Iterator<Item = impl AsRef<str>>) {
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
    // Tips are for proxies and clusters.
    reply.set(0);
    key_specs(reply, command);
    let subs = subcommands(command);
    match subs.clone().count() {
        0 => reply.set(0),
        count => reply.array(count),
    }
    for sub in subs {
        command_info(reply, sub);
    }
}

fn key_specs(reply: &mut Reply<'_>, command: &Command) {
    let field = |reply: &mut Reply<'_>, name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    };
    let begin = |reply: &mut Reply<'_>, index: i64| {
        reply.map(3);
        reply.bulk(b"flags");
        statuses(reply, access(command).iter());
        reply.bulk(b"begin_search");
        reply.map(2);
        reply.bulk(b"type");
        reply.bulk(b"index");
        reply.bulk(b"spec");
        reply.map(1);
        field(reply, "index", index);
        reply.bulk(b"find_keys");
        reply.map(2);
        reply.bulk(b"type");
    };
    let range = |reply: &mut Reply<'_>, first: i64, last: i64, step: i64| {
        begin(reply, first);
        reply.bulk(b"range");
        reply.bulk(b"spec");
        reply.map(3);
        // Relative to the first, unless from the end.
        field(reply, "lastkey", if last < 0 { last } else { last - first });
        field(reply, "keystep", step);
        field(reply, "limit", 0);
    };
    match command.keys {
        Keys::None => reply.set(0),
        Keys::Range { first, last, step } => {
            reply.set(1);
            range(reply, first.into(), last.into(), step.into());
        }
        Keys::Numkeys { count_at, destination } => {
            reply.set(1 + usize::from(destination));
            if destination {
                range(reply, 1, 1, 1);
            }
            begin(reply, count_at.into());
            reply.bulk(b"keynum");
            reply.bulk(b"spec");
            reply.map(3);
            field(reply, "keynumidx", 0);
            field(reply, "firstkey", 1);
            field(reply, "keystep", 1);
        }
    }
}

/// Appends one pair of COMMAND DOCS: the name and what is said about it.
pub fn command_docs(reply: &mut Reply<'_>, command: &Command) {
    let subs = subcommands(command);
    let count = subs.clone().count();
    let docs = command.docs();
    let cost = (!docs.complexity.is_empty()).then_some(("complexity", docs.complexity));
    let fields = [("summary", docs.summary), ("since", docs.since), ("group", docs.group.name())];
    reply.bulk(command.name.as_bytes());
    reply.map(fields.len() + usize::from(cost.is_some()) + usize::from(count > 0));
    for (name, text) in fields.into_iter().chain(cost) {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if count > 0 {
        reply.bulk(b"subcommands");
        reply.map(count);
        for sub in subs {
            command_docs(reply, sub);
        }
    }
}

/// All commands that are no subcommands.
pub fn commands() -> impl Iterator<Item = &'static Command> + Clone {
    TABLE.iter().filter(|command| !command.is_subcommand())
}
