//! COMMAND DOCS as replied, against what a real server says.

use std::collections::HashMap;

use resp_codec::{Protocol, Reply, ReplyDecoder, Value};

use super::command_docs;
use crate::table::{TABLE, subcommands};
use crate::{Command, find};

/// The line of each command, as recorded.
fn recorded() -> HashMap<&'static str, &'static str> {
    include_str!("../../testdata/redis-7.2.4-command-docs.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect()
}

/// What is replied about a command: name and documentation.
fn replied(command: &Command, protocol: Protocol) -> Vec<Value> {
    let mut out = Vec::new();
    Reply::new(&mut out, protocol).array(2);
    command_docs(&mut Reply::new(&mut out, protocol), command);
    let (value, length) = ReplyDecoder::default().decode(&out).unwrap().unwrap();
    assert_eq!(length, out.len(), "{}", command.name);
    let Value::Array(pair) = value else { panic!("{value:?}") };
    pair
}

/// A field of a map.
fn field<'v>(map: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Map(pairs) = map else { panic!("{map:?} is no map") };
    pairs.iter().find(|(key, _)| key.as_bytes() == Some(name.as_bytes())).map(|(_, value)| value)
}

fn text(map: &Value, name: &str) -> Option<String> {
    field(map, name).map(|value| String::from_utf8(value.as_bytes().unwrap().to_vec()).unwrap())
}

/// The words of a set that is never empty; `None` without it.
fn words(map: &Value, name: &str) -> Option<Vec<String>> {
    let Value::Set(words) = field(map, name)? else { panic!("{name} of {map:?} is no set") };
    assert!(!words.is_empty());
    let word =
        |word: &Value| if let Value::Status(word) = word { word.clone() } else { panic!("{word:?} is no status") };
    Some(words.iter().map(|it| String::from_utf8(word(it)).unwrap()).collect())
}

/// An argument in the form of the recorded lines.
fn show(argument: &Value) -> String {
    let (name, mut kind) = (text(argument, "name").unwrap(), text(argument, "type").unwrap());
    let shown = text(argument, "display_text");
    if matches!(kind.as_str(), "oneof" | "block") {
        assert_eq!(shown, None, "{name}");
        kind = format!("{kind}({})", show_all(argument).join(" "));
    } else {
        assert!(shown.is_some(), "{name}");
    }
    let token = text(argument, "token").map(|token| format!("{token}=")).unwrap_or_default();
    let shown = shown.filter(|shown| *shown != name).map(|shown| format!("~{shown}")).unwrap_or_default();
    let spec = field(argument, "key_spec_index").and_then(Value::as_integer);
    let spec = spec.map(|index| format!("@{index}")).unwrap_or_default();
    let mark = |flag: &String| match flag.as_str() {
        "optional" => '?',
        "multiple" | "multiple_token" => '+',
        _ => panic!("no flag {flag}"),
    };
    let marks: String = words(argument, "flags").unwrap_or_default().iter().map(mark).collect();
    format!("{token}{name}{shown}/{kind}{spec}{marks}")
}

fn show_all(map: &Value) -> Vec<String> {
    let Some(Value::Array(arguments)) = field(map, "arguments") else { return Vec::new() };
    assert!(!arguments.is_empty(), "{map:?}");
    arguments.iter().map(show).collect()
}

#[test]
fn commands_are_documented_as_redis_documents_them() {
    let recorded = recorded();
    let mut wrong = Vec::new();
    for command in &TABLE {
        let [name, docs] = &replied(command, Protocol::Resp3)[..] else { panic!("a pair") };
        assert_eq!(name.as_bytes(), Some(command.name.as_bytes()));
        let mut line = vec![
            text(docs, "group").unwrap(),
            text(docs, "since").unwrap(),
            text(docs, "deprecated_since").unwrap_or("-".into()),
            words(docs, "doc_flags").map_or("-".into(), |flags| flags.join(",")),
        ];
        line.extend(show_all(docs));
        let (ours, theirs) = (line.join(" "), recorded.get(command.name));
        if theirs != Some(&ours.as_str()) {
            wrong.push(format!("{}\n   ours  {ours}\n   redis {theirs:?}", command.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_container_has_the_documentation_of_its_subcommands_as_a_map() {
    let config = find(b"config").unwrap();
    let Some(Value::Map(subs)) = field(&replied(config, Protocol::Resp3)[1], "subcommands").cloned() else {
        panic!("a map");
    };
    let names: Vec<_> = subcommands(config).map(|sub| sub.name.as_bytes()).collect();
    assert_eq!(subs.iter().filter_map(|(name, _)| name.as_bytes()).collect::<Vec<_>>(), names);
    assert!(subs.iter().all(|(_, docs)| text(docs, "summary").is_some()));
}

/// The same reply with its maps and sets as RESP2 has them.
fn flattened(value: Value) -> Value {
    match value {
        Value::Map(pairs) => Value::Array(pairs.into_iter().flat_map(|(k, v)| [flattened(k), flattened(v)]).collect()),
        Value::Array(items) | Value::Set(items) => Value::Array(items.into_iter().map(flattened).collect()),
        other => other,
    }
}

#[test]
fn resp2_has_the_same_documentation_in_flat_arrays() {
    for command in &TABLE {
        let resp3 = replied(command, Protocol::Resp3).into_iter().map(flattened).collect::<Vec<_>>();
        assert_eq!(replied(command, Protocol::Resp2), resp3, "{}", command.name);
    }
}
