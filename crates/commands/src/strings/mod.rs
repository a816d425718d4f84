//! Strings and counters.

use keyspace::IntBuf;
use resp_codec::Args;

use crate::command::{Command, Flags, Group, Keys};
use crate::{CommandError, Ctx};

pub(crate) const ROWS: &[Command] = &[Command::data("get", 2, Flags::READONLY | Flags::FAST, Keys::FIRST, get).doc(
    Group::String,
    "1.0.0",
    "O(1)",
    "Returns the value of a key.",
)];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &["GET {k}"];

fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.string(key)? {
        None => ctx.reply.null(),
        Some(value) => ctx.reply.bulk(value.bytes(&mut IntBuf::new())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::harness::check;

    #[test]
    fn a_missing_key_is_nil() {
        check(
            r#"
            > GET a
            nil
            > @resp 3
            > GET a
            nil
            > get
            -ERR wrong number of arguments for 'get' command
            "#,
        );
    }
}
