//! The table against what COMMAND INFO of a real server says, and the look-up of names.

use std::collections::HashMap;

use super::{TABLE, find, find_subcommand};
use crate::Command;
use crate::info::{categories, flag_names, key_range};
use crate::key_specs::{FindKeys, KeySpec, key_specs};
use crate::syntax::{parse, word_count};
use crate::tips::tips;

/// The facts of each command, as recorded.
fn recorded() -> HashMap<&'static str, &'static str> {
    include_str!("../../testdata/redis-7.2.4-command-info.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect()
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

/// A key specification in the form of the recorded lines.
fn show(spec: &KeySpec) -> String {
    let uses = spec.uses().collect::<Vec<_>>().join("+");
    let find = match spec.find {
        FindKeys::Patterns | FindKeys::Store => return format!("{uses}@unknown:/unknown:"),
        FindKeys::Range { last, step } => format!("range:{last},{step},0"),
        FindKeys::Keynum => "keynum:0,1,1".to_owned(),
    };
    format!("{uses}@index:{}/{find}", spec.index)
}

#[test]
fn rows_hold_the_facts_that_redis_shows() {
    let facts = recorded();
    let mut wrong = Vec::new();
    for command in &TABLE {
        let (first, last, step) = key_range(command.keys);
        let flags = listed(&flag_names(command).collect::<Vec<_>>());
        let categories = listed(&categories(command).collect::<Vec<_>>());
        let tips = listed(tips(command));
        let specs = key_specs(command).iter().map(show).collect::<Vec<_>>();
        let specs = if specs.is_empty() { "-".to_owned() } else { specs.join(" ") };
        let ours = format!("{} {first} {last} {step} {flags} {categories} {tips} {specs}", command.arity);
        if facts.get(command.name) != Some(&ours.as_str()) {
            wrong.push(format!("{}\n   ours  {ours}\n   redis {:?}", command.name, facts.get(command.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_name_is_found_in_any_case_and_only_once() {
    for (id, command) in TABLE.iter().enumerate() {
        assert_eq!(usize::from(command.id), id);
        for name in [command.name.to_owned(), command.name.to_ascii_uppercase()] {
            assert_eq!(find(name.as_bytes()).unwrap().id, command.id, "{name} stands in the table twice");
        }
    }
}

#[test]
fn subcommands_are_found_under_their_parent_only() {
    let (object, config) = (find(b"object").unwrap(), find(b"config").unwrap());
    assert_eq!(find_subcommand(object, b"EnCoding").unwrap().name, "object|encoding");
    assert_eq!(find_subcommand(config, b"get").unwrap().name, "config|get");
    assert!(find_subcommand(config, b"encoding").is_none());
    assert!(find_subcommand(object, b"").is_none());
}

#[test]
fn names_that_are_no_commands_are_not_found() {
    for name in [&b""[..], b"ge", b"gett", b"get\0", b"object|", b"|", &[b'a'; 1000], b"\xff\xfe", b"GET "] {
        assert!(find(name).is_none(), "{name:?}");
    }
}

#[test]
fn every_subcommand_has_a_parent_that_is_a_container() {
    for command in &TABLE {
        if let Some(parent) = command.parent() {
            let parent = find(parent.as_bytes()).unwrap();
            assert!(parent.flags.has(crate::Flags::CONTAINER), "{}", command.name);
        }
    }
}

/// Rows that Redis documents with no arguments though they take some: containers, whose subcommands have rows of their own;
/// DEBUG, whose subcommands are for those who read its source; QUIT, which ignores what it is given.
fn is_documented_without_arguments(command: &Command) -> bool {
    command.flags.has(crate::Flags::CONTAINER) || matches!(command.name, "debug" | "quit")
}

#[test]
fn the_line_of_every_row_follows_the_notation_and_agrees_with_its_arity() {
    for command in &TABLE {
        let arguments = parse(command.docs.syntax).unwrap_or_else(|error| panic!("{}: {error}", command.name));
        if is_documented_without_arguments(command) {
            assert!(arguments.is_empty() && command.arity < 0, "{}", command.name);
            continue;
        }
        let name_words = command.name.split('|').count();
        let (least, most) = word_count(&arguments);
        let least_in_all = i32::try_from(name_words + least).unwrap();
        let arity = if most == Some(least) { least_in_all } else { -least_in_all };
        assert_eq!(arity, command.arity, "{} {:?}", command.name, command.docs.syntax);
    }
}

#[test]
fn every_row_is_documented() {
    for command in &TABLE {
        assert!(command.docs.summary.ends_with('.') && !command.docs.since.is_empty(), "{}", command.name);
    }
}
