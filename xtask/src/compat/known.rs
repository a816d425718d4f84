//! Known differences: what Redis 7.0 answers otherwise than 7.2, and what we do otherwise than either.
//!
//! Each of the first kind has a section in `tests/compat/redis-7.2.txt`, a transcript with the replies of redis-server 7.2;
//! ours are compared with it in every run. So what a comparison with 7.0 has to excuse is still compared with a fact.

use commands::command::Keys;
use testkit::Value;

use super::sorting::stops_at_zero_bytes;
use super::step::Request;

/// Who is on the other side of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Redis before 7.2; 7.2 answers as we do.
    Older,
    /// Every Redis: ours differs on purpose.
    All,
}

/// A difference that is no fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its name; that of its section, if older servers are on its other side.
    pub(super) name: &'static str,
    /// What differs, and why ours is right.
    pub(super) why: &'static str,
    /// Which servers differ from ours.
    pub(super) side: Side,
    /// Whether it explains a pair of replies that differ.
    explains: fn(&Case<'_>) -> bool,
}

/// Under what conditions replies came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// The reference is older than 7.2.
    pub(super) before_7_2: bool,
    /// Sets of integers were told to stay small.
    pub(super) few_integers: bool,
    /// The chunks of lists were.
    pub(super) small_chunks: bool,
    /// SORT or SORT_RO is among the steps.
    pub(super) sorts: bool,
    /// A HELLO with a name was refused.
    pub(super) named_by_refused: bool,
}

/// Two replies that differ, in the form in which they are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) request: &'a Request,
    pub(super) ours: &'a Value,
    pub(super) theirs: &'a Value,
    /// The type of the request's key, where it is known.
    pub(super) key_type: Option<&'a [u8]>,
    pub(super) circumstances: Circumstances,
}

/// The commands about which 7.0 tells other facts.
const OTHER_FACTS: &[&str] = &[
    "client|no-touch",
    "client|setinfo",
    "client|setname",
    "command|getkeys",
    "command|getkeysandflags",
    "config|resetstat",
    "config|rewrite",
    "latency|reset",
    "msetnx",
    "randomkey",
    "scan",
    "wait",
    "waitaof",
    "zrank",
    "zrevrank",
];

