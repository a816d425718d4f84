//! Which arguments of a request are keys.

use numeric::parse_i64;
use resp_codec::Args;
use smallvec::SmallVec;

use crate::command::{Command, Flags, Keys};

/// The numbers of the arguments that are keys.
pub type Positions = SmallVec<[usize; 8]>;

/// Finds the keys of a request that fits the command's arity; `None` if a count of keys among its arguments is wrong.
/// The request begins at argument `skip`, 0 unless it stands within another; so do the positions.
pub fn getkeys(command: &Command, args: Args<'_>, skip: usize) -> Option<Positions> {
    let argc = args.len().checked_sub(skip)?;
    match command.keys {
        Keys::None => Some(Positions::new()),
        Keys::Range { first, last, step } => {
            let last = if last < 0 {
                argc.checked_sub(usize::from(last.unsigned_abs()))?
            } else {
                usize::from(last.unsigned_abs()).min(argc.checked_sub(1)?)
            };
            Some((usize::from(first)..=last).step_by(usize::from(step)).collect())
        }
        Keys::Numkeys { count_at, destination } => {
            let count_at = usize::from(count_at);
            let count = usize::try_from(parse_i64(args.get(skip + count_at)?)?).ok().filter(|count| *count > 0)?;
            let after = count_at.checked_add(count)?.checked_add(1)?;
            if after > argc {
                return None;
            }
            let target = destination.then_some(1);
            Some(target.into_iter().chain(count_at + 1..after).collect())
        }
    }
}

/// How a command uses its keys, as COMMAND GETKEYSANDFLAGS and the key specifications name it: what is done to the key,
/// then to its value.
pub fn access(command: &Command) -> &'static [&'static str] {
    if command.flags.has(Flags::READONLY) || !command.is_write() {
        &["RO", "access"]
    } else {
        &["RW", "access", "update"]
    }
}
