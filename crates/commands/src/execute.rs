//! Runs a data command whose row and arity were checked before.

use resp_codec::Args;

use crate::command::{Command, Run};
use crate::ctx::Ctx;

/// Runs a command: appends its reply, changes the keyspace, records its effects and what it touched.
///
/// # Panics
/// If the row is not a data command, or if the number of arguments does not fit: see [`resolve`](crate::resolve).
pub fn execute(command: &Command, ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Run::Data(handler) = command.run else { unreachable!("{} is no data command", command.name) };
    assert!(command.accepts(args.len()), "{}: arity is checked before", command.name);
    ctx.store.keys.reads_only = !command.is_write();
    let (mark, effects_before) = (ctx.reply.mark(), ctx.store.effects.len());
    let expired_before = ctx.store.keys.expired_effects;
    if let Err(error) = handler(ctx, args) {
        ctx.reply.rollback(mark);
        ctx.reply.error(&error.to_string());
        debug_assert_eq!(
            ctx.store.effects.len() - effects_before,
            ctx.store.keys.expired_effects - expired_before,
            "{}: an error changes nothing",
            command.name
        );
    }
    if ctx.store.keys.reads_only && ctx.store.keys.changed_by_command() {
        change_is_not_logged(command, ctx, mark);
    }
    debug_assert!(ctx.reply.out.len() > mark, "{}: every command replies", command.name);
    debug_assert!(
        ctx.store.replay
            || ctx.store.keys.changed_unlogged
            || ctx.store.effects.is_empty() != ctx.store.keys.changed_anything(),
        "{}: an effect if and only if something changed",
        command.name
    );
}

/// A command of an extension whose row lacks a flag has changed something. Its effect would be a log that no start reads back: it is
/// not recorded, and nobody is told that the change is safe.
#[cold]
fn change_is_not_logged(command: &Command, ctx: &mut Ctx<'_>, mark: usize) {
    ctx.store.keys.changed_unlogged = true;
    ctx.reply.rollback(mark);
    ctx.reply.err(&format!(
        "'{}' changed the dataset, though it is no command that writes: the change is in no log",
        command.name
    ));
}
