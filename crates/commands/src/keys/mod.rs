//! Commands on keys of any type.

use resp_codec::Args;

use crate::command::{Command, Flags, Group, Keys};
use crate::{CommandError, Ctx};

pub(crate) const ROWS: &[Command] =
    &[Command::data("del", -2, Flags::WRITE, Keys::ALL, del).doc(Group::Generic, "1.0.0", "O(N)", "Removes keys.")];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &["DEL {k} {k}"];

fn del(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
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
