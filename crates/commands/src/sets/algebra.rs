//! Intersections, unions and differences of sets, answered, counted or stored.
//!
//! All keys are looked up first, which removes those past their deadline; only then are the sets borrowed together.

use keyspace::{Elem, Key, Set, Value, ValueRef};
use resp_codec::{Args, Reply};

use crate::elems::{at_least, bulk, counted_keys, store_result};
use crate::parse::is;
use crate::{CommandError, Ctx, Store};

/// Looks up every key, so that none is past its deadline, and refuses other types.
fn look_up<'k>(store: &mut Store<'_>, names: impl Iterator<Item = &'k [u8]>) -> Result<Vec<Key<'k>>, CommandError> {
    let mut keys = Vec::with_capacity(names.size_hint().0);
    for name in names {
        let key = store.key(name);
        store.set(key)?;
        keys.push(key);
    }
    Ok(keys)
}

/// The sets of these keys; `None` where there is no such key.
fn sets<'s>(store: &'s Store<'_>, keys: &[Key<'_>]) -> Vec<Option<&'s Set>> {
    let set = |key: &Key<'_>| match store.peek(*key) {
        Some(ValueRef::Set(set)) => Some(set),
        _ => None,
    };
    keys.iter().map(set).collect()
}

/// Visits the members that all sets have, until `visit` answers false.
fn intersection<'s>(sets: &[Option<&'s Set>], mut visit: impl FnMut(Elem<'s>) -> bool) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<_>>>() else { return };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|set| set.contains_elem(member)) && !visit(member) {
            return;
        }
    }
}

/// Visits the members of the first set that no other has.
fn difference<'s>(sets: &[Option<&'s Set>], mut visit: impl FnMut(Elem<'s>)) {
    let Some((Some(first), others)) = sets.split_first() else { return };
    for member in first.iter() {
        if !others.iter().flatten().any(|set| set.contains_elem(member)) {
            visit(member);
        }
    }
}

/// What to make of several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

/// The result as a set of its own.
fn combined(ctx: &Ctx<'_>, operation: Operation, keys: &[Key<'_>]) -> Set {
    let (sets, limits) = (sets(&ctx.store, keys), &ctx.limits.thresholds);
    let mut result = Set::new();
    match operation {
        Operation::Intersection => {
            let smallest = sets.iter().flatten().min_by_key(|set| set.len());
            if !smallest.is_some_and(|set| set.is_ints()) {
                result = Set::new_sequence();
            }
            intersection(&sets, |member| {
                result.insert_elem(member, limits);
                true
            });
            result.become_ints(limits);
        }
        Operation::Difference => difference(&sets, |member| {
            result.insert_elem(member, limits);
        }),
        Operation::Union => {
            for member in sets.iter().flatten().flat_map(|set| set.iter()) {
                result.insert_elem(member, limits);
            }
        }
    }
    result
}

fn reply_set(reply: &mut Reply<'_>, set: &Set) {
    reply.set(set.len());
    set.iter().for_each(|member| bulk(reply, member));
}

pub(super) fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(&mut ctx.store, args.from(1))?;
    let begun = ctx.reply.deferred();
    let mut found = 0;
    intersection(&sets(&ctx.store, &keys), |member| {
        bulk(&mut ctx.reply, member);
        found += 1;
        true
    });
    ctx.reply.finish_set(begun, found);
    Ok(())
}

pub(super) fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(&mut ctx.store, args.from(1))?;
    let begun = ctx.reply.deferred();
    let mut found = 0;
    difference(&sets(&ctx.store, &keys), |member| {
        bulk(&mut ctx.reply, member);
        found += 1;
    });
    ctx.reply.finish_set(begun, found);
    Ok(())
}

pub(super) fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = look_up(&mut ctx.store, args.from(1))?;
    let union = combined(ctx, Operation::Union, &keys);
    reply_set(&mut ctx.reply, &union);
    Ok(())
}

/// `SINTERCARD numkeys key [key …] [LIMIT limit]`
pub(super) fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let names = counted_keys(args, 1)?;
    if names.end > args.len() {
        return Err(CommandError::TooManyNumkeys);
    }
    let mut limit = 0;
    let mut options = args.from(names.end);
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| is(option, "LIMIT")).ok_or(CommandError::Syntax)?;
        limit = at_least(value, 0, "ERR LIMIT can't be negative")?;
    }
    let keys = look_up(&mut ctx.store, args.from(names.start).take(names.len()))?;
    let mut found = 0;
    intersection(&sets(&ctx.store, &keys), |_| {
        found += 1;
        found != limit
    });
    ctx.reply.count(found);
    Ok(())
}

pub(super) fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Operation::Intersection)
}

pub(super) fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Operation::Union)
}

pub(super) fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    store(ctx, args, Operation::Difference)
}

/// Stores the result in place of whatever the destination held; an empty one removes it.
fn store(ctx: &mut Ctx<'_>, args: Args<'_>, operation: Operation) -> Result<(), CommandError> {
    let destination = ctx.store.key(args.at(1));
    let keys = look_up(&mut ctx.store, args.from(2))?;
    let result = combined(ctx, operation, &keys);
    ctx.reply.count(result.len());
    let result = Some(result).filter(|set| !set.is_empty()).map(Value::Set);
    store_result(&mut ctx.store, destination, result);
    Ok(())
}
