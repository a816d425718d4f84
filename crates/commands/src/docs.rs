//! What COMMAND DOCS replies about a command: its documentation, and the tree of its arguments, from which redis-cli makes
//! its hints and other clients their help.

use resp_codec::Reply;

use crate::command::Command;
use crate::info::statuses;
use crate::syntax::{self, Argument, Kind};
use crate::table::subcommands;

/// Commands that Redis advises against: since when, and what to use instead.
const DEPRECATED: &[(&str, &str, &str)] = &[
    ("getset", "6.2.0", "`SET` with the `GET` argument"),
    ("hmset", "4.0.0", "`HSET` with several fields"),
    ("psetex", "2.6.12", "`SET` with the `PX` argument"),
    ("quit", "7.2.0", "closing the connection"),
    ("rpoplpush", "6.2.0", "`LMOVE` with `RIGHT` and `LEFT`"),
    ("setex", "2.6.12", "`SET` with the `EX` argument"),
    ("setnx", "2.6.12", "`SET` with the `NX` argument"),
    ("substr", "2.0.0", "`GETRANGE`"),
    ("zrangebylex", "6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    ("zrangebyscore", "6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    ("zrevrange", "6.2.0", "`ZRANGE` with the `REV` argument"),
    ("zrevrangebylex", "6.2.0", "`ZRANGE` with `REV` and `BYLEX`"),
    ("zrevrangebyscore", "6.2.0", "`ZRANGE` with `REV` and `BYSCORE`"),
];

/// Since when a command is deprecated, and what takes its place.
pub fn deprecation(command: &Command) -> Option<(&'static str, &'static str)> {
    DEPRECATED.iter().find(|(name, ..)| *name == command.name).map(|(_, since, instead)| (*since, *instead))
}

/// What sort of documentation it is: `deprecated`, `syscmd` for a command of those who work on the server itself, or nothing.
pub fn doc_flag(command: &Command) -> Option<&'static str> {
    match deprecation(command) {
        Some(_) => Some("deprecated"),
        None => matches!(command.name, "debug" | "restore-asking").then_some("syscmd"),
    }
}

/// A map whose size shows only at its end.
struct Fields<'r, 'o> {
    reply: &'r mut Reply<'o>,
    begun: resp_codec::Deferred,
    count: usize,
}

impl<'r, 'o> Fields<'r, 'o> {
    fn begin(reply: &'r mut Reply<'o>) -> Self {
        let begun = reply.deferred();
        Self { reply, begun, count: 0 }
    }

    /// The name of a field; its value is to follow.
    fn name(&mut self, name: &str) -> &mut Reply<'o> {
        self.count += 1;
        self.reply.bulk(name.as_bytes());
        self.reply
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.name(name).bulk(text.as_bytes());
        }
    }

    fn end(self) {
        self.reply.finish_map(self.begun, self.count);
    }
}

/// Appends one pair of COMMAND DOCS: the name and what is said about it.
pub fn command_docs(reply: &mut Reply<'_>, command: &Command) {
    let docs = command.docs;
    let (deprecated_since, instead) = deprecation(command).unzip();
    reply.bulk(command.name.as_bytes());
    let mut fields = Fields::begin(reply);
    fields.text("summary", Some(docs.summary));
    fields.text("since", Some(docs.since));
    fields.text("group", Some(docs.group.name()));
    fields.text("complexity", Some(docs.complexity).filter(|text| !text.is_empty()));
    if let Some(flag) = doc_flag(command) {
        statuses(fields.name("doc_flags"), std::iter::once(flag));
    }
    fields.text("deprecated_since", deprecated_since);
    fields.text("replaced_by", instead);
    let arguments = syntax::parse(command.docs.syntax).expect("a test reads the line of every row");
    if !arguments.is_empty() {
        list(fields.name("arguments"), &arguments, &mut 0);
    }
    let subs = subcommands(command);
    match subs.clone().count() {
        0 => {}
        count => fields.name("subcommands").map(count),
    }
    for sub in subs {
        command_docs(fields.reply, sub);
    }
    fields.end();
}

/// Appends arguments, of which each that is a key belongs to the next key specification unless it says otherwise.
fn list(reply: &mut Reply<'_>, arguments: &[Argument<'_>], next_key_spec: &mut i64) {
    reply.array(arguments.len());
    for argument in arguments {
        let mut fields = Fields::begin(reply);
        fields.text("name", Some(&argument.name));
        fields.text("type", Some(argument.kind.name()));
        let parts = match &argument.kind {
            Kind::OneOf(parts) | Kind::Block(parts) => Some(parts),
            _ => None,
        };
        if parts.is_none() {
            fields.text("display_text", Some(argument.shown_as.unwrap_or(&argument.name)));
        }
        if let Some(key_spec) = argument.key_spec {
            fields.name("key_spec_index").integer(key_spec.into());
        } else if argument.kind == Kind::Key {
            fields.name("key_spec_index").integer(*next_key_spec);
            *next_key_spec += 1;
        }
        fields.text("token", argument.token);
        if argument.flags().next().is_some() {
            statuses(fields.name("flags"), argument.flags());
        }
        if let Some(parts) = parts {
            list(fields.name("arguments"), parts, next_key_spec);
        }
        fields.end();
    }
}

#[cfg(test)]
mod tests;
