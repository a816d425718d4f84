//! SPOP and SRANDMEMBER. A pop is logged as the removal of what it drew.

use keyspace::{Key, Value};
use resp_codec::Args;

use crate::elems::{RandomCount, bulk, distinct_positions, effect_of_elems, took_out};
use crate::{CommandError, Ctx, parse};

/// Of a set of which no more than this part of the popped members is left, what is left is made anew.
///
/// Source: `SPOP_MOVE_STRATEGY_MUL` of Redis 7.2.
const FEW_LEFT: usize = 5;

/// `SPOP key [count]`
pub(super) fn spop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = match args.len() {
        2 => None,
        3 => Some(parse::not_negative(args.at(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let key = ctx.store.key(args.at(1));
    let Some(set) = ctx.store.set_mut(key)? else {
        match count {
            None => ctx.reply.null(),
            Some(_) => ctx.reply.set(0),
        }
        return Ok(());
    };
    match count {
        Some(0) => ctx.reply.set(0),
        Some(count) if count >= set.len() => pop_all(ctx, key),
        Some(count) => {
            let popped: Vec<_> = (0..count).map_while(|_| set.pop_random(ctx.rng)).collect();
            if set.len() * FEW_LEFT <= count {
                set.renew(&ctx.limits.thresholds);
            }
            ctx.reply.set(popped.len());
            popped.iter().for_each(|member| ctx.reply.bulk(member));
            popped_some(ctx, key, &popped);
        }
        None => {
            let popped = set.pop_random(ctx.rng).expect("no key holds an empty set");
            ctx.reply.bulk(&popped);
            popped_some(ctx, key, &[popped]);
        }
    }
    Ok(())
}

fn popped_some(ctx: &mut Ctx<'_>, key: Key<'_>, popped: &[Vec<u8>]) {
    took_out(&mut ctx.store, key);
    effect_of_elems(&mut ctx.store, b"SREM", key, popped);
}

fn pop_all(ctx: &mut Ctx<'_>, key: Key<'_>) {
    let Some((Value::Set(set), _)) = ctx.store.take(key) else { unreachable!("the caller found a set") };
    ctx.reply.set(set.len());
    set.iter().for_each(|member| bulk(&mut ctx.reply, member));
    ctx.store.discard(Some(Value::Set(set)));
    ctx.store.effect(&[b"DEL", key.bytes]);
}

/// `SRANDMEMBER key [count]`
pub(super) fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = match args.len() {
        2 => None,
        3 => Some(RandomCount::parse(args.at(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let key = ctx.store.key(args.at(1));
    let set = ctx.store.set(key)?;
    let Some(count) = count else {
        match set.and_then(|set| set.random(ctx.rng)) {
            None => ctx.reply.null(),
            Some(member) => bulk(&mut ctx.reply, member),
        }
        return Ok(());
    };
    match (set, count) {
        (None, _) => ctx.reply.array(0),
        (Some(set), RandomCount::Distinct(count)) if count >= set.len() => {
            ctx.reply.array(set.len());
            set.iter().for_each(|member| bulk(&mut ctx.reply, member));
        }
        (Some(set), RandomCount::Distinct(count)) => {
            let positions = distinct_positions(ctx.rng, set.len(), count);
            ctx.reply.array(count);
            positions.into_iter().filter_map(|at| set.get_index(at)).for_each(|member| bulk(&mut ctx.reply, member));
        }
        (Some(set), RandomCount::Repeated(count)) => {
            ctx.reply.array(count);
            for member in (0..count).map_while(|_| set.random(ctx.rng)) {
                bulk(&mut ctx.reply, member);
                if ctx.reply.is_full() {
                    break;
                }
            }
        }
    }
    Ok(())
}
