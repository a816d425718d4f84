//! Draws a sequence of requests from a seed: which commands, by which client, in which transactions.

use std::collections::BTreeSet;

use commands::command::Group;
use commands::{Command, Flags};

use super::denied::{drawn, is_session};
use super::domains::RangeBy;
use super::draw::{request, takes_time};
use super::step::{Request, Step};
use super::values::{NO_LEX_KEY, Values, all_keys};

/// How many clients take part. The first sends almost everything; the others break its watches.
pub(super) const CLIENTS: usize = 2;
/// How many databases the commands go to.
pub(super) const DATABASES: u32 = 4;
/// How many requests in a hundred are spoiled.
const SPOIL_PERCENT: u32 = 12;
/// The same inside a transaction, which a refused command spoils as a whole.
const SPOIL_IN_MULTI_PERCENT: u32 = 2;

/// Thresholds that `known.rs` has to know of where they are lowered.
pub(super) const INTSET_THRESHOLD: &str = "set-max-intset-entries";
pub(super) const LIST_THRESHOLD: &str = "list-max-listpack-size";

/// Which sequences have SORT: it changes the representation of sorted sets in Redis, so that `known.rs` excuses more.
const SORTS_EVERY: u64 = 3;

/// A sequence.
#[derive(Debug)]
pub(super) struct Sequence {
    /// What is sent, in this order.
    pub(super) steps: Vec<Step>,
    /// The absolute deadlines in it, in milliseconds.
    pub(super) absolute_ms: BTreeSet<i64>,
    /// The step before which the log is rewritten in the background; if none, the log is read as it was fed.
    pub(super) rewrite_before: Option<usize>,
}

/// How often a command is drawn, compared with others.
fn weight(command: &Command) -> usize {
    match command.name {
        "flushall" | "flushdb" => 1,
        // Without a subcommand there is an error and nothing else.
        _ if command.flags.has(Flags::CONTAINER) => 2,
        "swapdb" | "multi" | "watch" | "object|help" | "command|help" => 2,
        "hello" | "exec" | "select" => 4,
        "reset" | "unwatch" | "discard" | "auth" | "debug" => 8,
        "set" | "rpush" | "lpush" | "sadd" | "hset" | "zadd" => 45,
        "mset" | "expire" | "expireat" | "pexpire" | "pexpireat" | "getex" | "zrange" | "zrangestore"
        | "zunionstore" | "zinterstore" => 20,
        "config|get" | "config|set" | "client|setname" | "client|setinfo" | "client|list" => 10,
        _ if is_sort(command) => 40,
        _ if is_session(command) => 5,
        "bitfield" => 50,
        "restore" | "dump" => 40,
        "setbit" | "bitop" | "lcs" => 20,
        _ if command.docs.group == Group::Generic => 9,
        "command|getkeys" | "command|getkeysandflags" | "command|info" => 20,
        _ if command.docs.group == Group::Server => 6,
        _ => 12,
    }
}

/// Whether it is SORT or SORT_RO.
pub(super) fn is_sort(command: &Command) -> bool {
    matches!(command.name, "sort" | "sort_ro")
}

/// A random command and the one whose reply says what it may answer, about the same key.
fn witness(random: &Request) -> Option<Request> {
    let key = random.first_key().unwrap_or_default();
    match random.command.name {
        "srandmember" => Some(Request::of(&[b"SMEMBERS", key])),
        "hrandfield" => Some(Request::of(&[b"HGETALL", key])),
        "zrandmember" => Some(Request::of(&[b"ZRANGE".as_slice(), key, b"0", b"-1", b"WITHSCORES"])),
        "randomkey" => Some(Request::of(&["KEYS", "*"])),
        "object|encoding" | "sort" | "sort_ro" => Some(Request::of(&[b"TYPE", key])),
        _ => None,
    }
}

/// Whether an older server refuses a number of arguments that a newer one takes. That spoils a whole transaction.
fn may_be_refused_before_7_2(command: &Command) -> bool {
    matches!(command.name, "zrank" | "zrevrank" | "command|getkeys" | "command|getkeysandflags")
}

