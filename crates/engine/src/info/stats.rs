//! INFO stats, commandstats, errorstats and latencystats.

use super::{Lines, safe};
use crate::engine::Engine;

impl Engine {
    pub(super) fn info_stats(&self, out: &mut Lines<'_>) {
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
        out.put("instantaneous_input_repl_kbps", "0.00");
        out.put("instantaneous_output_repl_kbps", "0.00");
        out.put("expired_keys", s.expired_keys);
        // The index of deadlines knows every expired key: none is left to be guessed at.
        out.put("expired_stale_perc", "0.00");
        out.put("expired_time_cap_reached_count", s.expire_caps);
        out.put("expire_cycle_cpu_milliseconds", s.expire_ns / 1_000_000);
        out.put("evicted_keys", 0);
        out.put("evicted_clients", 0);
        out.zeros(&["total_eviction_exceeded_time", "current_eviction_exceeded_time"]);
        out.put("keyspace_hits", s.keyspace_hits);
        out.put("keyspace_misses", s.keyspace_misses);
        out.zeros(&["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"]);
        out.put("latest_fork_usec", self.persistence.latest_fork_us());
        out.put("total_forks", self.persistence.forks());
        out.put("migrate_cached_sockets", 0);
        out.zeros(&[
            "active_defrag_hits",
            "active_defrag_misses",
            "active_defrag_key_hits",
            "active_defrag_key_misses",
        ]);
        out.zeros(&["total_active_defrag_time", "current_active_defrag_time"]);
        out.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err", "slave_expires_tracked_keys"]);
        out.zeros(&["tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"]);
        out.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes", "unexpected_error_replies"]);
        out.put("total_error_replies", s.error_replies);
        out.put("dump_payload_sanitizations", 0);
        out.put("total_reads_processed", s.reads);
        out.put("total_writes_processed", s.writes);
        out.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
        out.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
        out.put("eventloop_cycles", s.turns);
        out.put("eventloop_duration_sum", s.turns_ns / 1_000);
        out.put("eventloop_duration_cmd_sum", s.commands_ns() / 1_000);
        let turns = s.turns_per_second.per_second();
        out.put("instantaneous_eventloop_cycles_per_sec", turns);
        let turn_us = (s.turns_ns_per_second.per_second() / 1_000).checked_div(turns).unwrap_or(0);
        out.put("instantaneous_eventloop_duration_usec", turn_us);
        out.put("acl_access_denied_auth", s.auth_failures);
        out.zeros(&["acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"]);
        out.put("client_query_buffer_limit_disconnections", s.query_buffer_limit_disconnections);
        out.put("client_output_buffer_limit_disconnections", s.output_buffer_limit_disconnections);
    }

    pub(super) fn info_commandstats(&self, out: &mut Lines<'_>) {
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

    pub(super) fn info_latencystats(&self, out: &mut Lines<'_>) {
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

    pub(super) fn info_errorstats(&self, out: &mut Lines<'_>) {
        out.title("Errorstats");
        for (code, count) in &self.stats.errors {
            out.put(&format!("errorstat_{}", safe(code)), format_args!("count={count}"));
        }
    }
}

/// Nanoseconds as microseconds.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}
