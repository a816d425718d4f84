//! What COMMAND DOCS replies about a command.

use resp_codec::Reply;

use crate::command::Command;
use crate::table::subcommands;

/// Appends one pair of COMMAND DOCS: the name and what is said about it.
pub fn command_docs(reply: &mut Reply<'_>, command: &Command) {
    let subs = subcommands(command);
    let count = subs.clone().count();
    let docs = command.docs();
    let cost = (!docs.complexity.is_empty()).then_some(("complexity", docs.complexity));
    let fields = [("summary", docs.summary), ("since", docs.since), ("group", docs.group.name())];
    reply.bulk(command.name.as_bytes());
    reply.map(fields.len() + usize::from(cost.is_some()) + usize::from(count > 0));
    for (name, text) in fields.into_iter().chain(cost) {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if count > 0 {
        reply.bulk(b"subcommands");
        reply.map(count);
        for sub in subs {
            command_docs(reply, sub);
        }
    }
}