/// All of them.
pub(super) const KNOWN: &[Known] = &[
    Known {
        name: "set-listpack",
        why: "small sets with other members than integers are listpacks since 7.2, before that hashtables",
        side: Side::Older,
        explains: |case| case.is_encoding("set", "listpack", "hashtable"),
    },
    Known {
        name: "size-hints",
        why: "since 7.2 the number of arguments decides the representation before they are added, duplicates included",
        side: Side::Older,
        explains: |case| {
            case.is_encoding("zset", "skiplist", "listpack")
                || case.is_encoding("hash", "hashtable", "listpack")
                || case.is_encoding("set", "listpack", "intset")
                || case.is_encoding("set", "hashtable", "intset")
        },
    },
    Known {
        name: "lpos-rank",
        why: "the rank of LPOS must not be the lowest integer since 7.2",
        side: Side::Older,
        explains: |case| case.command() == "lpos" && case.request.has_word("-9223372036854775808"),
    },
    Known {
        name: "list-listpack",
        why: "small lists are listpacks since 7.2, before that quicklists",
        side: Side::Older,
        explains: |case| case.is_encoding("list", "listpack", "quicklist"),
    },
    Known {
        name: "new-commands",
        why: "CLIENT NO-TOUCH, CLIENT SETINFO and WAITAOF are new in 7.2",
        side: Side::Older,
        explains: |case| case.request.command.docs.since.starts_with("7.2"),
    },
    Known {
        name: "hello-setname",
        why: "a HELLO that is refused behind its SETNAME has given no name since 7.2, before that it has",
        side: Side::Older,
        explains: |case| case.command() == "client|getname" && case.circumstances.named_by_refused,
    },
    Known {
        name: "rank-with-score",
        why: "ZRANK and ZREVRANK take WITHSCORE since 7.2",
        side: Side::Older,
        explains: |case| matches!(case.command(), "zrank" | "zrevrank") && case.request.argv.len() > 3,
    },
    Known {
        name: "shortest-doubles",
        why: "scores have the shortest digits that read back as the same number since 7.2, before that 17 digits",
        side: Side::Older,
        explains: |case| case.command().starts_with('z') && agree(case.ours, case.theirs, is_17_digits),
    },
    Known {
        name: "help-texts",
        why: "the last line of HELP is \"Print this help.\" since 7.2, before that \"Prints\"; COMMAND HELP has more lines",
        side: Side::Older,
        explains: |case| case.command().ends_with("|help"),
    },
    Known {
        name: "getkeys-arity",
        why: "COMMAND GETKEYS takes a command without arguments since 7.2; it knows what is new in 7.2",
        side: Side::Older,
        explains: |case| {
            let new =
                ["SETINFO", "NO-TOUCH", "WAITAOF", "ZRANK", "ZREVRANK"].iter().any(|word| case.request.has_word(word));
            let refused = case.theirs.as_error().is_some();
            case.command().starts_with("command|getkeys") && refused && (case.request.argv.len() == 3 || new)
        },
    },
    Known {
        name: "command-facts",
        why: "COMMAND INFO has other tips, arities and flags of some commands since 7.2",
        side: Side::Older,
        explains: |case| case.command() == "command|info" && OTHER_FACTS.iter().any(|name| case.request.has_word(name)),
    },
    Known {
        name: "lset-index",
        why: "Redis cuts the index of LSET to 32 bits and sets another element; here it is out of range (not drawn)",
        side: Side::All,
        explains: |_| false,
    },
    Known {
        name: "auth-refusal",
        why: "Redis 7.2.4 does not answer a refused AUTH behind other replies of the same pipeline (drawn alone only)",
        side: Side::All,
        explains: |_| false,
    },
    Known {
        name: "getkeys-numkeys",
        why: "where a number of keys is none, COMMAND GETKEYS of Redis takes the digits that it begins with",
        side: Side::All,
        explains: |case| {
            let refused = case.ours.as_error() == Some(b"ERR Invalid arguments specified for command");
            case.counts_keys_with_no_number() && refused && case.theirs.as_items().is_some()
        },
    },
    Known {
        name: "sort-zero-bytes",
        why: "SORT ALPHA compares texts to their end; in Redis (strcoll) they end at a zero byte, unless they are stored",
        side: Side::All,
        explains: |case| {
            case.command().starts_with("sort") && stops_at_zero_bytes(case.request, case.ours, case.theirs)
        },
    },
    Known {
        name: "sort-errno",
        why: "Redis's SORT refuses numbers if what ran before it left ERANGE in errno (not drawn: see `sequence.rs`)",
        side: Side::All,
        explains: |_| false,
    },
    Known {
        name: "bitfield-fail",
        why: "a BITFIELD whose writes all FAIL may have made a string longer: here that is a write, in Redis it is not \
              logged and breaks no WATCH (not drawn: see `draw.rs`)",
        side: Side::All,
        explains: |_| false,
    },
    Known {
        name: "sort-converts",
        why: "SORT and SORT_RO leave a small sorted set as it is; in Redis they make a skiplist of it",
        side: Side::All,
        explains: |case| case.circumstances.sorts && case.is_encoding("zset", "listpack", "skiplist"),
    },
    Known {
        name: "unsigned-zero",
        why: "a score of -0 is 0 once stored; in Redis that depends on the representation",
        side: Side::All,
        explains: |case| case.command().starts_with('z') && agree(case.ours, case.theirs, is_zero),
    },
    Known {
        name: "nearest-digits",
        why: "a double has the shortest digits that read back as it; Redis's (Grisu2) now and then have one more, or another",
        side: Side::All,
        explains: |case| case.command().starts_with('z') && agree(case.ours, case.theirs, is_shortest_double),
    },
    Known {
        name: "shared-values",
        why: "no value has two owners here: OBJECT REFCOUNT answers 1 for small integers, and inside MULTI, too",
        side: Side::All,
        explains: |case| {
            let shared = case.theirs.as_integer().is_some_and(|count| count > 1);
            case.command() == "object|refcount" && *case.ours == Value::Integer(1) && shared
        },
    },
    Known {
        name: "integers-of-incrbyfloat",
        why: "an integer is stored as one whichever command made it, as it is in Redis after a restart",
        side: Side::All,
        explains: |case| case.is_encoding("string", "int", "embstr"),
    },
    Known {
        name: "joined-chunks",
        why: "chunks of a list that have become small are joined, by the limit with which the list last grew",
        side: Side::All,
        explains: |case| {
            let either =
                case.is_encoding("list", "listpack", "quicklist") || case.is_encoding("list", "quicklist", "listpack");
            case.circumstances.small_chunks && either
        },
    },
    Known {
        name: "restore-overflow",
        why: "a time to live whose end does not fit 64 bits of milliseconds is refused by RESTORE; in Redis it wraps around and \
              is over (not drawn)",
        side: Side::All,
        explains: |_| false,
    },
    Known {
        name: "order-of-hashtables",
        why: "the representation of a union or difference depends on which members come first, in Redis by their hashes",
        side: Side::All,
        explains: |case| {
            let either =
                case.is_encoding("set", "listpack", "hashtable") || case.is_encoding("set", "hashtable", "listpack");
            case.circumstances.few_integers && either
        },
    },
];

