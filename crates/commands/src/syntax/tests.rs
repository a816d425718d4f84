//! The notation, by example.

use super::{Argument, Kind, parse, word_count};

/// A tree on one line: `name/kind`, `TOKEN=` before it, `~text` shown, `?` optional, `+` multiple, `++` its word too.
fn show(argument: &Argument<'_>) -> String {
    let inside = |parts: &[Argument<'_>]| parts.iter().map(show).collect::<Vec<_>>().join(" ");
    let kind = match &argument.kind {
        Kind::OneOf(choices) => format!("oneof({})", inside(choices)),
        Kind::Block(parts) => format!("block({})", inside(parts)),
        kind => kind.name().to_owned(),
    };
    let token = argument.token.map(|token| format!("{token}=")).unwrap_or_default();
    let marks = [(argument.optional, "?"), (argument.multiple, "+"), (argument.multiple_token, "+")];
    let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
    let key_spec = argument.key_spec.map(|number| format!("@{number}")).unwrap_or_default();
    let shown = argument.shown_as.map(|text| format!("~{text}")).unwrap_or_default();
    format!("{token}{}{shown}/{kind}{key_spec}{marks}", argument.name)
}

#[track_caller]
fn check(line: &str, tree: &str) {
    let arguments = parse(line).unwrap();
    assert_eq!(arguments.iter().map(show).collect::<Vec<_>>().join(" "), tree, "{line}");
}

#[test]
fn the_notation_by_example() {
    check("key value", "key/key value/string");
    check("key...", "key/key+");
    check("[GET]", "GET=get/pure-token?");
    check("[EX seconds]", "EX=seconds/integer?");
    check("condition:[NX | XX]", "condition/oneof(NX=nx/pure-token XX=xx/pure-token)?");
    check("where:(LEFT | RIGHT)", "where/oneof(LEFT=left/pure-token RIGHT=right/pure-token)");
    check("[LIMIT offset count]", "LIMIT=limit/block(offset/integer count/integer)?");
    check("data:(field value)...", "data/block(field/string value/string)+");
    check("[WEIGHTS weight:integer...]", "WEIGHTS=weight/integer?+");
    check("get-pattern:[GET pattern]...", "GET=get-pattern/pattern?++");
    check("[TYPE (A | B)]", "TYPE=type/oneof(A=a/pure-token B=b/pure-token)?");
    check("[TYPE client-type:(A | B)]", "TYPE=client-type/oneof(A=a/pure-token B=b/pure-token)?");
    check("[change:CH]", "CH=change/pure-token?");
    check("old:<ip:port>", "old~ip:port/string");
    check("[ADDR <ip:port>]", "ADDR=addr~ip:port/string?");
    check("x:([A n] [B])", "x/block(A=n/string? B=b/pure-token?)");
    check("[count [WITHVALUES]]", "count/block(count/integer WITHVALUES=withvalues/pure-token?)?");
    check("key2@0 [BY by:<pattern>@1]...", "key2/key@0 BY=by~pattern/string@1?++");
    check("x:(EX seconds | KEEPTTL)", "x/oneof(EX=seconds/integer KEEPTTL=keepttl/pure-token)");
}

#[test]
fn a_line_that_does_not_follow_the_notation_is_refused_with_its_place() {
    for (line, at) in [
        ("key [", 5),
        ("key ]", 4),
        ("[]", 1),
        ("a:<b", 3),
        ("A (B c)", 7),
        ("a:nonsense", 10),
        ("[a | ]", 5),
        ("a@b", 3),
    ] {
        assert_eq!(parse(line).map_err(|error| error.at), Err(at), "{line}");
    }
}

#[test]
fn words_are_counted_with_their_options() {
    for (line, count) in [
        ("", (0, Some(0))),
        ("key value [NX | XX] [EX seconds]", (2, Some(5))),
        ("key...", (1, None)),
        ("(a | b c | [D]...)", (1, None)),
        ("[LIMIT offset count]", (0, Some(3))),
        ("numkeys key... (LEFT | RIGHT) [COUNT count]", (3, None)),
    ] {
        assert_eq!(word_count(&parse(line).unwrap()), count, "{line}");
    }
}
