//! SORT and SORT_RO: their rows, and the way from a key to its elements in order.
//!
//! The elements are copied first, since a look-up of a key that a pattern names may remove that key. What STORE makes is
//! logged as the list it is, in pieces: its order may depend on keys that the log does not bring back the same way.

mod options;
mod pattern;
mod weights;

use std::ops::Range;

use keyspace::{Elem, IntBuf, List, Value, ValueRef};
use resp_codec::Args;

use crate::command::{Flags, Group, Keys, Row, row};
use crate::elems::{bulk_or_null, effect_of_elems, put_result};
use crate::{CommandError, Ctx, Store};
use options::Options;
use weights::{Texts, Weights};

const READ: u32 = Flags::READONLY | Flags::DANGEROUS | Flags::SORTS;
const WRITE: u32 = Flags::WRITE | Flags::DENYOOM | Flags::DANGEROUS | Flags::SORTS;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    row!(Generic "sort" -2 WRITE, Keys::Sort { stores: true }, sort,
        "key [BY by-pattern:<pattern>@1] [LIMIT offset count] [GET get-pattern:<pattern>@1]... order:[ASC | DESC] \
            [sorting:ALPHA] [STORE destination@2]";
        "1.0.0" "O(N+M*log(M)) by the elements, and those answered"
        "Answers the elements of a list, a set or a sorted set in order, or stores them."),
    row!(Generic "sort_ro" -2 READ, Keys::Sort { stores: false }, sort_ro,
        "key [BY by-pattern:<pattern>@1] [LIMIT offset count] [GET get-pattern:<pattern>@1]... order:[ASC | DESC] \
            [sorting:ALPHA]";
        "7.0.0" "O(N+M*log(M)) by the elements, and those answered"
        "Answers the elements of a list, a set or a sorted set in order."),
];

#[cfg(test)]
pub(crate) const FUZZ: &[&str] = &[
    "SORT {k} {|ALPHA|ALPHA_DESC|DESC} {|LIMIT_{i}_{n}}",
    "SORT {k} ALPHA {|DESC} {|LIMIT_1_{n}} STORE {k}",
    "SORT {k} STORE {k}",
    "SORT {k} BY nosort {|DESC} {|LIMIT_1_{n}} STORE {k}",
    "SORT {k} BY h*->a {|ALPHA} GET # GET h*->b GET s* STORE {k}",
    "SORT {k} BY s* ALPHA {|DESC} STORE {k}",
    "SORT_RO {k} BY s* GET #",
];

/// Values of one piece of a list in the log.
const PIECE_ELEMENTS: usize = 64;

/// The elements of a key, of those at `range` if they come in an order of their own that is to stay.
fn elements(store: &mut Store<'_>, name: &[u8], options: &mut Options<'_>) -> Result<Elements, CommandError> {
    let key = store.key(name);
    let value = store.read(key);
    let mut texts = Texts::default();
    let mut push = |elem: Elem<'_>| texts.push(elem.bytes(&mut IntBuf::new()));
    let in_order = match value {
        None => true,
        Some(ValueRef::List(list)) if !options.sorts => {
            let range = options.range_from_the_end(list.len());
            push_all(list.range(range.start, range.end), options.descending, push);
            true
        }
        Some(ValueRef::ZSet(zset)) if !options.sorts => {
            let members = zset.range(options.range_from_the_end(zset.len())).map(|(member, _)| member);
            push_all(members, options.descending, push);
            true
        }
        Some(ValueRef::List(list)) => {
            list.iter().for_each(push);
            false
        }
        Some(ValueRef::ZSet(zset)) => {
            zset.iter().for_each(|(member, _)| push(member));
            false
        }
        Some(ValueRef::Set(set)) => {
            set.iter().for_each(push);
            // In no order of its own: what is stored is sorted all the same, as in Redis.
            if !options.sorts && options.store.is_some() {
                (options.sorts, options.alpha, options.by) = (true, true, None);
            }
            false
        }
        Some(_) => return Err(CommandError::WrongType),
    };
    let range = if in_order { 0..texts.len() } else { options.range(texts.len()) };
    Ok(Elements { texts, range })
}

