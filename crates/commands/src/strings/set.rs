//! Commands that set strings whole.

use keyspace::{Deadline, IntBuf, UnixMs};
use mutants::{Mutant, planted};
use resp_codec::Args;

use crate::parse::{self, Expiry};
use crate::{CommandError, Ctx};

/// Which options of SET and GETEX a command takes, and what was given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) only_if: Option<OnlyIf>,
    pub(super) get: bool,
    pub(super) lifetime: Lifetime<'a>,
}

/// SET's condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnlyIf {
    Missing,
    Present,
}

/// What becomes of the deadline, as asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lifetime<'a> {
    #[default]
    Unsaid,
    KeepTtl,
    Persist,
    Until(Expiry, &'a [u8]),
}

/// The command that parses its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Set,
    GetEx,
}

impl<'a> Options<'a> {
    /// Parses the arguments from number `from` on.
    pub(super) fn parse(args: Args<'a>, from: usize, dialect: Dialect) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut rest = args.from(from);
        while let Some(arg) = rest.next() {
            if dialect == Dialect::Set && options.parse_condition(arg)? {
                continue;
            }
            let wanted = match Expiry::option(arg) {
                Some(unit) => Lifetime::Until(unit, rest.next().ok_or(CommandError::Syntax)?),
                None if dialect == Dialect::Set && parse::is(arg, "KEEPTTL") => Lifetime::KeepTtl,
                None if dialect == Dialect::GetEx && parse::is(arg, "PERSIST") => Lifetime::Persist,
                None => return Err(CommandError::Syntax),
            };
            // The same kind again overrides, as in Redis; two kinds contradict each other.
            let agrees = match (options.lifetime, wanted) {
                (Lifetime::Unsaid, _) => true,
                (Lifetime::Until(before, _), Lifetime::Until(now, _)) => before == now,
                (before, now) => before == now,
            };
            if !agrees {
                return Err(CommandError::Syntax);
            }
            options.lifetime = wanted;
        }
        Ok(options)
    }

    /// Takes NX, XX and GET; true if `arg` is one of them.
    fn parse_condition(&mut self, arg: &[u8]) -> Result<bool, CommandError> {
        let wanted = if parse::is(arg, "NX") {
            OnlyIf::Missing
        } else if parse::is(arg, "XX") {
            OnlyIf::Present
        } else if parse::is(arg, "GET") {
            self.get = true;
            return Ok(true);
        } else {
            return Ok(false);
        };
        if self.only_if.is_some_and(|before| before != wanted) {
            return Err(CommandError::Syntax);
        }
        self.only_if = Some(wanted);
        Ok(true)
    }
}

/// The deadline that an option of `command` asks for, which must lie after the epoch and fit 64 bits.
pub(super) fn deadline(unit: Expiry, value: &[u8], now: UnixMs, command: &'static str) -> Result<UnixMs, CommandError> {
    let value = parse::int(value)?;
    if value <= 0 {
        return Err(CommandError::InvalidExpireTime(command));
    }
    unit.deadline(value, now).ok_or(CommandError::InvalidExpireTime(command))
}

pub(super) fn set(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() == 3 {
        return set_plainly(ctx, args);
    }
    let options = Options::parse(args, 3, Dialect::Set)?;
    let until = match options.lifetime {
        Lifetime::Until(unit, value) => Some(deadline(unit, value, ctx.store.now, "set")?),
        _ => None,
    };
    let key = ctx.store.key(args.at(1));
    let present = if options.get {
        match ctx.store.string(key)? {
            None => ctx.reply.null(),
            Some(old) => ctx.reply.bulk(old.bytes(&mut IntBuf::new())),
        }
        ctx.store.exists(key)
    } else {
        ctx.store.exists(key)
    };
    if options.only_if.is_some_and(|wanted| present != (wanted == OnlyIf::Present)) {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(());
    }
    if !options.get {
        ctx.reply.ok();
    }
    let value = args.at(2);
    match (until, options.lifetime) {
        (Some(until), _) => set_until(ctx, args.at(1), key, value, until),
        (None, Lifetime::KeepTtl) => {
            let keeps = ctx.store.db().deadline(key).is_some();
            ctx.store.set_str(key, value, Deadline::Keep);
            let effect: &[&[u8]] = &[b"SET", key.bytes, value, b"KEEPTTL"];
            ctx.store.effect(if keeps { effect } else { &effect[..3] });
        }
        (None, _) => {
            ctx.store.set_str(key, value, Deadline::Clear);
            ctx.store.effect(&[b"SET", key.bytes, value]);
        }
    }
    Ok(())
}

/// SET without options: the request is its own effect.
#[inline]
fn set_plainly(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    ctx.store.expire_if_due(key);
    ctx.store.set_str(key, args.at(2), Deadline::Clear);
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}

/// Sets a string with a deadline; value and deadline are one effect, so that a crash cannot leave one of them.
fn set_until(ctx: &mut Ctx<'_>, name: &[u8], key: keyspace::Key<'_>, value: &[u8], until: UnixMs) {
    ctx.store.set_str(key, value, Deadline::At(until));
    if planted(Mutant::SetRelative) {
        ctx.store.propagate();
        return;
    }
    ctx.store.effect(&[b"SET", name, value, b"PXAT", IntBuf::new().format(until.0)]);
}

fn set_with_lifetime(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    unit: Expiry,
    command: &'static str,
) -> Result<(), CommandError> {
    let until = deadline(unit, args.at(2), ctx.store.now, command)?;
    let key = ctx.store.key(args.at(1));
    ctx.store.expire_if_due(key);
    set_until(ctx, args.at(1), key, args.at(3), until);
    ctx.reply.ok();
    Ok(())
}

pub(super) fn setex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_with_lifetime(ctx, args, Expiry::Seconds, "setex")
}

pub(super) fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_with_lifetime(ctx, args, Expiry::Millis, "psetex")
}

pub(super) fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let missing = !ctx.store.exists(key);
    if missing {
        ctx.store.set_str(key, args.at(2), Deadline::Clear);
        ctx.store.propagate();
    }
    ctx.reply.integer(i64::from(missing));
    Ok(())
}

pub(super) fn getset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    match ctx.store.string(key)? {
        None => ctx.reply.null(),
        Some(old) => ctx.reply.bulk(old.bytes(&mut IntBuf::new())),
    }
    ctx.store.set_str(key, args.at(2), Deadline::Clear);
    ctx.store.effect(&[b"SET", key.bytes, args.at(2)]);
    Ok(())
}

/// The keys and values of MSET and MSETNX.
fn pairs<'a>(
    args: Args<'a>,
    command: &'static str,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])>, CommandError> {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(command));
    }
    Ok((1..args.len()).step_by(2).map(move |i| (args.at(i), args.at(i + 1))))
}

pub(super) fn mset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    for (name, value) in pairs(args, "mset")? {
        let key = ctx.store.key(name);
        ctx.store.expire_if_due(key);
        ctx.store.set_str(key, value, Deadline::Clear);
    }
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}

pub(super) fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    for (name, _) in pairs(args, "msetnx")? {
        let key = ctx.store.key(name);
        if ctx.store.exists(key) {
            ctx.reply.integer(0);
            return Ok(());
        }
    }
    for (name, value) in pairs(args, "msetnx")? {
        // Hashed again: remembering all keys would cost more than it saves.
        let key = ctx.store.keyspace.key(name);
        ctx.store.set_str(key, value, Deadline::Clear);
    }
    ctx.store.propagate();
    ctx.reply.integer(1);
    Ok(())
}
