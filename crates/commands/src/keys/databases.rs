//! DBSIZE, FLUSHDB, FLUSHALL, SWAPDB: whole databases.

use keyspace::Db;
use resp_codec::Args;

use crate::{CommandError, Ctx, Garbage, parse};

pub(super) fn dbsize(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Result<(), CommandError> {
    ctx.store.sees_all();
    let keys = ctx.store.db().len();
    ctx.reply.count(keys);
    Ok(())
}

/// Where the old content of a flushed database is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freed {
    /// Before the reply, as the client asked.
    Here,
    /// In the background.
    Elsewhere,
}

/// `SYNC` and `ASYNC`. Without either the memory is freed in the background: nobody can tell but by the pause.
fn freed(args: Args<'_>) -> Result<Freed, CommandError> {
    match args.get(1) {
        None => Ok(Freed::Elsewhere),
        Some(arg) if args.len() == 2 && parse::is(arg, "ASYNC") => Ok(Freed::Elsewhere),
        Some(arg) if args.len() == 2 && parse::is(arg, "SYNC") => Ok(Freed::Here),
        Some(_) => Err(CommandError::Syntax),
    }
}

fn free(ctx: &mut Ctx<'_>, old: Db, freed: Freed) {
    match freed {
        Freed::Here => drop(old),
        Freed::Elsewhere => ctx.store.trash.push(Garbage::Database(old)),
    }
}

pub(super) fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let freed = freed(args)?;
    ctx.store.sees_all();
    if let Some(old) = ctx.store.clear() {
        free(ctx, old, freed);
        ctx.store.propagate();
    }
    ctx.reply.ok();
    Ok(())
}

pub(super) fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let freed = freed(args)?;
    ctx.store.sees_all();
    let mut flushed = false;
    for db in 0..ctx.store.keyspace.databases() {
        if let Some(old) = ctx.store.in_db(db, |store| store.clear()) {
            free(ctx, old, freed);
            flushed = true;
        }
    }
    if flushed {
        ctx.store.propagate();
    }
    ctx.reply.ok();
    Ok(())
}

pub(super) fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let databases = ctx.store.keyspace.databases();
    let index = |arg: &[u8], not_a_number| match parse::db_index(arg, databases) {
        Err(CommandError::DbIndexOutOfRange) => Ok(None),
        Err(_) => Err(CommandError::Text(not_a_number)),
        Ok(db) => Ok(Some(db)),
    };
    let a = index(args.at(1), "ERR invalid first DB index")?;
    let b = index(args.at(2), "ERR invalid second DB index")?;
    let (Some(a), Some(b)) = (a, b) else { return Err(CommandError::DbIndexOutOfRange) };
    ctx.store.sees_all();
    if a != b {
        ctx.store.swap(a, b);
        ctx.store.propagate();
    }
    ctx.reply.ok();
    Ok(())
}
