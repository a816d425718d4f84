//! Commands that no sequence holds, with the reason. Everything else in the table is drawn, or the run fails.

use commands::command::EngineOp;
use commands::{Command, Flags, Run, TABLE};

/// The commands, by name.
pub(super) const DENIED: &[(&str, &str)] = &[
    ("shutdown", "ends the server"),
    ("quit", "ends the connection"),
    ("bgrewriteaof", "answers what runs in the background; every sequence has one beside its clients"),
    ("lastsave", "answers when the server was started"),
    ("info", "answers what the process is and what it did"),
    ("client|id", "answers a number that counts connections"),
    ("client|info", "answers addresses and times of connections"),
    ("client|list", "answers addresses and times of connections"),
    ("client|kill", "takes addresses and numbers of connections, and ends them"),
    ("client|reply", "takes replies away, so that they could not be told apart"),
    ("client|help", "lists what the server has"),
    ("client|pause", "makes requests wait for a time"),
    ("config|help", "lists what the server has"),
    ("config|rewrite", "answers whether the server has a configuration file"),
    ("latency|help", "lists what the server has"),
    ("latency|histogram", "answers what the server has measured"),
    ("slowlog|get", "answers what the server has measured"),
    ("slowlog|help", "lists what the server has"),
    ("slowlog|len", "answers what the server has measured"),
    ("command", "answers about all commands that the server has"),
    ("command|count", "counts all commands that the server has"),
    ("command|docs", "answers our own sentences; a test of `commands` compares the arguments with those of 7.2.4"),
    ("command|list", "answers all commands that the server has"),
];

/// Why a command is not drawn, if it is not.
pub(super) fn denied(command: &Command) -> Option<&'static str> {
    DENIED.iter().find(|(name, _)| *name == command.name).map(|(_, why)| *why)
}

/// The commands that are drawn.
pub(super) fn drawn() -> impl Iterator<Item = &'static Command> {
    TABLE.iter().filter(|command| denied(command).is_none())
}

/// Whether a command cannot succeed as it is drawn: a container needs a subcommand, and LFU statistics another policy.
pub(super) fn always_fails(command: &Command) -> bool {
    command.flags.has(Flags::CONTAINER) || command.name == "object|freq"
}

/// Whether a command steers a connection or transaction rather than the data.
pub(super) fn is_session(command: &Command) -> bool {
    use EngineOp::{Auth, Client, Config, Debug, Discard, Exec, Hello, Multi, Ping, Reset, Select, Unwatch, Watch};
    let ops = [Auth, Client, Config, Debug, Discard, Exec, Hello, Multi, Ping, Reset, Select, Unwatch, Watch];
    matches!(command.run, Run::Engine(op) if ops.contains(&op))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::draw::line;

    #[test]
    fn every_denied_command_stands_in_the_table() {
        for (name, _) in DENIED {
            assert!(commands::find(name.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn every_command_that_takes_arguments_has_a_line() {
        for command in drawn().filter(|command| !always_fails(command)) {
            let words = command.name.split('|').count();
            let (least, _) = commands::syntax::word_count(&commands::syntax::parse(line(command)).unwrap());
            assert!(command.arity.unsigned_abs() as usize <= words + least, "{}: {}", command.name, line(command));
        }
    }
}
