//! Draws one request of a command by walking the tree of its arguments.
//!
//! First the shape: which options stand there, in which order, how often each argument is repeated. Then the values, which
//! depend on it: a number of keys counts the keys that follow, the ends of a range are scores or members. Some requests
//! are spoiled afterwards, so that errors are compared too.

use commands::syntax::{Argument, Kind, parse};
use commands::{Command, TABLE};

use super::domains::RangeBy;
use super::sorting;
use super::step::Request;
use super::values::Values;

/// The arguments of commands whose rows do not tell.
const OWN_LINES: &[(&str, &str)] = &[("debug", "(ERROR message | PROTOCOL type)")];

/// One word of a request, or what will become one.
#[derive(Clone, Copy, Debug)]
enum Item<'t, 's> {
    /// As it stands, in any case.
    Word(&'s str),
    /// A value.
    Value(&'t Argument<'s>),
    /// The number of keys that follow.
    KeyCount(usize),
}

/// The line of a command's arguments.
pub(super) fn line(command: &Command) -> &'static str {
    OWN_LINES.iter().find(|(name, _)| *name == command.name).map_or(command.docs.syntax, |(_, line)| line)
}

/// Draws a request; spoils it with a probability of `spoil_percent`.
pub(super) fn request(values: &mut Values, command: &'static Command, spoil_percent: u32) -> Request {
    let tree = parse(line(command)).expect("the tests of the table read every line");
    let mut shape = Shape { values, items: Vec::new() };
    shape.sequence(&tree);
    let items = shape.items;
    let has_word = |wanted: &str| items.iter().any(|item| matches!(item, Item::Word(word) if *word == wanted));
    let told = RangeBy::of(command, has_word);
    // Now and then the ends of a range are of another kind than the words say.
    let by = match values.rng().u8(..30) {
        0 => RangeBy::Score,
        1 => RangeBy::Member,
        _ => told,
    };
    let by_member = told == RangeBy::Member;
    let mut argv: Vec<Vec<u8>> = command.name.split('|').map(|name| recased(values, name)).collect();
    let fixed = argv.len();
    for item in &items {
        argv.push(match item {
            Item::Word(word) => recased(values, word),
            Item::Value(argument) if by_member && argument.kind == Kind::Key && is_read(argument) => values.lex_key(),
            Item::Value(argument) => values.draw(command, argument, by),
            Item::KeyCount(count) => key_count(values, *count),
        });
    }
    let asks_for_keys = command.name.starts_with("command|getkeys");
    if asks_for_keys {
        argv.truncate(fixed);
        argv.extend(nested(values).argv);
    }
    // Another word in the place of the name that it asks about may be a command that only one of the servers has.
    let fixed = fixed + usize::from(asks_for_keys);
    // A password for a user that is none must not come up by chance: see `sequence.rs`.
    let kept_whole = matches!(command.name, "auth" | "debug" | "config|get") || has_word("AUTH");
    if values.chance(spoil_percent) && !kept_whole {
        // A large index of LSET must not come up by chance either: see `known.rs`.
        spoil(values, &mut argv, fixed, by_member || command.name == "lset" || has_times(&tree));
    }
    match command.name {
        "restore" | "restore-asking" => settle_deadline(values, &mut argv),
        "sort" | "sort_ro" => sorting::settle(&mut argv),
        "bitfield" => write_for_certain(&mut argv),
        _ => {}
    }
    Request { command, argv }
}

/// With ABSTTL, a time to live would be a deadline that was over long ago; without it, a deadline is one in decades.
fn settle_deadline(values: &mut Values, argv: &mut [Vec<u8>]) {
    const TTL_AT: usize = 2;
    if argv.iter().any(|word| word.eq_ignore_ascii_case(b"ABSTTL")) && argv.get(TTL_AT).is_some_and(|ttl| ttl != b"0") {
        argv[TTL_AT] = values.at(1);
    }
}

/// Adds a write to a BITFIELD with OVERFLOW FAIL: see the known difference `bitfield-fail`.
fn write_for_certain(argv: &mut Vec<Vec<u8>>) {
    if argv.iter().any(|word| word.eq_ignore_ascii_case(b"FAIL")) {
        argv.extend(["OVERFLOW", "WRAP", "SET", "u1", "0", "0"].map(Vec::from));
    }
}

/// The request that COMMAND GETKEYS is asked about.
fn nested(values: &mut Values) -> Request {
    let of_data: Vec<&'static Command> = TABLE.iter().filter(|row| !row.name.starts_with("command")).collect();
    let row = *values.pick(&of_data);
    request(values, row, 10)
}

/// A word in upper case, mostly.
fn recased(values: &mut Values, word: &str) -> Vec<u8> {
    let mut bytes = word.to_ascii_uppercase().into_bytes();
    match values.rng().u8(..10) {
        0 => bytes.make_ascii_lowercase(),
        1 => bytes.iter_mut().step_by(2).for_each(|byte| byte.make_ascii_lowercase()),
        _ => {}
    }
    bytes
}

