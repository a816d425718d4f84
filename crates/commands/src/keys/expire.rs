//! Deadlines of keys. Whatever way a deadline was asked for, its effect holds the absolute millisecond (F3).

use keyspace::{IntBuf, UnixMs};
use mutants::{Mutant, planted};
use resp_codec::Args;

use crate::parse::{self, Expiry};
use crate::{CommandError, Ctx};

pub(super) fn expire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Expiry::Seconds, "expire")
}

pub(super) fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Expiry::Millis, "pexpire")
}

pub(super) fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Expiry::UnixSeconds, "expireat")
}

pub(super) fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    set_deadline(ctx, args, Expiry::UnixMillis, "pexpireat")
}

/// The conditions of EXPIRE. Several may hold at once.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Self, Refused<'_>> {
        let mut conditions = Self::default();
        for arg in args.from(3) {
            let flag = if parse::is(arg, "NX") {
                &mut conditions.nx
            } else if parse::is(arg, "XX") {
                &mut conditions.xx
            } else if parse::is(arg, "GT") {
                &mut conditions.gt
            } else if parse::is(arg, "LT") {
                &mut conditions.lt
            } else {
                return Err(Refused::Unsupported(arg));
            };
            *flag = true;
        }
        let Self { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(Refused::Incompatible("NX and XX, GT or LT options at the same time are not compatible"));
        }
        if gt && lt {
            return Err(Refused::Incompatible("GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether a key with the deadline `current` may get the deadline `wanted`. No deadline counts as infinitely late.
    fn allow(self, current: Option<UnixMs>, wanted: UnixMs) -> bool {
        !(self.nx && current.is_some()
            || self.xx && current.is_none()
            || self.gt && current.is_none_or(|current| wanted <= current)
            || self.lt && current.is_some_and(|current| wanted >= current))
    }
}

/// Why options were refused; quotes bytes of the client, which a `CommandError` does not.
enum Refused<'a> {
    Unsupported(&'a [u8]),
    Incompatible(&'static str),
}

impl Refused<'_> {
    fn reply(&self, ctx: &mut Ctx<'_>) {
        match self {
            Self::Unsupported(arg) => ctx.reply.err_bytes(&[b"Unsupported option ", *arg].concat()),
            Self::Incompatible(text) => ctx.reply.err(text),
        }
    }
}

fn set_deadline(ctx: &mut Ctx<'_>, args: Args<'_>, unit: Expiry, command: &'static str) -> Result<(), CommandError> {
    let conditions = match Conditions::parse(args) {
        Ok(conditions) => conditions,
        Err(refused) => {
            refused.reply(ctx);
            return Ok(());
        }
    };
    let wanted = parse::int(args.at(2))?;
    // A negative deadline lies in the past like any other.
    let wanted = unit.deadline(wanted, ctx.store.now).ok_or(CommandError::InvalidExpireTime(command))?;
    let key = ctx.store.key(args.at(1));
    let allowed = ctx.store.exists(key) && conditions.allow(ctx.store.db().deadline(key), wanted);
    ctx.reply.integer(i64::from(allowed));
    if !allowed {
        return Ok(());
    }
    if wanted <= ctx.store.now && !ctx.store.replay {
        ctx.store.delete(key);
        ctx.store.effect(&[b"DEL", key.bytes]);
    } else {
        ctx.store.set_deadline(key, Some(wanted));
        if planted(Mutant::ExpireRelative) {
            ctx.store.propagate();
            return Ok(());
        }
        ctx.store.effect(&[b"PEXPIREAT", key.bytes, IntBuf::new().format(wanted.0)]);
    }
    Ok(())
}

pub(super) fn persist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let had_one = ctx.store.exists(key) && ctx.store.db().deadline(key).is_some();
    if had_one {
        ctx.store.set_deadline(key, None);
        ctx.store.propagate();
    }
    ctx.reply.integer(i64::from(had_one));
    Ok(())
}

pub(super) fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, |deadline, now| seconds(left(deadline, now)))
}

pub(super) fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, left)
}

pub(super) fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, |deadline, _| seconds(deadline.0))
}

pub(super) fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(ctx, args, |deadline, _| deadline.0)
}

fn left(deadline: UnixMs, now: UnixMs) -> i64 {
    deadline.0.saturating_sub(now.0).max(0)
}

/// Milliseconds as seconds, rounded half up.
fn seconds(millis: i64) -> i64 {
    millis.saturating_add(500) / 1000
}

/// Answers something about a deadline: -2 without such a key, -1 without a deadline.
fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, about: impl Fn(UnixMs, UnixMs) -> i64) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let answer = if ctx.store.found(key) {
        ctx.store.db().deadline(key).map_or(-1, |deadline| about(deadline, ctx.store.now))
    } else {
        -2
    };
    ctx.reply.integer(answer);
    Ok(())
}
