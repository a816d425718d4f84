//! MEMORY USAGE: what a key takes, with its value.

use resp_codec::Args;

use crate::parse::{self, is};
use crate::{CommandError, Ctx};

/// `MEMORY USAGE key [SAMPLES count]`. Large collections are judged by a fixed number of elements, whatever is asked for. As
/// in Redis a key past its deadline is there until it is removed, and asking is no use of it.
pub(super) fn usage(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut options = args.from(3);
    while let Some(option) = options.next() {
        let count = options.next().filter(|_| is(option, "SAMPLES")).ok_or(CommandError::Syntax)?;
        if parse::int(count)? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    let key = ctx.store.key(args.at(2));
    match ctx.store.db().memory_bytes(key) {
        None => ctx.reply.null(),
        Some(bytes) => ctx.reply.count(bytes),
    }
    Ok(())
}