/// Deals commands so that each comes as often as its weight says.
struct Deck {
    all: Vec<&'static Command>,
    left: Vec<&'static Command>,
}

impl Deck {
    fn new(with_sorts: bool) -> Self {
        let dealt = drawn().filter(|command| with_sorts || !is_sort(command));
        let all = dealt.flat_map(|command| std::iter::repeat_n(command, weight(command))).collect();
        Self { all, left: Vec::new() }
    }

    fn deal(&mut self, values: &mut Values) -> &'static Command {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
            values.rng().shuffle(&mut self.left);
        }
        self.left.pop().expect("the table is not empty")
    }

    /// One that a transaction may hold.
    fn deal_queued(&mut self, values: &mut Values) -> &'static Command {
        loop {
            let command = self.deal(values);
            let refused = values.before_7_2() && may_be_refused_before_7_2(command);
            if (!is_session(command) || command.name == "select") && !refused {
                return command;
            }
        }
    }
}

/// Draws a sequence of about `length` requests.
///
/// `base_ms` is the time from which deadlines are counted; with `before_7_2`, what is new in 7.2 is left out where it would
/// change what comes after it.
pub(super) fn draw(seed: u64, length: usize, base_ms: i64, before_7_2: bool) -> Sequence {
    let deck = Deck::new(seed.is_multiple_of(SORTS_EVERY));
    let values = Values::new(seed, base_ms, before_7_2).without_smallest_floats(seed.is_multiple_of(SORTS_EVERY));
    let mut writer = Writer { values, deck, steps: Vec::new() };
    // Redis 7.2.4 answers this only while no other reply waits to be sent: it stands alone.
    writer.push(0, Request::of(&["AUTH", "somebody", "secret"]));
    if seed % 2 == 1 {
        writer.push(0, Request::of(&["HELLO", "3"]));
    }
    if writer.values.chance(60) {
        writer.lower_thresholds();
    }
    while writer.steps.len() < length {
        match writer.values.rng().u8(..100) {
            0..=4 => writer.transaction(),
            5..=46 => writer.watched_transaction(),
            47..=48 => writer.single(CLIENTS - 1),
            _ => writer.single(0),
        }
    }
    let rewrite_before = writer.values.chance(70).then(|| writer.values.rng().usize(..writer.steps.len()));
    Sequence { steps: writer.steps, absolute_ms: writer.values.into_absolute_ms(), rewrite_before }
}

struct Writer {
    values: Values,
    deck: Deck,
    steps: Vec<Step>,
}

impl Writer {
    fn push(&mut self, client: usize, request: Request) {
        self.steps.push(Step { client, request });
    }

    fn lower_thresholds(&mut self) {
        for directive in [
            "hash-max-listpack-entries",
            "hash-max-listpack-value",
            "zset-max-listpack-entries",
            "zset-max-listpack-value",
            "set-max-listpack-entries",
            "set-max-listpack-value",
            "list-max-listpack-size",
        ] {
            let value = *self.values.pick(&["0", "1", "3", "6", "10", "64"]);
            if self.values.before_7_2() && directive.starts_with("set-") {
                continue;
            }
            self.push(0, Request::of(&["CONFIG", "SET", directive, value]));
        }
        if self.values.chance(40) {
            let value = *self.values.pick(&["0", "1", "3", "6"]);
            self.push(0, Request::of(&["CONFIG", "SET", INTSET_THRESHOLD, value]));
        }
    }

    fn single(&mut self, client: usize) {
        let mut command = self.deck.deal(&mut self.values);
        while command.flags.has(Flags::BLOCKING) {
            // One that waits would hold up those behind it; in a transaction it does not wait.
            command = self.deck.deal(&mut self.values);
        }
        if command.name == "multi" {
            return self.transaction();
        }
        let request = request(&mut self.values, command, SPOIL_PERCENT);
        self.fill_lex_key(client, &request);
        self.with_witness(client, request);
    }

