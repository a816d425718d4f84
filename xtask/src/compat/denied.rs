//! Commands that no sequence holds, with the reason. Everything else in the table is drawn, or the run fails.

use commands::command::EngineOp;
use commands::{Command, Flags, Run, TABLE};

/// The commands, by name.
pub(super) const DENIED: &[(&str, &str)] = &[
    ("shutdown", "ends the server"),
    ("quit", "ends the connection"),
    ("bgrewriteaof", "answers what runs in the background; every sequence has one beside its clients"),
    ("bgsave", "answers what runs in the background; test-interop and tests/live have it"),
    ("client|kill", "takes addresses and numbers of connections, and ends them"),
    ("client|reply", "takes replies away, so that they could not be told apart"),
    ("client|pause", "makes requests wait for a time"),
    ("wait", "waits for replicas, of which there are none"),
    ("waitaof", "waits for an fsync, which one of the two may not have done yet"),
    ("config|rewrite", "writes the file that a server was started with: neither is"),
];

/// Why a command is not drawn, if it is not.
pub(super) fn denied(command: &Command) -> Option<&'static str> {
    DENIED.iter().find(|(name, _)| *name == command.name).map(|(_, why)| *why)
}

/// The commands that are drawn.
pub(super) fn drawn() -> impl Iterator<Item = &'static Command> {
    TABLE.iter().filter(|command| denied(command).is_none())
}

/// Whether a command cannot succeed as it is drawn: a container needs a subcommand, LFU statistics another policy, and a graph
/// of latencies a threshold.
pub(super) fn always_fails(command: &Command) -> bool {
    command.flags.has(Flags::CONTAINER) || matches!(command.name, "object|freq" | "latency|graph")
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