/// The one that explains two replies, if any does.
pub(super) fn explain(case: &Case<'_>) -> Option<&'static Known> {
    let applies = |known: &&Known| known.side == Side::All || case.circumstances.before_7_2;
    KNOWN.iter().filter(applies).find(|known| (known.explains)(case))
}

impl Case<'_> {
    fn command(&self) -> &'static str {
        self.request.command.name
    }

    /// Whether it is about these representations of a value of this type.
    fn is_encoding(&self, kind: &str, ours: &str, theirs: &str) -> bool {
        let is = |value: &Value, text: &str| value.as_bytes() == Some(text.as_bytes());
        self.command() == "object|encoding"
            && self.key_type.is_none_or(|known| known == kind.as_bytes())
            && is(self.ours, ours)
            && is(self.theirs, theirs)
    }

    /// Whether it asks for the keys of a request in which the number of keys is no number.
    fn counts_keys_with_no_number(&self) -> bool {
        const ASKED_AT: usize = 2;
        let asked = commands::find(self.request.word(ASKED_AT)).map(|command| command.keys);
        let Some(Keys::Numkeys { count_at, .. }) = asked else { return false };
        let count = self.request.word(ASKED_AT + usize::from(count_at));
        let number = std::str::from_utf8(count).ok().and_then(|count| count.parse::<i64>().ok());
        let is_number = number.is_some_and(|number| number.to_string().as_bytes() == count);
        self.command().starts_with("command|getkeys") && !is_number
    }
}

/// Whether two values are the same but for leaves that `may_differ`.
fn agree(ours: &Value, theirs: &Value, may_differ: fn(&Value, &Value) -> bool) -> bool {
    match (ours.as_items(), theirs.as_items()) {
        (Some(ours), Some(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agree(ours, theirs, may_differ))
        }
        (None, None) => ours == theirs || may_differ(ours, theirs),
        _ => false,
    }
}

fn text(value: &Value) -> &str {
    value.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// The double that both replies are, in one layout or another.
fn same_double(ours: &Value, theirs: &Value) -> Option<f64> {
    let number = text(ours).parse::<f64>().ok()?;
    (text(theirs).parse() == Ok(number)).then_some(number)
}

/// The digits of a number, without sign, point, exponent and zeros around them.
fn digits(text: &str) -> String {
    let mantissa: String = text.split(['e', 'E']).next().unwrap_or_default().replace(['-', '.'], "");
    mantissa.trim_matches('0').to_owned()
}

/// The same double, with 17 digits there.
fn is_17_digits(ours: &Value, theirs: &Value) -> bool {
    same_double(ours, theirs).is_some_and(|number| digits(&format!("{number:.16e}")) == digits(text(theirs)))
}

/// The same double with other digits, of which ours are the shortest.
fn is_shortest_double(ours: &Value, theirs: &Value) -> bool {
    same_double(ours, theirs).is_some_and(|number| digits(&format!("{number:e}")) == digits(text(ours)))
}

/// Zeros that differ in their sign. As doubles they are equal, so they do not come here.
fn is_zero(ours: &Value, theirs: &Value) -> bool {
    (ours.as_bytes(), theirs.as_bytes()) == (Some(b"0"), Some(b"-0"))
}

#[cfg(test)]
mod tests {
    use testkit::binary::workspace_root;

    use super::*;

    #[test]
    fn the_documentation_lists_every_known_difference() {
        let text = std::fs::read_to_string(workspace_root().join("docs/testing.md")).unwrap();
        let listed: Vec<&str> = text
            .lines()
            .skip_while(|line| *line != "### Known differences")
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .take_while(|name| !name.starts_with("LEDGERSTONE"))
            .collect();
        let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        assert_eq!(listed[..known.len().min(listed.len())], known);
    }

    #[test]
    fn another_layout_of_a_double_is_no_other_value() {
        let bulk = |text: &str| Value::Bulk(text.into());
        assert!(is_17_digits(&bulk("0.1"), &bulk("0.10000000000000001")));
        assert!(is_17_digits(&bulk("100000000000000000"), &bulk("1e+17")));
        assert!(!is_17_digits(&bulk("0.1"), &bulk("0.2")));
        assert!(!is_17_digits(&bulk("0.10"), &bulk("0.1")));
        assert!(!is_17_digits(&bulk("a"), &bulk("a ")));
        assert!(is_shortest_double(&bulk("2.3e+22"), &bulk("23000000000000002000000")));
        assert!(!is_shortest_double(&bulk("23000000000000002000000"), &bulk("2.3e+22")));
    }
}
