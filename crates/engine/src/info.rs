//! INFO: sections of `field:value` lines, under Redis's names where the meaning is Redis's.

use std::fmt::Write as _;

use aof_state::LogOffset;
use resp_codec::Args;

use crate::client::Client;
use crate::engine::Engine;
use crate::env::Memory;
use crate::ops::REDIS_VERSION;

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
            "memory" => self.info_memory(&mut lines),
            "persistence" => self.info_persistence(&mut lines),
            "stats" => self.info_stats(&mut lines),
            "replication" => self.info_replication(&mut lines),
            "cpu" => self.info_cpu(&mut lines),
            "modules" => lines.title("Modules"),
            "commandstats" => self.info_commandstats(&mut lines),
            "errorstats" => {
                lines.title("Errorstats");
                for (code, count) in &self.stats.errors {
                    lines.put(&format!("errorstat_{}", safe(code)), format_args!("count={count}"));
                }
            }
            "latencystats" => self.info_latencystats(&mut lines),
            "cluster" => {
                lines.title("Cluster");
                lines.put("cluster_enabled", 0);
            }
            _ => self.info_keyspace(&mut lines),
        }
    }

    fn info_server(&self, out: &mut Lines<'_>) {
        let uptime_s = (self.now.mono_us - self.started.mono_us) / 1_000_000;
        out.title("Server");
        out.put("redis_version", REDIS_VERSION);
        out.put("ledgerstone_version", env!("CARGO_PKG_VERSION"));
        out.put("redis_git_sha1", "00000000");
        out.put("redis_git_dirty", 0);
        out.put("redis_build_id", 0);
        out.put("redis_mode", "standalone");
        out.put("os", &self.process.os);
        out.put("arch_bits", usize::BITS);
        out.put("monotonic_clock", "POSIX clock_gettime");
        out.put("multiplexing_api", "epoll");
        out.put("atomicvar_api", "rust-atomic");
        out.put("process_id", self.process.pid);
        out.put("process_supervised", "no");
        out.put("run_id", &self.process.run_id);
        out.put("tcp_port", self.config.port);
        out.put("server_time_usec", self.now.unix_us);
        out.put("uptime_in_seconds", uptime_s);
        out.put("uptime_in_days", uptime_s / 86_400);
        out.put("hz", self.config.hz);
        out.put("configured_hz", self.config.hz);
        out.put("executable", &self.process.executable);
        out.put("config_file", &self.process.config_file);
        out.put("io_threads_active", 0);
    }

    fn info_clients(&self, client: &Client, out: &mut Lines<'_>) {
        // The client that asks is checked out of the table.
        let all = || self.clients.iter().chain(std::iter::once(client));
        out.title("Clients");
        out.put("connected_clients", self.clients.len());
        out.put("cluster_connections", 0);
        out.put("maxclients", self.config.maxclients);
        out.put("client_recent_max_input_buffer", all().map(|c| c.query.memory_bytes()).max().unwrap_or(0));
        out.put("client_recent_max_output_buffer", all().map(|c| c.out.memory_bytes()).max().unwrap_or(0));
        out.put("blocked_clients", self.postponed().len());
        out.zeros(&[
            "tracking_clients",
            "clients_in_timeout_table",
            "total_blocking_keys",
            "total_blocking_keys_on_nokey",
        ]);
        out.put("held_replies", all().map(|c| c.out.held_replies()).sum::<usize>());
        out.put("held_reply_bytes", all().map(|c| c.out.held_bytes()).sum::<usize>());
    }

    fn info_memory(&self, out: &mut Lines<'_>) {
        let m = self.process.memory.map_or_else(Memory::default, |read| read());
        out.title("Memory");
        out.put("used_memory", m.allocated);
        out.put("used_memory_human", human(m.allocated));
        out.put("used_memory_rss", m.resident);
        out.put("used_memory_rss_human", human(m.resident));
        out.put("allocator_allocated", m.allocated);
        out.put("allocator_active", m.active);
        out.put("allocator_resident", m.allocator_resident);
        out.overhead("allocator_frag", m.active, m.allocated);
        out.overhead("allocator_rss", m.allocator_resident, m.active);
        out.overhead("rss_overhead", m.resident, m.allocator_resident);
        out.overhead("mem_fragmentation", m.resident, m.allocated);
        out.put("mem_clients_normal", self.clients.iter().map(Client::memory_bytes).sum::<usize>());
        out.put("mem_aof_buffer", self.persistence.aof.backlog_bytes());
        out.put("maxmemory", 0);
        out.put("maxmemory_human", "0B");
        out.put("maxmemory_policy", "noeviction");
        out.put("mem_allocator", "jemalloc");
        out.put("active_defrag_running", 0);
        out.put("lazyfree_pending_objects", self.persistence.lazyfree_pending());
    }

    fn info_persistence(&self, out: &mut Lines<'_>) {
        let p = &self.persistence;
        out.title("Persistence");
        out.put("loading", u8::from(p.is_loading()));
        out.put("async_loading", 0);
        p.info_loading(self.now, out);
        out.put("rdb_changes_since_last_save", self.stats.dirty);
        out.put("rdb_bgsave_in_progress", 0);
        out.put("rdb_last_save_time", self.started.unix_s());
        out.put("rdb_last_bgsave_status", "ok");
        out.put("rdb_last_bgsave_time_sec", -1);
        out.put("rdb_current_bgsave_time_sec", -1);
        out.put("rdb_last_cow_size", 0);
        p.info_aof(self.now, out);
        out.put("aof_effective_fsync", p.effective_fsync());
    }

    fn info_stats(&self, out: &mut Lines<'_>) {
        let s = &self.stats;
        out.title("Stats");
        out.put("total_connections_received", s.connections_received);
        out.put("total_commands_processed", s.commands_processed);
        out.put("instantaneous_ops_per_sec", s.ops_per_second.per_second());
        out.put("total_net_input_bytes", s.net_input_bytes);
        out.put("total_net_output_bytes", s.net_output_bytes);
        #[expect(clippy::cast_precision_loss, reason = "shown in kilobytes with two digits")]
        let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
        out.put("instantaneous_input_kbps", kbps(s.input_per_second.per_second()));
        out.put("instantaneous_output_kbps", kbps(s.output_per_second.per_second()));
        out.put("rejected_connections", s.rejected_connections);
        out.put("expired_keys", s.expired_keys);
        out.put("evicted_keys", 0);
        out.put("evicted_clients", 0);
        out.put("keyspace_hits", s.keyspace_hits);
        out.put("keyspace_misses", s.keyspace_misses);
        out.zeros(&["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"]);
        out.put("latest_fork_usec", self.persistence.latest_fork_us());
        out.put("total_forks", self.persistence.forks());
        out.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err", "slave_expires_tracked_keys"]);
        out.zeros(&["tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"]);
        out.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes", "unexpected_error_replies"]);
        out.put("total_error_replies", s.error_replies);
        out.put("total_reads_processed", s.reads);
        out.put("total_writes_processed", s.writes);
        out.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
        out.put("client_query_buffer_limit_disconnections", s.query_buffer_limit_disconnections);
        out.put("client_output_buffer_limit_disconnections", s.output_buffer_limit_disconnections);
    }

    fn info_commandstats(&self, out: &mut Lines<'_>) {
        out.title("Commandstats");
        for (command, s) in self.stats.by_command() {
            out.put(
                &format!("cmdstat_{}", command.name),
                format_args!(
                    "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                    s.calls,
                    s.took_ns / 1_000,
                    micros(s.took_ns) / s.calls.max(1) as f64,
                    s.rejected_calls,
                    s.failed_calls
                ),
            );
        }
    }

    fn info_latencystats(&self, out: &mut Lines<'_>) {
        out.title("Latencystats");
        for (command, s) in self.stats.by_command() {
            let Some(latencies) = &s.latencies else { continue };
            let shown: Vec<String> = self
                .config
                .latency_percentiles
                .iter()
                .map(|p| format!("p{p}={:.3}", micros(latencies.value_at_percentile(*p))))
                .collect();
            out.put(&format!("latency_percentiles_usec_{}", command.name), shown.join(","));
        }
    }

    fn info_cpu(&self, out: &mut Lines<'_>) {
        out.title("CPU");
        let Some(cpu) = self.process.cpu.map(|read| read()) else { return };
        for (field, us) in [
            ("used_cpu_sys", cpu.system_us),
            ("used_cpu_user", cpu.user_us),
            ("used_cpu_sys_children", cpu.children_system_us),
            ("used_cpu_user_children", cpu.children_user_us),
        ] {
            out.put(field, format_args!("{}.{:06}", us / 1_000_000, us % 1_000_000));
        }
    }

    fn info_replication(&self, out: &mut Lines<'_>) {
        out.title("Replication");
        out.put("role", "master");
        out.put("connected_slaves", 0);
        out.put("master_failover_state", "no-failover");
        out.put("master_replid", &self.process.run_id);
        out.put("master_replid2", "0".repeat(40));
        out.put("master_repl_offset", 0);
        out.put("second_repl_offset", -1);
        out.zeros(&[
            "repl_backlog_active",
            "repl_backlog_size",
            "repl_backlog_first_byte_offset",
            "repl_backlog_histlen",
        ]);
    }

    fn info_keyspace(&self, out: &mut Lines<'_>) {
        out.title("Keyspace");
        for number in 0..self.keyspace.databases() {
            let db = self.keyspace.db(number);
            if !db.is_empty() {
                out.put(
                    &format!("db{number}"),
                    format_args!("keys={},expires={},avg_ttl=0", db.len(), db.volatile_len()),
                );
            }
        }
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
fn safe(text: &str) -> String {
    text.replace(['#', ':', '\n', '\r'], "_")
}

/// Nanoseconds as microseconds.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1_000.0
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