fn key_count(values: &mut Values, count: usize) -> Vec<u8> {
    match values.rng().u8(..40) {
        0 => b"0".to_vec(),
        1 => (count + 1).to_string().into_bytes(),
        2 => values.pick(&["-1", "two", "", "9223372036854775807"]).as_bytes().to_vec(),
        _ => count.to_string().into_bytes(),
    }
}

/// Whether a key is read, not written.
fn is_read(key: &Argument<'_>) -> bool {
    !matches!(&*key.name, "dst" | "destination")
}

/// Whether a command takes a time to live or a deadline.
pub(super) fn takes_time(command: &Command) -> bool {
    parse(line(command)).is_ok_and(|tree| has_times(&tree))
}

/// Whether one of the arguments is a time.
fn has_times(arguments: &[Argument<'_>]) -> bool {
    arguments.iter().any(|argument| match &argument.kind {
        Kind::OneOf(inner) | Kind::Block(inner) => has_times(inner),
        Kind::UnixTime => true,
        _ => matches!(&*argument.name, "seconds" | "milliseconds" | "ttl"),
    })
}

/// Makes a request wrong, or at least unusual. The command's name stays.
///
/// With `kept_places`, no word gets into the place of another: a small number would be a time that passes meanwhile, or
/// another key would be taken for one whose members all have the same score.
fn spoil(values: &mut Values, argv: &mut Vec<Vec<u8>>, fixed: usize, kept_places: bool) {
    let last = argv.len() - 1;
    let at = values.rng().usize(fixed..=argv.len());
    let junk = values.junk();
    match values.rng().u8(..if kept_places { 5 } else { 7 }) {
        0 if last >= fixed => drop(argv.pop()),
        1 if at <= last => drop(argv.remove(at)),
        2 => argv.push(junk),
        3 => argv.insert(at, junk),
        4 if at <= last => argv.insert(at, argv[at].clone()),
        5 if at <= last => argv[at] = junk,
        6 if at < last => argv.swap(at, at + 1),
        _ => argv.push(junk),
    }
}

/// Collects the items of a request.
struct Shape<'v, 't, 's> {
    values: &'v mut Values,
    items: Vec<Item<'t, 's>>,
}

impl<'t, 's> Shape<'_, 't, 's> {
    /// Options beside each other come in any order.
    fn sequence(&mut self, arguments: &'t [Argument<'s>]) {
        let mut left = arguments;
        while let Some(first) = left.first() {
            let options = left.iter().take_while(|argument| argument.optional).count();
            if options == 0 {
                if first.name == "numkeys" && left.len() > 1 {
                    self.counted_keys(&left[1]);
                    left = &left[2..];
                } else {
                    self.required(first);
                    left = &left[1..];
                }
                continue;
            }
            let mut order: Vec<&'t Argument<'s>> = left[..options].iter().collect();
            if self.values.chance(50) {
                self.values.rng().shuffle(&mut order);
            }
            for argument in order {
                self.option(argument);
            }
            left = &left[options..];
        }
    }

    fn counted_keys(&mut self, keys: &'t Argument<'s>) {
        let count = self.values.rng().usize(1..4);
        self.items.push(Item::KeyCount(count));
        self.items.extend(std::iter::repeat_n(Item::Value(keys), count));
    }

    fn option(&mut self, argument: &'t Argument<'s>) {
        let times = match self.values.rng().u8(..50) {
            0 => 2,
            1..=21 => 1,
            _ => 0,
        };
        for _ in 0..times {
            self.required(argument);
        }
    }

    fn required(&mut self, argument: &'t Argument<'s>) {
        let times = if argument.multiple { self.repetitions(argument) } else { 1 };
        for i in 0..times {
            if let Some(token) = argument.token
                && (i == 0 || argument.multiple_token)
            {
                self.items.push(Item::Word(token));
            }
            self.once(argument);
        }
    }

    /// As many weights as keys, mostly.
    fn repetitions(&mut self, argument: &Argument<'s>) -> usize {
        let keys = self.items.iter().filter(|item| matches!(item, Item::Value(a) if a.kind == Kind::Key)).count();
        if argument.name == "weight" && self.values.chance(90) {
            let counted = self.items.iter().find_map(|item| match item {
                Item::KeyCount(count) => Some(*count),
                _ => None,
            });
            return counted.unwrap_or(keys);
        }
        self.values.repetitions(argument.kind != Kind::Key)
    }

    fn once(&mut self, argument: &'t Argument<'s>) {
        match &argument.kind {
            Kind::PureToken => {}
            Kind::Block(parts) => self.sequence(parts),
            Kind::OneOf(choices) => {
                let chosen = self.values.pick(choices);
                self.required(chosen);
                // Now and then a second one, which contradicts it.
                if self.values.chance(3) {
                    let second = self.values.pick(choices);
                    self.required(second);
                }
            }
            _ => self.items.push(Item::Value(argument)),
        }
    }
}
