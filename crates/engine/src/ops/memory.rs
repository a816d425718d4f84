//! MEMORY: what the process's memory is used for. (MEMORY USAGE asks about a key and is a data command.)
//!
//! Judging is a function of the figures alone; the advice is about what an operator can do.

use std::fmt::Write as _;

use aof_state::LogOffset;
use resp_codec::{Args, Reply};

use crate::client::Client;
use crate::engine::Engine;
use crate::env::Memory;
use crate::info::percent;

const HELP: &[&str] = &[
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
    "HELP",
    "    Print this help.",
];

/// What MEMORY DOCTOR judges.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    memory: Memory,
    peak: u64,
    clients: u64,
    clients_bytes: u64,
}

/// A part of memory that is more than what it is for.
#[derive(Clone, Copy, Debug)]
struct Overhead {
    outer: u64,
    inner: u64,
}

impl Overhead {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    fn ratio(self) -> f64 {
        if self.inner == 0 { 0.0 } else { self.outer as f64 / self.inner as f64 }
    }

    fn bytes(self) -> i64 {
        i64::try_from(i128::from(self.outer) - i128::from(self.inner)).unwrap_or(i64::MAX)
    }

    fn exceeds(self, ratio: f64) -> bool {
        /// Less than that is nobody's problem, whatever the ratio.
        const LEAST_BYTES: i64 = 10 << 20;
        self.ratio() > ratio && self.bytes() > LEAST_BYTES
    }
}

impl Figures {
    fn total_overhead(&self) -> Overhead {
        Overhead { outer: self.memory.resident, inner: self.memory.allocated }
    }

    fn allocator_fragmentation(&self) -> Overhead {
        Overhead { outer: self.memory.active, inner: self.memory.allocated }
    }

    fn allocator_resident(&self) -> Overhead {
        Overhead { outer: self.memory.allocator_resident, inner: self.memory.active }
    }

    fn process_resident(&self) -> Overhead {
        Overhead { outer: self.memory.resident, inner: self.memory.allocator_resident }
    }

    /// What is wrong. The limits are those of Redis.
    fn problems(&self) -> impl Iterator<Item = &'static str> {
        const CLIENT_BYTES: u64 = 200 << 10;
        let peak = Overhead { outer: self.peak, inner: self.memory.allocated };
        let clients_are_big = self.clients_bytes.checked_div(self.clients).is_some_and(|bytes| bytes > CLIENT_BYTES);
        [
            (
                peak.ratio() > 1.5,
                "Peak: more than one and a half times of what is used now was used once. The allocator gives pages back \
                 slowly, so the process may look larger than its data; MEMORY PURGE asks for all of them at once.",
            ),
            (
                self.total_overhead().exceeds(1.4),
                "Resident memory: the process holds more than 1.4 times of what it uses. The lines below, if there are any, \
                 say where.",
            ),
            (
                self.allocator_fragmentation().exceeds(1.1),
                "Fragmentation: pages that hold data are more than a tenth empty, as happens after many deletions or where \
                 values changed their sizes. A restart packs them.",
            ),
            (
                self.allocator_resident().exceeds(1.1),
                "Free pages: the allocator keeps more than a tenth of its pages for later use. MEMORY PURGE gives them back.",
            ),
            (
                self.process_resident().exceeds(1.1),
                "Beside the allocator: more than a tenth of the process's memory does not come from the allocator: its \
                 code, its stacks, or huge pages of the kernel.",
            ),
            (
                clients_are_big,
                "Clients: their buffers take more than 200 kB each. Look for those that read slowly or send long pipelines \
                 in CLIENT LIST (omem, qbuf).",
            ),
        ]
        .into_iter()
        .filter_map(|(is_there, text)| is_there.then_some(text))
    }

    /// The answer to MEMORY DOCTOR.
    fn diagnosis(&self) -> String {
        const LEAST_USED_BYTES: u64 = 5 << 20;
        if self.memory.allocated < LEAST_USED_BYTES {
            return "Little memory is used, too little to judge how it is used.\n".to_owned();
        }
        let mut text = String::new();
        for problem in self.problems() {
            writeln!(text, " * {problem}").expect("writing to a String cannot fail");
        }
        if text.is_empty() {
            "No problem with memory was found.\n".to_owned()
        } else {
            format!("Problems found:\n\n{text}")
        }
    }
}

/// The pairs of MEMORY STATS.
struct Pairs<'r, 'o>(&'r mut Reply<'o>);

impl Pairs<'_, '_> {
    fn integer(&mut self, name: &str, value: u64) {
        self.0.bulk(name.as_bytes());
        self.0.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn integers(&mut self, pairs: &[(&str, u64)]) {
        pairs.iter().for_each(|(name, value)| self.integer(name, *value));
    }

    fn double(&mut self, name: &str, value: f64) {
        self.0.bulk(name.as_bytes());
        self.0.double(value);
    }

    /// A ratio and its bytes. Redis names the ratio of the last one without saying that it is one.
    fn overhead(&mut self, ratio_name: &str, bytes_name: &str, overhead: Overhead) {
        self.double(ratio_name, overhead.ratio());
        self.0.bulk(bytes_name.as_bytes());
        self.0.integer(overhead.bytes());
    }
}

impl Engine {
    pub(super) fn memory_command(&mut self, client: &mut Client, args: Args<'_>) {
        match Self::subcommand(args).as_str() {
            "help" => self.help(client, HELP),
            "stats" => self.memory_stats(client),
            "doctor" => {
                let text = self.memory_figures(client).diagnosis();
                self.reply(client).verbatim(*b"txt", text.as_bytes());
                self.end_reply(client, LogOffset(0));
            }
            "malloc-stats" => {
                match self.process.allocator_report {
                    Some(report) => self.reply(client).verbatim(*b"txt", report().as_bytes()),
                    None => self.reply(client).bulk(b"Stats not supported for the current allocator"),
                }
                self.end_reply(client, LogOffset(0));
            }
            "purge" if self.process.purge_memory.is_none_or(|purge| purge()) => self.answer_ok(client),
            "purge" => self.answer_error(client, "ERR Error purging dirty pages"),
            _ => self.wrong_subcommand(client, args),
        }
    }

