//! OBJECT: how a value is represented, as far as that means anything here.

use keyspace::LruClock;
use resp_codec::Args;

use crate::{CommandError, Ctx};

pub(super) fn encoding(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(2));
    match ctx.store.read(key.unused()).map(|value| value.encoding()) {
        None => ctx.reply.null(),
        Some(name) => ctx.reply.bulk(name.as_bytes()),
    }
    Ok(())
}

/// Values are not shared between keys.
pub(super) fn refcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, |_, _| 1)
}

pub(super) fn idletime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, |used, now| used.idle_s(now).into())
}

/// Answers something about when the key was last used and what time it is.
fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, about: fn(LruClock, LruClock) -> i64) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(2));
    let entry = if ctx.store.found(key) { ctx.store.db().entry(key) } else { None };
    match entry.map(|entry| about(entry.used, ctx.store.now.into())) {
        Some(answer) => ctx.reply.integer(answer),
        None => ctx.reply.null(),
    }
    Ok(())
}

pub(super) fn freq(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(2));
    if ctx.store.found(key) {
        return Err(CommandError::Text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.null();
    Ok(())
}

/// The lines of OBJECT HELP. Source: Redis 7.2, as clients show them.
const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Print this help.",
];

pub(super) fn help(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.reply.array(HELP.len());
    for line in HELP {
        ctx.reply.status(line);
    }
    Ok(())
}
