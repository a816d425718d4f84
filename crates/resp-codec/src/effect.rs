//! Effects: what a command did, as the commands that repeat it on replay.
//!
//! `commands` records them, `aof-buffer` feeds them; neither needs to know the other. An effect that is the request
//! itself is only marked, not copied: the caller still holds the request's bytes.
//!
//! Invariant: every encoded effect is one complete canonical multibulk command.

use crate::Args;
use crate::encode::{encode_array_header, encode_bulk, encode_bulk_int, encode_command};

/// One command to be logged, and the database it ran in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect<'a> {
    /// The database, from 0.
    pub db: u32,
    /// One canonical multibulk command: `*argc`, then `$len` and the bytes of each argument.
    pub command: &'a [u8],
}

/// The effects of one command or transaction, in order. Reused from command to command: `clear` keeps its memory.
#[derive(Debug, Default)]
pub struct Effects {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Encoded { db: u32, start: usize, end: usize },
    Verbatim { db: u32 },
}

impl Effects {
    /// Forgets all effects, keeping a bounded amount of memory for the next command.
    pub fn clear(&mut self) {
        const KEEP_BYTES: usize = 64 * 1024;
        self.items.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_BYTES);
    }

    /// The number of effects recorded.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the command changed nothing so far.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Records that the request propagates as it was sent.
    pub fn push_verbatim(&mut self, db: u32) {
        self.items.push(Item::Verbatim { db });
    }

    /// Records the command made of `args`.
    pub fn push(&mut self, db: u32, args: &[&[u8]]) {
        let mut e = self.begin(db, args.len());
        for a in args {
            e.arg(a);
        }
        e.finish();
    }

    /// Starts a command of exactly `argc` arguments, to be given one by one.
    ///
    /// # Panics
    /// The returned writer panics in `finish` if another number of arguments was given.
    pub fn begin(&mut self, db: u32, argc: usize) -> EffectWriter<'_> {
        let start = self.bytes.len();
        encode_array_header(&mut self.bytes, argc);
        EffectWriter { effects: self, db, start, left: argc }
    }

    /// The effects in order. A verbatim one is `request`; where that is not canonical (a multibulk request with stray
    /// bytes in place of line ends, which no client library sends), it is encoded anew.
    pub fn for_each(&self, request: &Args<'_>, mut f: impl FnMut(Effect<'_>)) {
        for item in &self.items {
            match *item {
                Item::Encoded { db, start, end } => f(Effect { db, command: &self.bytes[start..end] }),
                Item::Verbatim { db } => match request.verbatim() {
                    Some(command) => f(Effect { db, command }),
                    None => {
                        let mut command = Vec::new();
                        encode_command(&mut command, request.from(0));
                        f(Effect { db, command: &command });
                    }
                },
            }
        }
    }
}

/// Takes the arguments of one effect. Made by [`Effects::begin`].
#[must_use = "an effect must be finished"]
pub struct EffectWriter<'a> {
    effects: &'a mut Effects,
    db: u32,
    start: usize,
    left: usize,
}

impl EffectWriter<'_> {
    /// Appends one argument.
    ///
    /// # Panics
    /// If more are given than announced.
    pub fn arg(&mut self, bytes: &[u8]) -> &mut Self {
        assert!(self.left > 0, "more arguments than announced");
        self.left -= 1;
        encode_bulk(&mut self.effects.bytes, bytes);
        self
    }

    /// Appends one argument that is an integer.
    pub fn arg_int(&mut self, value: i64) -> &mut Self {
        assert!(self.left > 0, "more arguments than announced");
        self.left -= 1;
        encode_bulk_int(&mut self.effects.bytes, value);
        self
    }

    /// Ends the effect.
    ///
    /// # Panics
    /// If fewer arguments were given than announced.
    pub fn finish(self) {
        assert!(self.left == 0, "fewer arguments than announced");
        let end = self.effects.bytes.len();
        self.effects.items.push(Item::Encoded { db: self.db, start: self.start, end });
    }
}
