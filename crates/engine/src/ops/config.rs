//! CONFIG GET, SET, REWRITE and RESETSTAT: the table of directives at run time.

use std::borrow::Cow;

use aof_state::LogOffset;
use commands::glob::Pattern;
use resp_codec::Args;

use crate::client::Client;
use crate::config::Directive;
use crate::engine::Engine;
use crate::log::Level;

const HELP: &[&str] = &[
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
    "HELP",
    "    Print this help.",
];

impl Engine {
    pub(super) fn config_command(&mut self, client: &mut Client, args: Args<'_>) {
        match (Self::subcommand(args).as_str(), args.len()) {
            ("get", 3..) => self.config_get(client, args),
            ("set", 4..) if args.len().is_multiple_of(2) => self.config_set(client, args),
            ("set", 4..) => self.answer_error(client, "ERR syntax error"),
            ("resetstat", 2) => {
                self.stats.reset();
                self.persistence.reset_stats();
                self.answer_ok(client);
            }
            ("rewrite", 2) => self.config_rewrite(client),
            ("help", 2) => self.help(client, HELP),
            _ => self.wrong_subcommand(client, args),
        }
    }

    fn config_get(&mut self, client: &mut Client, args: Args<'_>) {
        let mut found: Vec<(Cow<'_, str>, String)> = Vec::new();
        for asked in args.from(2) {
            let pattern = Pattern::ignoring_case(asked);
            let exact = !asked.iter().any(|b| b"[*?".contains(b));
            for directive in Directive::all().filter(|d| !d.is_statement()) {
                for name in std::iter::once(directive.name).chain(directive.alias) {
                    if !pattern.matches(name.as_bytes()) {
                        continue;
                    }
                    // A name without wildcards is answered as it was asked. Source: configGetCommand of Redis.
                    let name = if exact { String::from_utf8_lossy(asked) } else { Cow::Borrowed(name) };
                    if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                        found.push((name, directive.show(&self.config)));
                    }
                }
            }
        }
        let mut reply = self.reply(client);
        reply.map(found.len());
        for (name, value) in &found {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        self.end_reply(client, LogOffset(0));
    }

    /// Sets all pairs or none.
    fn config_set(&mut self, client: &mut Client, args: Args<'_>) {
        let refused = |name: &str, reason: &dyn std::fmt::Display| {
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
        };
        let mut wanted: Vec<(&'static Directive, Cow<'_, str>, &str)> = Vec::new();
        for i in (2..args.len()).step_by(2) {
            let name = String::from_utf8_lossy(args.at(i));
            let Some(directive) = Directive::find(&name).filter(|d| !d.is_statement()) else {
                let text = format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'");
                return self.answer_error(client, &text);
            };
            if let Err(reason) = directive.is_live() {
                return self.answer_error(client, &refused(&name, &reason));
            }
            // A directive and its older name are two. Source: configSetCommand of Redis 7.2.
            if wanted.iter().any(|(_, known, _)| known.eq_ignore_ascii_case(&name)) {
                return self.answer_error(client, &refused(&name, &"duplicate parameter"));
            }
            // Read as text with replacements, a password would be one that nobody can send.
            let Ok(value) = std::str::from_utf8(args.at(i + 1)) else {
                return self.answer_error(client, &refused(&name, &"argument must be UTF-8 text"));
            };
            wanted.push((directive, name, value));
        }
        let mut config = self.config.clone();
        for (directive, name, value) in &wanted {
            if let Err(reason) = directive.set_live(&mut config, value) {
                return self.answer_error(client, &refused(name, &reason));
            }
        }
        if let Some(allowed) = self.fewer_clients_allowed(config.maxclients) {
            let reason = format!(
                "The operating system is not able to handle the specified number of clients, try with {allowed}"
            );
            return self.answer_error(client, &refused("maxclients", &reason));
        }
        match self.apply_config(config) {
            Ok(()) => self.answer_ok(client),
            // Only the switch of the log can fail.
            Err(reason) => self.answer_error(client, &refused("appendonly", &reason)),
        }
    }

    /// Makes the configuration file say what is in force. Source of the texts: configRewriteCommand of Redis 7.2.
    fn config_rewrite(&mut self, client: &mut Client) {
        let Some(file) = &mut self.config_file else {
            return self.answer_error(client, "ERR The server is running without a config file");
        };
        match file.rewrite(&self.config) {
            Ok(()) => {
                self.log_line(Level::Notice, format_args!("CONFIG REWRITE executed with success."));
                self.answer_ok(client);
            }
            Err(error) => {
                let reason = vfs::error_chain(&*error);
                self.log_line(Level::Warning, format_args!("CONFIG REWRITE failed: {reason}"));
                self.answer_error(client, &format!("ERR Rewriting config file: {reason}"));
            }
        }
    }

    /// How many clients the system allows, if it is fewer than wanted: the log and its rewrite need descriptors too.
    fn fewer_clients_allowed(&self, wanted: u32) -> Option<u32> {
        let allow = self.process.allow_clients.filter(|_| wanted > self.config.maxclients)?;
        Some(allow(wanted)).filter(|allowed| *allowed < wanted)
    }

    /// Puts a changed configuration in force, or leaves everything as it was.
    fn apply_config(&mut self, new: crate::config::Config) -> Result<(), String> {
        if new.appendonly != self.config.appendonly {
            self.switch_appendonly(new.appendonly)?;
        }
        let password_changed = new.requirepass != self.config.requirepass;
        // Replies fed before keep the stricter promise.
        if new.appendfsync != self.config.appendfsync {
            self.persistence.set_policy(new.appendfsync);
        }
        let contradicted = self.config.contradicts_always();
        self.log.set_level(new.loglevel);
        self.limits = crate::config::command_limits(&new);
        self.slow_after_ns = crate::config::slow_after_ns(&new);
        self.slowlog.keep(new.slowlog_max_len);
        self.config = new;
        self.persistence.configure(&self.config);
        if !contradicted {
            self.log_contradiction();
        }
        if password_changed {
            self.log_line(Level::Notice, format_args!("The password of the default user was changed"));
        }
        Ok(())
    }
}
