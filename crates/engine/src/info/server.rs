//! INFO server, clients, cpu, replication and keyspace.

use super::Lines;
use crate::client::{Blocked, Client};
use crate::config::Config;
use crate::engine::Engine;
use crate::ops::REDIS_VERSION;

impl Engine {
    pub(super) fn info_server(&self, out: &mut Lines<'_>) {
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
        out.put("gcc_version", "0.0.0");
        out.put("process_id", self.process.pid);
        out.put("process_supervised", "no");
        out.put("run_id", &self.process.run_id);
        out.put("tcp_port", self.config.port);
        out.put("server_time_usec", self.now.unix_us);
        out.put("uptime_in_seconds", uptime_s);
        out.put("uptime_in_days", uptime_s / 86_400);
        out.put("hz", self.config.hz);
        out.put("configured_hz", self.config.hz);
        out.put("lru_clock", self.now.unix_s() & 0xff_ffff);
        out.put("executable", &self.process.executable);
        out.put("config_file", &self.process.config_file);
        out.put("io_threads_active", 0);
        for (number, listener) in listeners(&self.config).iter().enumerate() {
            out.put(&format!("listener{number}"), listener);
        }
    }

    pub(super) fn info_clients(&self, client: &Client, out: &mut Lines<'_>) {
        // The client that asks is checked out of the table.
        let all = || self.clients.iter().chain(std::iter::once(client));
        out.title("Clients");
        out.put("connected_clients", self.clients.len());
        out.put("cluster_connections", 0);
        out.put("maxclients", self.config.maxclients);
        out.put("client_recent_max_input_buffer", all().map(|c| c.query.memory_bytes()).max().unwrap_or(0));
        out.put("client_recent_max_output_buffer", all().map(|c| c.out.memory_bytes()).max().unwrap_or(0));
        out.put("blocked_clients", all().filter(|c| c.blocked != Blocked::No).count());
        out.put("tracking_clients", 0);
        out.put("clients_in_timeout_table", self.waiters.with_deadline());
        out.zeros(&["total_blocking_keys", "total_blocking_keys_on_nokey"]);
        out.put("held_replies", all().map(|c| c.out.held_replies()).sum::<usize>());
        out.put("held_reply_bytes", all().map(|c| c.out.held_bytes()).sum::<usize>());
    }

    pub(super) fn info_cpu(&self, out: &mut Lines<'_>) {
        out.title("CPU");
        let Some(cpu) = self.process.cpu.map(|read| read()) else { return };
        for (field, us) in [
            ("used_cpu_sys", cpu.system_us),
            ("used_cpu_user", cpu.user_us),
            ("used_cpu_sys_children", cpu.children_system_us),
            ("used_cpu_user_children", cpu.children_user_us),
            ("used_cpu_sys_main_thread", cpu.main_system_us),
            ("used_cpu_user_main_thread", cpu.main_user_us),
        ] {
            out.put(field, format_args!("{}.{:06}", us / 1_000_000, us % 1_000_000));
        }
    }

    pub(super) fn info_replication(&self, out: &mut Lines<'_>) {
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

    pub(super) fn info_keyspace(&self, out: &mut Lines<'_>) {
        out.title("Keyspace");
        for number in 0..self.keyspace.databases() {
            let db = self.keyspace.db(number);
            if !db.is_empty() {
                let now = self.now.unix();
                let avg_ttl = db.average_deadline().map_or(0, |at| at.0.saturating_sub(now.0).max(0));
                out.put(
                    &format!("db{number}"),
                    format_args!("keys={},expires={},avg_ttl={avg_ttl}", db.len(), db.volatile_len()),
                );
            }
        }
    }
}

/// What the server listens on, a line each.
fn listeners(config: &Config) -> Vec<String> {
    let bound: Vec<String> = config.bind.iter().map(|address| format!("bind={address}")).collect();
    let tcp = (config.port != 0).then(|| format!("name=tcp,{},port={}", bound.join(","), config.port));
    let unix = (!config.unixsocket.is_empty()).then(|| format!("name=unix,bind={}", config.unixsocket));
    tcp.into_iter().chain(unix).collect()
}
