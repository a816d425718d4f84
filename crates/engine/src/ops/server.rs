//! Operations on the server as a whole: SHUTDOWN, SAVE, BGSAVE, BGREWRITEAOF, ROLE.

use aof_state::LogOffset;
use resp_codec::Args;

use crate::client::Client;
use crate::engine::Engine;
use crate::persistence::ShutdownHow;

impl Engine {
    pub(super) fn save_command(&mut self, client: &mut Client) {
        match self.save_now() {
            Ok(()) => self.answer_ok(client),
            Err(text) => self.answer_error(client, text),
        }
    }

    pub(super) fn bgsave_command(&mut self, client: &mut Client, args: Args<'_>) {
        let schedule = args.get(1).is_some_and(|option| option.eq_ignore_ascii_case(b"schedule"));
        if args.len() > 2 || args.len() == 2 && !schedule {
            return self.answer_error(client, "ERR syntax error");
        }
        match self.start_snapshot(schedule) {
            Ok(text) => {
                self.reply(client).status(text);
                self.end_reply(client, LogOffset(0));
            }
            Err(text) => self.answer_error(client, text),
        }
    }

    pub(super) fn bgrewriteaof(&mut self, client: &mut Client) {
        match self.start_rewrite() {
            Ok(text) => {
                self.reply(client).status(text);
                self.end_reply(client, LogOffset(0));
            }
            Err(text) => self.answer_error(client, &format!("ERR {text}")),
        }
    }

    /// A master without replicas, whose stream of replication has no byte yet.
    pub(super) fn role(&mut self, client: &mut Client) {
        let mut reply = self.reply(client);
        reply.array(3);
        reply.bulk(b"master");
        reply.integer(0);
        reply.array(0);
        self.end_reply(client, LogOffset(0));
    }

    pub(super) fn shutdown_command(&mut self, client: &mut Client, args: Args<'_>) {
        let mut how = ShutdownHow::default();
        for option in args.from(1) {
            match option.to_ascii_lowercase().as_slice() {
                b"nosave" => how.nosave = true,
                b"save" => how.save = true,
                b"force" => how.force = true,
                b"now" => {}
                b"abort" if args.len() == 2 && self.take_signal() => return self.answer_ok(client),
                b"abort" if args.len() == 2 => return self.answer_error(client, "ERR No shutdown in progress."),
                _ => return self.answer_error(client, "ERR syntax error"),
            }
        }
        if how.nosave && how.save {
            return self.answer_error(client, "ERR syntax error");
        }
        // No reply on success: the connection closes. Source: shutdownCommand of Redis.
        if let Err(text) = self.shutdown(how) {
            self.log_line(crate::log::Level::Warning, format_args!("Shutdown refused: {text}"));
            self.answer_error(client, "ERR Errors trying to SHUTDOWN. Check logs.");
        }
    }
}
