//! INFO: sections of `field:value` lines, under Redis's names where the meaning is Redis's.

mod memory;
mod server;
mod stats;

use std::fmt::Write as _;

use aof_state::LogOffset;
use resp_codec::Args;

use crate::client::Client;
use crate::engine::Engine;

/// The sections of INFO without an argument, in order.
const DEFAULT_SECTIONS: &[&str] = &[
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "modules",
    "errorstats",
    "cluster",
    "keyspace",
];

/// All sections, in order.
const SECTIONS: &[&str] = &[
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "modules",
    "commandstats",
    "errorstats",
    "latencystats",
    "cluster",
    "keyspace",
];

impl Engine {
    pub(crate) fn info_command(&mut self, client: &mut Client, args: Args<'_>) {
        let asked: Vec<String> = args.from(1).map(|a| String::from_utf8_lossy(a).to_ascii_lowercase()).collect();
        let default = asked.is_empty() || asked.iter().any(|a| a == "default");
        let everything = asked.iter().any(|a| matches!(a.as_str(), "all" | "everything"));
        let mut text = String::new();
        for section in SECTIONS {
            if everything || default && DEFAULT_SECTIONS.contains(section) || asked.iter().any(|a| a == section) {
                if !text.is_empty() {
                    text += "\r\n";
                }
                self.info_section(section, client, &mut text);
            }
        }
        self.reply(client).verbatim(*b"txt", text.as_bytes());
        self.end_reply(client, LogOffset(0));
    }

    fn info_section(&self, section: &str, client: &Client, text: &mut String) {
        let mut lines = Lines(text);
        match section {
            "server" => self.info_server(&mut lines),
            "clients" => self.info_clients(client, &mut lines),
            "memory" => self.info_memory(client, &mut lines),
            "persistence" => self.info_persistence(&mut lines),
            "stats" => self.info_stats(&mut lines),
            "replication" => self.info_replication(&mut lines),
            "cpu" => self.info_cpu(&mut lines),
            "modules" => lines.title("Modules"),
            "commandstats" => self.info_commandstats(&mut lines),
            "errorstats" => self.info_errorstats(&mut lines),
            "latencystats" => self.info_latencystats(&mut lines),
            "cluster" => {
                lines.title("Cluster");
                lines.put("cluster_enabled", 0);
            }
            _ => self.info_keyspace(&mut lines),
        }
    }

    /// The fields of Redis 4.0 to 7.2 in their order, then ours.
    fn info_persistence(&self, out: &mut Lines<'_>) {
        let p = &self.persistence;
        out.title("Persistence");
        out.put("loading", u8::from(p.is_loading()));
        out.put("async_loading", 0);
        p.info_child(self.now, out);
        p.info_snapshots(self.stats.dirty, self.now, out);
        p.info_aof(self.now, out);
        p.info_loading(self.now, out);
        p.info_ours(self.now, out);
    }
}

/// Writes the lines of a section.
pub(crate) struct Lines<'a>(&'a mut String);

impl Lines<'_> {
    fn title(&mut self, name: &str) {
        self.0.push_str("# ");
        self.0.push_str(name);
        self.0.push_str("\r\n");
    }

    /// Fields of what does not exist here: tools read them all the same.
    fn zeros(&mut self, fields: &[&str]) {
        for field in fields {
            self.put(field, 0);
        }
    }

    /// A number of bytes, plain and for people.
    fn bytes(&mut self, field: &str, bytes: u64) {
        self.put(field, bytes);
        self.put(&format!("{field}_human"), human(bytes));
    }

    /// By how much `outer` exceeds `inner`, as a ratio and in bytes.
    fn overhead(&mut self, name: &str, outer: u64, inner: u64) {
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        let ratio = if inner == 0 { 0.0 } else { outer as f64 / inner as f64 };
        self.put(&format!("{name}_ratio"), format_args!("{ratio:.2}"));
        self.put(&format!("{name}_bytes"), i128::from(outer) - i128::from(inner));
    }

    /// One field.
    pub(crate) fn put(&mut self, field: &str, value: impl std::fmt::Display) {
        write!(self.0, "{field}:{value}\r\n").expect("writing to a String cannot fail");
    }
}

/// Bytes that would break the format become underscores. Source: getSafeInfoString of Redis.
pub(crate) fn safe(text: &str) -> String {
    text.replace(['#', ':', '\n', '\r'], "_")
}

/// A part in percent of the whole; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// A size for people, as Redis's bytesToHuman prints it.
fn human(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let b = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..1_048_576 => format!("{:.2}K", b / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.2}M", b / 1_048_576.0),
        _ => format!("{:.2}G", b / 1_073_741_824.0),
    }
}
