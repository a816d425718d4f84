//! KEYS, SCAN, RANDOMKEY: which keys there are. Keys past their deadline are not shown.

use keyspace::EntryRef;
use resp_codec::Args;

use crate::glob::Pattern;
use crate::scan::Options;
use crate::{CommandError, Ctx};

pub(super) fn keys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.store.sees_all();
    let pattern = Pattern::new(args.at(1));
    let begun = ctx.reply.deferred();
    let mut shown = 0;
    for entry in ctx.store.db().iter() {
        if ctx.store.shows(&entry) && pattern.matches(entry.key) {
            ctx.reply.bulk(entry.key);
            shown += 1;
        }
    }
    ctx.reply.finish_array(begun, shown);
    Ok(())
}

pub(super) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    ctx.store.sees_all();
    let cursor = crate::scan::cursor(args.at(1))?;
    let options = Options::parse(args, 2, crate::scan::Over::Keys)?;
    // The cursor is known last but stands first: the keys are held in between.
    let mut found: Vec<&[u8]> = Vec::new();
    let (store, count) = (&ctx.store, options.count);
    let next = store.db().scan(cursor, count, &mut |entry: EntryRef<'_>| {
        if store.shows(&entry) && options.wants(entry.key) && options.wants_type(entry.value.type_name()) {
            found.push(entry.key);
        }
    });
    ctx.reply.array(2);
    crate::scan::reply_cursor(&mut ctx.reply, next);
    ctx.reply.array(found.len());
    for key in found {
        ctx.reply.bulk(key);
    }
    Ok(())
}

pub(super) fn randomkey(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.store.sees_all();
    // Each turn removes a key that is past its deadline, so there is an end; unless all must stay.
    const TRIES_AMONG_KEPT: usize = 100;
    let mut tries = 0;
    loop {
        let Some(name) = ctx.store.db().random_key(ctx.rng).filter(|_| tries < TRIES_AMONG_KEPT) else {
            let shown = ctx.store.db().iter().find(|entry| ctx.store.shows(entry));
            match shown {
                Some(entry) => ctx.reply.bulk(entry.key),
                None => ctx.reply.null(),
            }
            return Ok(());
        };
        tries += usize::from(ctx.store.keep_expired);
        let key = ctx.store.keyspace.key(name);
        if !ctx.store.is_due(key) {
            ctx.reply.bulk(name);
            return Ok(());
        }
        let name = name.to_vec();
        let key = ctx.store.keyspace.key(&name);
        ctx.store.expire_if_due(key);
    }
}
