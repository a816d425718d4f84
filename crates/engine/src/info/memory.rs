//! INFO memory.

use super::{Lines, percent};
use crate::client::Client;
use crate::engine::Engine;
use crate::env::Memory;

/// Bytes used for what is not data, and what is left.
pub(crate) struct Parts {
    pub(crate) overhead: u64,
    pub(crate) dataset: u64,
    /// The dataset's share of everything but what the server used when it started.
    pub(crate) dataset_percent: f64,
}

impl Engine {
    /// Notes how much memory is used: the most of it is shown as the peak.
    pub(crate) fn sample_memory(&mut self) {
        if let Some(read) = self.process.memory {
            let allocated = read().allocated;
            self.memory_peak_bytes = self.memory_peak_bytes.max(allocated);
            self.memory_startup_bytes.get_or_insert(allocated);
        }
    }

    pub(super) fn info_memory(&self, asks: &Client, out: &mut Lines<'_>) {
        let m = self.process.memory.map_or_else(Memory::default, |read| read());
        let peak = self.memory_peak_bytes.max(m.allocated);
        let clients_bytes = self.clients_bytes(asks);
        let parts = self.memory_parts(m.allocated, clients_bytes);
        out.title("Memory");
        out.bytes("used_memory", m.allocated);
        out.bytes("used_memory_rss", m.resident);
        out.bytes("used_memory_peak", peak);
        out.put("used_memory_peak_perc", format_args!("{:.2}%", percent(m.allocated, peak)));
        out.put("used_memory_overhead", parts.overhead);
        out.put("used_memory_startup", self.memory_startup_bytes.unwrap_or(0));
        out.put("used_memory_dataset", parts.dataset);
        out.put("used_memory_dataset_perc", format_args!("{:.2}%", parts.dataset_percent));
        out.put("allocator_allocated", m.allocated);
        out.put("allocator_active", m.active);
        out.put("allocator_resident", m.allocator_resident);
        out.bytes("total_system_memory", self.process.system_memory_bytes);
        for absent in ["used_memory_lua", "used_memory_vm_total", "used_memory_scripts", "maxmemory"] {
            out.bytes(absent, 0);
        }
        out.zeros(&[
            "used_memory_vm_eval",
            "used_memory_scripts_eval",
            "number_of_cached_scripts",
            "number_of_functions",
        ]);
        out.zeros(&["number_of_libraries", "used_memory_vm_functions", "used_memory_functions"]);
        out.put("maxmemory_policy", "noeviction");
        out.overhead("allocator_frag", m.active, m.allocated);
        out.overhead("allocator_rss", m.allocator_resident, m.active);
        out.overhead("rss_overhead", m.resident, m.allocator_resident);
        out.overhead("mem_fragmentation", m.resident, m.allocated);
        out.zeros(&["mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers"]);
        out.put("mem_clients_slaves", 0);
        out.put("mem_clients_normal", clients_bytes);
        out.put("mem_cluster_links", 0);
        out.put("mem_aof_buffer", self.log_buffers_bytes());
        out.put("mem_allocator", "jemalloc");
        out.put("active_defrag_running", 0);
        let pending = self.persistence.lazyfree_pending() as u64;
        out.put("lazyfree_pending_objects", pending);
        out.put("lazyfreed_objects", self.stats.lazyfrees.saturating_sub(pending));
    }

    /// The memory of all clients; the one that asks is checked out of the table.
    pub(crate) fn clients_bytes(&self, asks: &Client) -> u64 {
        self.clients.iter().chain(std::iter::once(asks)).map(Client::memory_bytes).sum::<usize>() as u64
    }

    pub(crate) fn log_buffers_bytes(&self) -> u64 {
        self.persistence.aof.backlog_bytes() + self.persistence.aof.diff_len()
    }

    pub(crate) fn memory_parts(&self, used: u64, clients_bytes: u64) -> Parts {
        let databases = (0..self.keyspace.databases()).map(|number| self.keyspace.db(number));
        let tables: usize = databases.filter(|db| !db.is_empty()).map(keyspace::Db::overhead_bytes).sum();
        let startup = self.memory_startup_bytes.unwrap_or(0);
        let overhead = startup + tables as u64 + clients_bytes + self.log_buffers_bytes();
        let dataset = used.saturating_sub(overhead);
        Parts { overhead, dataset, dataset_percent: percent(dataset, used.saturating_sub(startup)) }
    }
}
