//! Replies of the commands on the server, as transcripts.

use crate::TABLE;
use crate::harness::{Bench, check};
use crate::table::commands;

#[test]
fn echo_and_time() {
    check(
        r#"
        > ECHO hello
        "hello"
        > ECHO
        -ERR wrong number of arguments for 'echo' command
        > TIME
        ["1000", "0"]
        > @at 1234567
        > TIME
        ["1234", "567000"]
        "#,
    );
}

#[test]
fn unknown_commands_are_quoted_as_far_as_redis_quotes_them() {
    check(
        r#"
        > FOO
        -ERR unknown command 'FOO', with args beginning with:
        > foo bar baz
        -ERR unknown command 'foo', with args beginning with: 'bar' 'baz'
        > FOO "a\nb"
        -ERR unknown command 'FOO', with args beginning with: 'a b'
        > xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1
        -ERR unknown command 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', with args beginning with: '1'
        > FOO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b
        -ERR unknown command 'FOO', with args beginning with: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
        > FOO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cc
        -ERR unknown command 'FOO', with args beginning with: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' 'bbbbbbbbbbbbbbbbbbbbbbbbb'
        > OBJECT|ENCODING a
        -ERR unknown command 'OBJECT|ENCODING', with args beginning with: 'a'
        > CONFIG FOO
        -ERR unknown subcommand 'FOO'. Try CONFIG HELP.
        > CONFIG
        -ERR wrong number of arguments for 'config' command
        > CONFIG SET a
        -ERR wrong number of arguments for 'config|set' command
        "#,
    );
}

#[test]
fn command_getkeys_finds_the_keys_of_a_request() {
    check(
        r#"
        > COMMAND GETKEYS GET a
        ["a"]
        > COMMAND GETKEYS MSET a 1 b 2
        ["a", "b"]
        > COMMAND GETKEYS DEL a b c
        ["a", "b", "c"]
        > COMMAND GETKEYS OBJECT ENCODING a
        ["a"]
        > COMMAND GETKEYS PING a
        -ERR The command has no key arguments
        > COMMAND GETKEYS FOO a
        -ERR Invalid command specified
        > COMMAND GETKEYS GET a b
        -ERR Invalid number of arguments specified for command
        > COMMAND GETKEYS
        -ERR wrong number of arguments for 'command|getkeys' command
        > COMMAND GETKEYS OBJECT
        -ERR The command has no key arguments
        > COMMAND GETKEYS OBJECT FOO a
        -ERR Invalid command specified
        > COMMAND GETKEYS OBJECT|ENCODING a
        -ERR Invalid command specified
        > COMMAND GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2
        ["d", "a", "b"]
        > COMMAND GETKEYS ZUNIONSTORE d 3 a b
        -ERR Invalid arguments specified for command
        > COMMAND GETKEYS ZUNIONSTORE d 0 a
        -ERR Invalid arguments specified for command
        > COMMAND GETKEYS ZUNIONSTORE d 9223372036854775807 a
        -ERR Invalid arguments specified for command
        > COMMAND FOO
        -ERR unknown subcommand 'FOO'. Try COMMAND HELP.
        "#,
    );
}

#[test]
fn command_getkeysandflags_says_how_each_key_is_used() {
    check(
        r#"
        > COMMAND GETKEYSANDFLAGS GET a
        [["a", [+RO, +access]]]
        > COMMAND GETKEYSANDFLAGS EXISTS a b
        [["a", [+RO]], ["b", [+RO]]]
        > COMMAND GETKEYSANDFLAGS SET a b EX 10
        [["a", [+OW, +update]]]
        > COMMAND GETKEYSANDFLAGS SET a b EX 10 get
        [["a", [+RW, +access, +update]]]
        > COMMAND GETKEYSANDFLAGS SET get get
        [["get", [+OW, +update]]]
        > COMMAND GETKEYSANDFLAGS RENAME a b
        [["a", [+RW, +access, +delete]], ["b", [+OW, +update]]]
        > COMMAND GETKEYSANDFLAGS ZINTERSTORE d 1 a
        [["d", [+OW, +update]], ["a", [+RO, +access]]]
        > COMMAND GETKEYSANDFLAGS SDIFFSTORE d a b
        [["d", [+OW, +update]], ["a", [+RO, +access]], ["b", [+RO, +access]]]
        > @resp 3
        > COMMAND GETKEYSANDFLAGS DEL a
        [["a", ~[+RM, +delete]]]
        "#,
    );
}

#[test]
fn command_list_names_subcommands_and_count_does_not_count_them() {
    check(
        r#"
        > COMMAND LIST FILTERBY PATTERN OBJECT|F*
        ["object|freq"]
        "#,
    );
    let mut bench = Bench::new();
    let names: Vec<_> = TABLE.iter().map(|command| command.name).collect();
    assert_eq!(bench.line("COMMAND LIST"), format!("{names:?}"));
    assert_eq!(bench.line("COMMAND COUNT"), commands().count().to_string());
}

#[test]
fn command_info_and_docs() {
    check(
        r#"
        > COMMAND INFO get
        [["get", 2, [+readonly, +fast], 1, 1, 1, [+@read, +@string, +@fast], [], [["flags", [+RO, +access], "begin_search", ["type", "index", "spec", ["index", 1]], "find_keys", ["type", "range", "spec", ["lastkey", 0, "keystep", 1, "limit", 0]]]], []]]
        > COMMAND INFO foo
        [nil]
        > COMMAND INFO object|encoding
        [["object|encoding", 3, [+readonly], 2, 2, 1, [+@keyspace, +@read, +@slow], ["nondeterministic_output"], [["flags", [+RO], "begin_search", ["type", "index", "spec", ["index", 2]], "find_keys", ["type", "range", "spec", ["lastkey", 0, "keystep", 1, "limit", 0]]]], []]]
        > COMMAND DOCS nothing
        []
        > @resp 3
        > COMMAND INFO GET
        [["get", 2, ~[+readonly, +fast], 1, 1, 1, ~[+@read, +@string, +@fast], ~[], ~[{"flags": ~[+RO, +access], "begin_search": {"type": "index", "spec": {"index": 1}}, "find_keys": {"type": "range", "spec": {"lastkey": 0, "keystep": 1, "limit": 0}}}], ~[]]]
        > COMMAND DOCS incr
        {"incr": {"summary": "Adds one to a counter; a missing one counts as 0.", "since": "1.0.0", "group": "string", "complexity": "O(1)", "arguments": [{"name": "key", "type": "key", "display_text": "key", "key_spec_index": 0}]}}
        > COMMAND LIST FILTERBY PATTERN OBJECT*
        ["object", "object|encoding", "object|freq", "object|help", "object|idletime", "object|refcount"]
        > COMMAND LIST FILTERBY ACLCAT transaction
        ["discard", "exec", "multi", "unwatch", "watch"]
        > COMMAND LIST FILTERBY MODULE x
        []
        > COMMAND LIST FILTERBY FOO x
        -ERR syntax error
        > COMMAND LIST FOO
        -ERR syntax error
        "#,
    );
}
