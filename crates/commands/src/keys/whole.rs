//! Whether keys exist, what type they have, and their deletion.

use resp_codec::Args;

use crate::{CommandError, Ctx};

/// DEL and UNLINK: large values always go to the background.
pub(super) fn del(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut deleted = 0;
    for name in args.from(1) {
        let key = ctx.store.key(name);
        ctx.store.expire_if_due(key);
        deleted += usize::from(ctx.store.delete(key));
    }
    if deleted > 0 {
        ctx.store.propagate();
    }
    ctx.reply.count(deleted);
    Ok(())
}

/// EXISTS: a key given twice counts twice.
pub(super) fn exists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut found = 0;
    for name in args.from(1) {
        let key = ctx.store.key(name);
        found += usize::from(ctx.store.found(key));
    }
    ctx.reply.count(found);
    Ok(())
}

/// TOUCH: as EXISTS, but the keys count as used.
pub(super) fn touch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut found = 0;
    for name in args.from(1) {
        let key = ctx.store.key(name);
        found += usize::from(ctx.store.read(key).is_some());
    }
    ctx.reply.count(found);
    Ok(())
}

pub(super) fn type_(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let name = ctx.store.read(key.unused()).map_or("none", |value| value.type_name());
    ctx.reply.status(name);
    Ok(())
}