    fn memory_figures(&self, asks: &Client) -> Figures {
        let memory = self.process.memory.map_or_else(Memory::default, |read| read());
        Figures {
            memory,
            peak: self.memory_peak_bytes.max(memory.allocated),
            clients: self.clients.len() as u64,
            clients_bytes: self.clients_bytes(asks),
        }
    }

    fn memory_stats(&mut self, client: &mut Client) {
        let figures = self.memory_figures(client);
        let Figures { memory, peak, clients_bytes, .. } = figures;
        let parts = self.memory_parts(memory.allocated, clients_bytes);
        let startup = self.memory_startup_bytes.unwrap_or(0);
        let databases: Vec<_> = (0..self.keyspace.databases())
            .map(|number| (number, self.keyspace.db(number)))
            .filter(|(_, db)| !db.is_empty())
            .map(|(number, db)| (number, db.table_bytes() as u64, db.expiry_bytes() as u64, db.len() as u64))
            .collect();
        let keys: u64 = databases.iter().map(|(.., keys)| keys).sum();
        let aof_buffer = self.log_buffers_bytes();
        let mut reply = self.reply(client);
        reply.map(27 + databases.len());
        let mut pairs = Pairs(&mut reply);
        pairs.integers(&[
            ("peak.allocated", peak),
            ("total.allocated", memory.allocated),
            ("startup.allocated", startup),
            ("replication.backlog", 0),
            ("clients.slaves", 0),
            ("clients.normal", clients_bytes),
            ("cluster.links", 0),
            ("aof.buffer", aof_buffer),
            ("lua.caches", 0),
            ("functions.caches", 0),
        ]);
        for (number, table_bytes, expiry_bytes, _) in databases {
            pairs.0.bulk(format!("db.{number}").as_bytes());
            pairs.0.map(3);
            pairs.integers(&[
                ("overhead.hashtable.main", table_bytes),
                ("overhead.hashtable.expires", expiry_bytes),
                ("overhead.hashtable.slot-to-keys", 0),
            ]);
        }
        pairs.integers(&[
            ("overhead.total", parts.overhead),
            ("keys.count", keys),
            ("keys.bytes-per-key", memory.allocated.saturating_sub(startup).checked_div(keys).unwrap_or(0)),
            ("dataset.bytes", parts.dataset),
        ]);
        pairs.double("dataset.percentage", parts.dataset_percent);
        pairs.double("peak.percentage", percent(memory.allocated, peak));
        pairs.integers(&[
            ("allocator.allocated", memory.allocated),
            ("allocator.active", memory.active),
            ("allocator.resident", memory.allocator_resident),
        ]);
        let allocator = figures.allocator_fragmentation();
        pairs.overhead("allocator-fragmentation.ratio", "allocator-fragmentation.bytes", allocator);
        pairs.overhead("allocator-rss.ratio", "allocator-rss.bytes", figures.allocator_resident());
        pairs.overhead("rss-overhead.ratio", "rss-overhead.bytes", figures.process_resident());
        pairs.overhead("fragmentation", "fragmentation.bytes", figures.total_overhead());
        self.end_reply(client, LogOffset(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn healthy() -> Figures {
        let memory = Memory { allocated: 100 * MB, active: 102 * MB, allocator_resident: 105 * MB, resident: 110 * MB };
        Figures { memory, peak: 120 * MB, clients: 10, clients_bytes: MB }
    }

    #[test]
    fn what_is_well_is_said_to_be_well_and_what_is_little_is_not_judged() {
        assert_eq!(healthy().diagnosis(), "No problem with memory was found.\n");
        assert!(Figures::default().diagnosis().starts_with("Little memory"));
    }

    #[test]
    fn every_problem_is_named() {
        let well = healthy();
        let with = |memory: Memory| Figures { memory, ..well };
        for (figures, name) in [
            (Figures { peak: 151 * MB, ..well }, " * Peak:"),
            (with(Memory { resident: 141 * MB, allocator_resident: 140 * MB, ..well.memory }), " * Resident memory:"),
            (with(Memory { active: 111 * MB, ..well.memory }), " * Fragmentation:"),
            (with(Memory { allocator_resident: 113 * MB, resident: 114 * MB, ..well.memory }), " * Free pages:"),
            (with(Memory { resident: 120 * MB, ..well.memory }), " * Beside the allocator:"),
            (Figures { clients_bytes: 3 * MB, ..well }, " * Clients:"),
        ] {
            assert!(figures.diagnosis().contains(name), "{}", figures.diagnosis());
        }
    }
}