fn push_all<'e>(elems: impl DoubleEndedIterator<Item = Elem<'e>>, descending: bool, push: impl FnMut(Elem<'e>)) {
    if descending { elems.rev().for_each(push) } else { elems.for_each(push) }
}

/// What is to be sorted, and which part of the result is wanted.
struct Elements {
    texts: Texts,
    range: Range<usize>,
}

/// The numbers of the elements that are wanted, in order.
fn sorted(ctx: &mut Ctx<'_>, elements: &Elements, options: &Options<'_>) -> Result<Vec<usize>, CommandError> {
    let Elements { texts, range } = elements;
    if !options.sorts {
        return Ok(range.clone().collect());
    }
    let weights = Weights::of(&mut ctx.store, texts, options)?;
    let order = |a: &usize, b: &usize| {
        let order = weights.compare(texts, *a, *b);
        // What weighs the same stays in the order it has.
        (if options.descending { order.reverse() } else { order }).then(a.cmp(b))
    };
    let mut numbers: Vec<usize> = (0..texts.len()).collect();
    if range.is_empty() {
        return Ok(Vec::new());
    }
    if range.end < numbers.len() {
        numbers.select_nth_unstable_by(range.end - 1, order);
        numbers.truncate(range.end);
    }
    numbers.sort_unstable_by(order);
    numbers.drain(..range.start);
    Ok(numbers)
}

/// What is answered or stored for the elements of these numbers: themselves, or what each GET names.
fn for_each_value(
    store: &mut Store<'_>,
    texts: &Texts,
    numbers: &[usize],
    options: &Options<'_>,
    mut visit: impl FnMut(Option<Elem<'_>>),
) {
    let mut name = Vec::new();
    for number in numbers {
        let elem = texts.get(*number);
        if options.get.is_empty() {
            visit(Some(Elem::Bytes(elem)));
        }
        for pattern in &options.get {
            visit(pattern.value(store, elem, &mut name));
        }
    }
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, mut options: Options<'_>) -> Result<(), CommandError> {
    let elements = elements(&mut ctx.store, args.at(1), &mut options)?;
    let numbers = sorted(ctx, &elements, &options)?;
    let count = numbers.len() * options.get.len().max(1);
    if let Some(destination) = options.store {
        let mut values = Vec::with_capacity(count);
        for_each_value(&mut ctx.store, &elements.texts, &numbers, &options, |value| {
            values.push(value.map_or_else(Vec::new, Elem::to_vec));
        });
        store(ctx, destination, &values);
    } else {
        let reply = &mut ctx.reply;
        reply.array(count);
        for_each_value(&mut ctx.store, &elements.texts, &numbers, &options, |value| bulk_or_null(reply, value));
    }
    Ok(())
}

/// Stores values as a list in place of whatever the destination held; none remove it.
fn store(ctx: &mut Ctx<'_>, destination: &[u8], values: &[Vec<u8>]) {
    let destination = ctx.store.key(destination);
    let held = ctx.store.exists(destination);
    let mut list = List::new();
    values.iter().for_each(|value| list.push_back(value, &ctx.limits.thresholds));
    let list = Some(list).filter(|list| !list.is_empty()).map(Value::List);
    put_result(&mut ctx.store, destination, list);
    if held {
        ctx.store.effect(&[b"DEL", destination.bytes]);
    }
    for piece in values.chunks(PIECE_ELEMENTS) {
        effect_of_elems(&mut ctx.store, b"RPUSH", destination, piece);
    }
    ctx.reply.count(values.len());
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC|DESC] [ALPHA] [STORE destination]`
fn sort(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Options::parse(args, true)?)
}

/// The same without STORE.
fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Options::parse(args, false)?)
}

#[cfg(test)]
mod tests;
