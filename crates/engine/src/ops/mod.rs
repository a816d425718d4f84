//! The engine's own commands: those that need more than the keyspace.
//!
//! The command table names the operation; this is the one place where a name meets its function.

mod client;
mod config;
mod debug;
mod latency;
mod memory;
mod server;
mod session;
mod slowlog;

pub use session::REDIS_VERSION;

use aof_state::LogOffset;
use commands::EngineOp;
use resp_codec::Args;

use crate::client::{Client, Closing};
use crate::engine::Engine;

impl Engine {
    /// Performs one operation, its reply included.
    pub(crate) fn operate(&mut self, client: &mut Client, op: EngineOp, args: Args<'_>) {
        match op {
            EngineOp::Multi => self.multi(client),
            EngineOp::Exec => self.exec(client),
            EngineOp::Discard => self.discard_command(client),
            EngineOp::Watch => self.watch_command(client, args),
            EngineOp::Unwatch => {
                self.unwatch(client);
                self.answer_ok(client);
            }
            EngineOp::Select => self.select(client, args),
            EngineOp::Ping => self.ping(client, args),
            EngineOp::Quit => {
                self.answer_ok(client);
                client.closing = Closing::AfterReplies;
            }
            EngineOp::Hello => self.hello(client, args),
            EngineOp::Auth => self.auth(client, args),
            EngineOp::Reset => self.reset(client),
            EngineOp::Client => self.client_command(client, args),
            EngineOp::Config => self.config_command(client, args),
            EngineOp::Latency => self.latency_command(client, args),
            EngineOp::Memory => self.memory_command(client, args),
            EngineOp::SlowLog => self.slowlog_command(client, args),
            EngineOp::Info => self.info_command(client, args),
            EngineOp::Debug => self.debug_command(client, args),
            EngineOp::Shutdown => self.shutdown_command(client, args),
            EngineOp::BgRewriteAof => self.bgrewriteaof(client),
            EngineOp::Save => self.save_command(client),
            EngineOp::BgSave => self.bgsave_command(client, args),
            EngineOp::LastSave => {
                let saved_s = self.persistence.last_save_s();
                self.reply(client).integer(saved_s);
                self.end_reply(client, LogOffset(0));
            }
            EngineOp::Role => self.role(client),
            EngineOp::Wait => self.wait_command(client, args),
            EngineOp::WaitAof => self.waitaof_command(client, args),
        }
    }

    pub(crate) fn answer_ok(&mut self, client: &mut Client) {
        self.reply(client).ok();
        self.end_reply(client, LogOffset(0));
    }

    pub(crate) fn answer_error(&mut self, client: &mut Client, text: &str) {
        self.reply(client).error(text);
        self.end_reply(client, LogOffset(0));
    }

    /// The lower-case name of a subcommand.
    fn subcommand(args: Args<'_>) -> String {
        String::from_utf8_lossy(args.get(1).unwrap_or_default()).to_ascii_lowercase()
    }

    /// Answers a subcommand that the table knows, with arguments that it does not take.
    /// Source: addReplySubcommandSyntaxError of Redis 7.2.
    fn wrong_subcommand(&mut self, client: &mut Client, args: Args<'_>) {
        let name = String::from_utf8_lossy(args.name()).to_ascii_uppercase();
        let given: String = String::from_utf8_lossy(args.get(1).unwrap_or_default()).chars().take(128).collect();
        let text = format!("ERR unknown subcommand or wrong number of arguments for '{given}'. Try {name} HELP.");
        self.answer_error(client, &text);
    }

    fn help(&mut self, client: &mut Client, lines: &[&str]) {
        let mut reply = self.reply(client);
        reply.array(lines.len());
        for line in lines {
            reply.status(line);
        }
        self.end_reply(client, LogOffset(0));
    }
}
