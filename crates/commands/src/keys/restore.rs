//! RESTORE: a key with the value that DUMP answered.
//!
//! The effect holds what replay needs to do the same at any time, in any server since Redis 5: the absolute deadline, REPLACE, and the
//! payload as it came, or written anew if it is of a newer version.

use keyspace::{Deadline, IntBuf, Key, LruClock, UnixMs, Value};
use rdb::{Content, Payload, RdbError};
use resp_codec::{Args, MAX_REQUEST_BYTES, bulk_size_bytes};

use super::dump::payload;
use crate::parse::{self, Expiry};
use crate::{CommandError, Ctx};

/// What may follow the payload.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    /// Seconds since the key was used.
    idle_s: Option<u64>,
    /// How often it was used: logged, but not kept here, as there is no LFU policy.
    freq: Option<u8>,
}

impl Options {
    /// Source: `restoreCommand` of Redis 7.2: IDLETIME and FREQ exclude each other, and either may come twice.
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut rest = args.from(4);
        while let Some(arg) = rest.next() {
            if parse::is(arg, "REPLACE") {
                options.replace = true;
            } else if parse::is(arg, "ABSTTL") {
                options.absolute = true;
            } else if parse::is(arg, "IDLETIME") && options.freq.is_none() {
                let idle_s = parse::int(rest.next().ok_or(CommandError::Syntax)?)?;
                let wrong = CommandError::Text("ERR Invalid IDLETIME value, must be >= 0");
                options.idle_s = Some(u64::try_from(idle_s).map_err(|_| wrong)?);
            } else if parse::is(arg, "FREQ") && options.idle_s.is_none() {
                let freq = parse::int(rest.next().ok_or(CommandError::Syntax)?)?;
                let wrong = CommandError::Text("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.freq = Some(u8::try_from(freq).map_err(|_| wrong)?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// The deadline that a time to live means; none if it is 0.
    fn deadline(self, ttl: &[u8], now: UnixMs) -> Result<Option<UnixMs>, CommandError> {
        let unit = if self.absolute { Expiry::UnixMillis } else { Expiry::Millis };
        match parse::int(ttl)? {
            0 => Ok(None),
            ..0 => Err(CommandError::Text("ERR Invalid TTL value, must be >= 0")),
            ttl => unit.deadline(ttl, now).map(Some).ok_or(CommandError::InvalidExpireTime("restore")),
        }
    }
}

/// RESTORE and RESTORE-ASKING.
pub(super) fn restore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Options::parse(args)?;
    let key = ctx.store.key(args.at(1));
    if ctx.store.exists(key) && !options.replace {
        return Err(CommandError::BusyKey);
    }
    let deadline = options.deadline(args.at(2), ctx.store.now)?;
    let sent = Payload::verify(args.at(3)).map_err(|_| CommandError::BadPayload)?;
    let value = match value(ctx, &sent) {
        Ok(value) => value,
        Err(RdbError::Unsupported { what, .. }) => {
            // Redis's words, and what it would have taken.
            ctx.reply.err(&format!("Bad data format: {what} is not supported"));
            return Ok(());
        }
        Err(_) => return Err(CommandError::BadDataFormat),
    };
    ctx.reply.ok();
    if deadline.is_some_and(|at| at <= ctx.store.now) && !ctx.store.replay {
        if ctx.store.delete(key) {
            ctx.store.effect(&[b"DEL", key.bytes]);
        }
        ctx.store.discard(Some(value));
        return Ok(());
    }
    if !ctx.store.replay {
        let written = match sent.is_widely_read() {
            true => None,
            false => Some(payload(value.as_ref(), ctx.limits.compress_dumps)?),
        };
        log(ctx, key, written.as_deref().unwrap_or(args.at(3)), deadline, options)?;
    }
    // As Redis: the key is a new one. A value that takes another's place would have the time of that one's last use while uses don't count.
    let old = ctx.store.take(key).map(|(old, _)| old);
    ctx.store.discard(old);
    ctx.store.insert(used_before(key, options), value, deadline.map_or(Deadline::Clear, Deadline::At));
    Ok(())
}

fn value(ctx: &Ctx<'_>, payload: &Payload<'_>) -> Result<Value, RdbError> {
    let options = rdb::Options {
        limits: ctx.limits.thresholds,
        max_string_bytes: ctx.limits.max_string_bytes as u64,
        types: ctx.store.keyspace.custom_types().clone(),
        ..rdb::Options::default()
    };
    match payload.read(&options)? {
        Content::Value(value) => Ok(value),
        other => unreachable!("these options refuse what is no value: {other:?}"),
    }
}

/// The key as it was used last when it was dumped.
fn used_before(mut key: Key<'_>, options: Options) -> Key<'_> {
    if let Some(idle_s) = options.idle_s {
        // Modulo the clock's 2^24 seconds, as every reading of it.
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
        let idle_s = idle_s as u32;
        key.now = LruClock::new(key.now.reading().wrapping_sub(idle_s));
    }
    key
}

/// Records the effect.
fn log(
    ctx: &mut Ctx<'_>,
    key: Key<'_>,
    payload: &[u8],
    deadline: Option<UnixMs>,
    options: Options,
) -> Result<(), CommandError> {
    let (mut ttl, mut number) = (IntBuf::new(), IntBuf::new());
    let ttl = ttl.format(deadline.map_or(0, |at| at.0));
    let mut words: Vec<&[u8]> = vec![b"RESTORE", key.bytes, ttl, payload, b"REPLACE"];
    if deadline.is_some() {
        words.push(b"ABSTTL");
    }
    if let Some(idle_s) = options.idle_s {
        words.extend([&b"IDLETIME"[..], number.format(idle_s.cast_signed())]);
    } else if let Some(freq) = options.freq {
        words.extend([&b"FREQ"[..], number.format(freq.into())]);
    }
    check_size(&words, MAX_REQUEST_BYTES)?;
    ctx.store.effect(&words);
    Ok(())
}

/// Refuses an effect of more than `most` bytes: it has words that the request did not have, and a payload that may be longer.
fn check_size(words: &[&[u8]], most: usize) -> Result<(), CommandError> {
    /// What stands in front of all arguments, at most.
    const HEAD_BYTES: usize = 16;
    let size = HEAD_BYTES + words.iter().map(|word| bulk_size_bytes(word.len())).sum::<usize>();
    if size > most { Err(CommandError::Text("ERR the value is too large to be logged")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