    /// Before a range of members is asked for: adds to it, now and then, all with one score.
    fn fill_lex_key(&mut self, client: usize, request: &Request) {
        let is_member_range = RangeBy::of(request.command, |word| request.has_word(word)) == RangeBy::Member;
        if !is_member_range || self.values.chance(60) {
            return;
        }
        let key = self.values.lex_key();
        if key == NO_LEX_KEY {
            return self.push(client, Request::of(&[b"SET", key.as_slice(), b"no sorted set"]));
        }
        let mut add = vec![b"ZADD".to_vec(), key];
        for _ in 0..self.values.rng().usize(1..6) {
            add.extend([b"0".to_vec(), self.values.data()]);
        }
        self.push(client, Request::of(&add));
    }

    fn with_witness(&mut self, client: usize, request: Request) {
        if is_sort(request.command) {
            // Reads a number and changes nothing: after it errno is 0. See the known difference `sort-errno`.
            self.push(client, Request::of(&["ZADD", "missing", "XX", "0", "member"]));
        }
        if let Some(witness) = witness(&request) {
            self.push(client, witness);
        }
        let changed = request.command.is_write().then(|| request.first_key().map(<[u8]>::to_vec)).flatten();
        // These remove what is past its deadline where they come by, which is not the same place in both servers.
        let timed = takes_time(request.command);
        let removes = matches!(request.command.name, "randomkey" | "scan");
        self.push(client, request);
        if removes {
            let mut purge = vec![b"EXISTS".to_vec()];
            purge.extend(all_keys());
            self.push(client, Request::of(&purge));
        }
        let Some(key) = changed else { return };
        if timed && self.values.chance(60) {
            self.push(client, Request::of(&[b"PEXPIRETIME".as_slice(), &key]));
        }
        if self.values.chance(15) {
            self.with_witness(client, Request::of(&[b"OBJECT".as_slice(), b"ENCODING", &key]));
        }
    }

    fn transaction(&mut self) {
        self.push(0, Request::of(&["MULTI"]));
        for _ in 0..self.values.rng().usize(1..7) {
            if self.values.chance(2) {
                self.push(0, Request::of(&["MULTI"]));
            }
            let command = self.deck.deal_queued(&mut self.values);
            let mut request = request(&mut self.values, command, SPOIL_IN_MULTI_PERCENT);
            if command.name == "spop" {
                // All of a set: what a few of it are cannot be put right before the end of the transaction.
                request.argv = vec![b"SPOP".to_vec(), request.word(1).to_vec(), b"1000".to_vec()];
            }
            self.with_witness(0, request);
        }
        let end = if self.values.chance(90) { "EXEC" } else { "DISCARD" };
        self.push(0, Request::of(&[end]));
    }

    /// A transaction after WATCH, with changes by either client between.
    fn watched_transaction(&mut self) {
        let mut keys = all_keys();
        self.values.rng().shuffle(&mut keys);
        keys.truncate(*self.values.pick(&[1, 3, 6, 20]));
        let mut watch = vec![b"WATCH".to_vec()];
        watch.extend(keys.iter().cloned());
        self.push(0, Request::of(&watch));
        for _ in 0..self.values.rng().usize(..3) {
            let client = self.values.rng().usize(..CLIENTS);
            self.single(client);
        }
        if self.values.chance(30) {
            let key = keys[self.values.rng().usize(..keys.len())].clone();
            let change = match self.values.rng().u8(..8) {
                0..=2 => Request::of(&[b"DEL".as_slice(), &key]),
                3 => Request::of(&[b"EXPIRE".as_slice(), &key, b"-1"]),
                4 => Request::of(&["FLUSHDB"]),
                _ => Request::of(&[b"APPEND".as_slice(), &key, b"x"]),
            };
            self.push(CLIENTS - 1, change);
        }
        self.transaction();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_sequence_again() {
        let text = |seed| draw(seed, 400, 0, false).steps.iter().map(|step| format!("{step}\n")).collect::<String>();
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn the_deck_holds_every_command_that_is_not_denied() {
        let mut values = Values::new(1, 0, false);
        let mut deck = Deck::new(true);
        let dealt: BTreeSet<&str> = (0..deck.all.len()).map(|_| deck.deal(&mut values).name).collect();
        assert_eq!(dealt.len(), drawn().count());
    }
}
