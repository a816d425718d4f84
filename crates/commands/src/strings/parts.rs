//! Commands on parts of a string.

use keyspace::{Deadline, IntBuf};
use resp_codec::Args;

use crate::{CommandError, Ctx, parse};

pub(super) fn append(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, tail) = (ctx.store.key(args.at(1)), args.at(2));
    let limit = ctx.limits.max_string_bytes;
    let len = match ctx.store.string_mut(key)? {
        None => {
            ctx.store.set_str(key, tail, Deadline::Clear);
            ctx.store.propagate();
            tail.len()
        }
        Some(mut value) => {
            check_len(value.as_ref().len(), tail.len(), limit)?;
            let len = value.append(tail);
            ctx.store.modified(key);
            ctx.store.propagate();
            len
        }
    };
    ctx.reply.count(len);
    Ok(())
}

/// Refuses a string of `at + more` bytes if it is longer than any string may be.
fn check_len(at: usize, more: usize, limit: usize) -> Result<(), CommandError> {
    match at.checked_add(more) {
        Some(len) if len <= limit => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}

pub(super) fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let offset = usize::try_from(parse::int(args.at(2))?).map_err(|_| CommandError::OffsetOutOfRange)?;
    let patch = args.at(3);
    let key = ctx.store.key(args.at(1));
    let limit = ctx.limits.max_string_bytes;
    let len = match ctx.store.string_mut(key)? {
        None if patch.is_empty() => 0,
        None => {
            check_len(offset, patch.len(), limit)?;
            ctx.store.set_str(key, b"", Deadline::Clear);
            let len = ctx.store.string_mut(key)?.map_or(0, |mut value| value.overwrite(offset, patch));
            ctx.store.propagate();
            len
        }
        Some(value) if patch.is_empty() => value.as_ref().len(),
        Some(mut value) => {
            check_len(offset, patch.len(), limit)?;
            let len = value.overwrite(offset, patch);
            ctx.store.modified(key);
            ctx.store.propagate();
            len
        }
    };
    ctx.reply.count(len);
    Ok(())
}

pub(super) fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let (start, end) = (parse::int(args.at(2))?, parse::int(args.at(3))?);
    let key = ctx.store.key(args.at(1));
    match ctx.store.string(key)? {
        None => ctx.reply.bulk(b""),
        Some(value) => {
            let mut buf = IntBuf::new();
            let text = value.bytes(&mut buf);
            ctx.reply.bulk(part(text, start, end));
        }
    }
    Ok(())
}

/// The bytes from `start` to `end`, both inclusive, negative from the end. Unlike in ranges of lists, an end before the
/// first byte means the first byte (as in Redis).
fn part(text: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let absolute = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, end) = (absolute(start).max(0), absolute(end).max(0));
    parse::range(start, end, text.len()).map_or(b"", |range| &text[range])
}
