//! The commands on frequent items: the same kind of rows and handlers as those of the server's own commands.
//!
//! What each does follows from the keyspace and its arguments alone, so it goes into the log as it was sent.

use commands::{CommandError, Ctx, Flags, Group, Keys, Row};
use keyspace::Deadline;
use numeric::parse_i64;
use resp_codec::Args;

use crate::items::{FrequentItems, Item};
use crate::value::{ARGS_PER_ITEM, LOAD_COMMAND};

/// What FREQ.ADD makes where there is none.
const DEFAULT_CAPACITY: i64 = 100;

const WRITE: u32 = Flags::WRITE | Flags::DENYOOM;

/// The rows.
#[rustfmt::skip]
pub static COMMANDS: [Row; 5] = [
    Row::data("freq.reserve", 3, WRITE, Keys::FIRST, reserve)
        .doc(Group::Module, "1.0.0", "O(1)", "Makes a key that counts at most so many items.")
        .takes("key capacity:integer"),
    Row::data("freq.add", -3, WRITE, Keys::FIRST, add)
        .doc(Group::Module, "1.0.0", "O(N*M) by the items given and those counted", "Counts items, and answers which gave way to each.")
        .takes("key item..."),
    Row::data("freq.count", 3, Flags::READONLY, Keys::FIRST, count)
        .doc(Group::Module, "1.0.0", "O(N) by the items counted", "Answers how often an item came, at most.")
        .takes("key item"),
    Row::data("freq.list", -2, Flags::READONLY, Keys::FIRST, list)
        .doc(Group::Module, "1.0.0", "O(N*log(N)) by the items counted", "Answers the items from the most frequent one down.")
        .takes("key [WITHCOUNTS]"),
    Row::data(LOAD_COMMAND, -3, WRITE, Keys::FIRST, load)
        .doc(Group::Module, "1.0.0", "O(N) by the items", "Puts items behind those of a key, as they were: what a rewritten log holds.")
        .takes("key capacity:integer [(item count error:integer)...]"),
];

const NO_CAPACITY: CommandError = CommandError::Text("ERR capacity must be between 1 and 1000");

fn with_capacity(arg: &[u8]) -> Result<FrequentItems, CommandError> {
    FrequentItems::new(parse_i64(arg).ok_or(CommandError::NotAnInteger)?).ok_or(NO_CAPACITY)
}

fn reserve(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let items = with_capacity(args.at(2))?;
    let key = ctx.store.key(args.at(1));
    if ctx.store.exists(key) {
        return Err(CommandError::Text("ERR the key exists already"));
    }
    ctx.store.insert_custom(key, items, Deadline::Clear)?;
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    if ctx.store.custom_mut::<FrequentItems>(key)?.is_none() {
        let items = FrequentItems::new(DEFAULT_CAPACITY).ok_or(NO_CAPACITY)?;
        ctx.store.insert_custom(key, items, Deadline::Clear)?;
    }
    let items = ctx.store.custom_mut::<FrequentItems>(key)?.ok_or(CommandError::NoSuchKey)?;
    ctx.reply.array(args.len() - 2);
    for name in args.from(2) {
        match items.add(name) {
            Some(gone) => ctx.reply.bulk(&gone),
            None => ctx.reply.null(),
        }
    }
    ctx.store.modified(key);
    ctx.store.propagate();
    Ok(())
}

fn count(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = ctx.store.key(args.at(1));
    let items = ctx.store.custom::<FrequentItems>(key)?;
    let count = items.and_then(|items| items.find(args.at(2))).map_or(0, |item| item.count);
    ctx.reply.integer(count);
    Ok(())
}

fn list(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let with_counts = match args.get(2) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"WITHCOUNTS") && args.len() == 3 => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    let key = ctx.store.key(args.at(1));
    let items = ctx.store.custom::<FrequentItems>(key)?.map(FrequentItems::by_count).unwrap_or_default();
    ctx.reply.array(if with_counts { items.len() * 2 } else { items.len() });
    for item in items {
        ctx.reply.bulk(&item.name);
        if with_counts {
            ctx.reply.integer(item.count);
        }
    }
    Ok(())
}

/// All or nothing: the items are put into a copy first, and an error has changed nothing.
fn load(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    const MISFIT: CommandError = CommandError::Text("ERR an item that cannot be there");
    let empty = with_capacity(args.at(2))?;
    if !(args.len() - 3).is_multiple_of(ARGS_PER_ITEM) {
        return Err(CommandError::Syntax);
    }
    let key = ctx.store.key(args.at(1));
    let mut items = ctx.store.custom::<FrequentItems>(key)?.cloned().unwrap_or_else(|| empty.clone());
    if items.capacity() != empty.capacity() {
        return Err(CommandError::Text("ERR the key has another capacity"));
    }
    let mut rest = args.from(3);
    while let (Some(name), Some(count), Some(error)) = (rest.next(), rest.next(), rest.next()) {
        let [count, error] = [count, error].map(|arg| parse_i64(arg).ok_or(CommandError::NotAnInteger));
        if !items.restore(Item { name: name.into(), count: count?, error: error? }) {
            return Err(MISFIT);
        }
    }
    let deadline = ctx.store.db().deadline(key).map_or(Deadline::Clear, Deadline::At);
    ctx.store.insert_custom(key, items, deadline)?;
    ctx.store.propagate();
    ctx.reply.ok();
    Ok(())
}
